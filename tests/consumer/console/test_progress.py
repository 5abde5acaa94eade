"""How a run goes, as it is seen moment by moment."""

from dataclasses import replace

from consumer.console.alerts import Alert
from consumer.console.progress import Observation, RunProgress
from consumer.console.snapshot import Reading
from tests.support.fakes import FakeClock


def seen(clock: FakeClock, fed: int, done: int, high: int = 0, alert_count: int = 0) -> Observation:
    reading = Reading(clock.now, {"scored": done}, {"Low": done - high, "High": high}, lags=(0,), model="v")
    return Observation(
        reading, fed, alert_count=alert_count, alerts=[Alert("session_1", 0.9, "no clicks")] * bool(alert_count)
    )


def at_the_end(fed: int, done: int, high: int = 0, alert_count: int = 0) -> Observation:
    return replace(seen(FakeClock(), fed, done, high, alert_count), all_fed=True)


def test_it_is_finished_when_all_that_was_fed_is_done_and_every_alert_has_arrived() -> None:
    assert not seen(FakeClock(), 10, 10).finished  # more will be fed
    assert not at_the_end(10, 9).finished
    assert not at_the_end(10, 10, high=2, alert_count=1).finished
    assert at_the_end(10, 10, high=2, alert_count=2).finished
    assert at_the_end(0, 0).finished


def test_an_event_that_is_done_twice_does_not_keep_it_from_ending() -> None:
    assert at_the_end(10, 12, high=1, alert_count=2).finished


def test_the_whole_is_counted_from_the_first_event_to_the_last() -> None:
    clock = FakeClock()
    progress = RunProgress("demo", 100, clock)
    for fed, done in [(0, 0), (0, 0), (50, 20), (100, 70), (100, 100), (100, 100), (100, 100)]:
        progress.add(seen(clock, fed, done))
        clock.sleep(1.0)

    assert progress.overall().seconds == 3.0
    assert progress.overall().rate == 100 / 3
    assert progress.snapshot("done").seconds == 7.0


def test_speed_is_not_diluted_by_the_time_before_the_first_event() -> None:
    clock = FakeClock()
    progress = RunProgress("demo", None, clock)
    progress.add(seen(clock, 0, 0))
    assert progress.snapshot("joining").pulse.rate is None
    clock.sleep(4.0)
    progress.add(seen(clock, 0, 0))
    clock.sleep(1.0)
    progress.add(seen(clock, 100, 100))

    assert progress.snapshot("running").pulse.rate == 100


def test_a_run_of_nothing_has_no_speed() -> None:
    progress = RunProgress("demo", None, FakeClock())

    assert progress.overall().rate is None
    assert progress.snapshot("starting").pulse.rate is None


def test_it_stalls_when_what_is_owed_does_not_come() -> None:
    clock = FakeClock()
    progress = RunProgress("demo", None, clock)
    progress.add(seen(clock, 10, 5))
    clock.sleep(20.0)
    progress.add(seen(clock, 10, 5))
    assert progress.stalled() == 20.0

    progress.add(seen(clock, 10, 6))
    assert progress.stalled() == 0.0


def test_a_slow_feeder_is_no_stall() -> None:
    clock = FakeClock()
    progress = RunProgress("demo", None, clock)
    progress.add(seen(clock, 10, 10))
    clock.sleep(600.0)

    assert progress.stalled() == 0.0


def test_a_start_that_does_not_come_off_is_a_stall() -> None:
    clock = FakeClock()
    progress = RunProgress("demo", None, clock)
    progress.add(Observation(Reading(clock.now)))
    clock.sleep(31.0)

    assert progress.stalled() == 31.0


def test_compiling_is_no_stall_however_long_it_takes() -> None:
    clock = FakeClock()
    progress = RunProgress("demo", None, clock)
    progress.add(Observation(Reading(clock.now), compiling=True))
    clock.sleep(300.0)
    assert progress.stalled() == 0.0

    progress.add(Observation(Reading(clock.now)))
    clock.sleep(31.0)
    assert progress.stalled() == 31.0


def test_it_is_not_finished_before_a_dead_letter_is_seen_where_there_is_one() -> None:
    reading = Reading(0.0, {"dead_lettered": 1})
    assert not Observation(reading, fed=1, all_fed=True, dead_letter="").finished
    assert Observation(reading, fed=1, all_fed=True, dead_letter="not_json, not JSON").finished
    assert Observation(reading, fed=1, all_fed=True).finished
    assert Observation(Reading(0.0, {"scored": 1}), fed=1, all_fed=True, dead_letter="").finished
