"""Workers as they are seen from outside: across restarts, while they do not answer, together."""

import math
from dataclasses import replace

from consumer.console.snapshot import Reading, combine_pulses, sum_readings
from consumer.console.worker_status import WorkerStatus


def seen(at: float, done: int, lag: int = 3, fast: int = 0) -> Reading:
    latency = ((0.001, fast), (1.0, done), (math.inf, done))
    return Reading(at, {"scored": done}, {"Low": done}, {}, {"committed": done // 10}, latency, (lag,), "v1")


def asked(*readings: Reading) -> WorkerStatus:
    worker = WorkerStatus("worker-1:9108", window_seconds=5.0)
    for each in readings:
        worker.add(each)
    return worker


def test_one_that_was_never_asked_or_never_answered_is_down_and_has_counted_nothing() -> None:
    worker = asked()
    assert (worker.up, worker.total().accounted) == (False, 0)
    worker.add_failure("Connection refused", 10.0)
    worker.add_failure("Connection refused", 14.0)
    assert (worker.description(), worker.detail(15.0)) == ("worker-1:9108 down: Connection refused", "5 s")


def test_one_that_answers_says_its_model_its_lag_and_its_speed() -> None:
    worker = asked(seen(10.0, 1000), seen(12.0, 1500))
    assert (worker.up, worker.description()) == (True, "worker-1:9108 up, model v1")
    assert worker.detail(12.0) == "lag 3, 250/s"


def test_one_without_partitions_says_so() -> None:
    assert asked(replace(seen(10.0, 0), lags=())).detail(10.0) == "no partitions"


def test_what_was_counted_before_a_restart_is_not_forgotten_and_makes_no_speed() -> None:
    worker = asked(seen(10.0, 1000), seen(12.0, 1500), seen(14.0, 40))
    assert worker.total().accounted == 1540
    assert worker.total().lags == (3,)  # of those who live
    assert worker.total().latency[1] == (1.0, 1540)
    assert worker.pulse.rate is None  # nothing to go by yet
    worker.add(seen(16.0, 60))
    assert worker.total().accounted == 1560
    assert worker.pulse.rate == 10


def test_two_restarts_are_two() -> None:
    worker = asked(seen(10.0, 1000), seen(12.0, 100), seen(14.0, 10))
    assert worker.total().accounted == 1110


def test_one_that_is_down_keeps_its_counts_and_has_neither_speed_nor_lag() -> None:
    worker = asked(seen(10.0, 1000), seen(12.0, 1500))
    worker.add_failure("no answer within 2 s", 14.0)
    assert worker.total().accounted == 1500
    assert (worker.total().lags, worker.pulse.rate) == ((), None)


def test_one_that_comes_back_makes_no_leap_of_what_it_did_unseen() -> None:
    worker = asked(seen(10.0, 1000))
    worker.add_failure("no answer within 2 s", 12.0)
    worker.add(seen(60.0, 90_000))
    assert (worker.pulse.rate, worker.total().accounted) == (None, 90_000)
    worker.add(seen(62.0, 90_200))
    assert worker.pulse.rate == 100


def test_together_counts_speeds_and_lags_add_up_and_latencies_are_of_all_events() -> None:
    fast = asked(seen(10.0, 0), seen(12.0, 300, fast=300))
    slow = asked(seen(10.0, 0), seen(12.0, 100))
    whole = sum_readings([fast.total(), slow.total()], 12.0)
    assert (whole.accounted, whole.levels, whole.lags) == (400, {"Low": 400}, (3, 3))
    assert whole.transactions == {"committed": 40}
    pulse = combine_pulses([fast.pulse, slow.pulse, asked().pulse])
    assert pulse.rate == 200
    assert pulse.p50 is not None
    assert pulse.p99 is not None
    assert pulse.p50 <= 0.001
    assert 0.9 < pulse.p99 < 1.0


def test_nobody_has_no_pulse() -> None:
    assert combine_pulses([asked().pulse]).rate is None


def test_of_two_versions_with_other_bounds_the_shared_ones_count() -> None:
    other = Reading(1.0, latency=((0.5, 10.0), (math.inf, 20.0)))
    one = Reading(1.0, latency=((0.001, 1.0), (0.5, 2.0), (math.inf, 2.0)))
    assert sum_readings([other, one], 1.0).latency == ((0.5, 12.0), (math.inf, 22.0))
