"""What is read out of librdkafka's statistics."""

import json
import math
import time

import pytest

from consumer.kafka.statistics import ClientStatistics, OldestWait, PartitionProgress
from tests.support.fakes import P0, P1

KNOWN = {"source": "learned", "state": "UP", "rxidle": 3_000_000}
ROLE = {"source": "logical", "state": "TRY_CONNECT", "rxidle": -1}


def told(*brokers: dict[str, object]) -> ClientStatistics:
    statistics = ClientStatistics()
    statistics(json.dumps({"brokers": {str(number): broker for number, broker in enumerate(brokers)}}))
    return statistics


def test_broker_that_is_up_sets_the_last_answer() -> None:
    assert time.monotonic() - told(KNOWN, ROLE).last_answer == pytest.approx(3, abs=0.5)


def test_broker_that_is_down_is_not_forgotten() -> None:
    down = told({"source": "configured", "state": "DOWN", "rxidle": -1}, ROLE)
    assert not down.brokers_forgotten
    assert down.last_answer == -math.inf


def test_client_with_a_coordinator_alone_has_forgotten_brokers() -> None:
    assert told(ROLE).brokers_forgotten
    assert told().brokers_forgotten


def test_idle_client_without_coordinator_has_forgotten_brokers() -> None:
    named = {"brokers": {"1": {"source": "learned", "state": "INIT", "rxidle": -1}, "c": ROLE}}
    for state, age, forgotten in (("query-coord", 95_788, True), ("query-coord", 800, False), ("up", 95_788, False)):
        statistics = ClientStatistics()
        statistics(json.dumps(named | {"cgrp": {"state": state, "stateage": age}}))
        assert statistics.brokers_forgotten == forgotten


def test_unknown_report_is_ignored() -> None:
    statistics = ClientStatistics(last_answer=5.0)
    statistics("no JSON")
    assert statistics.last_answer == 5.0
    assert not statistics.brokers_forgotten


def test_ends_and_unstable_offsets_are_read() -> None:
    partitions = {
        "0": {"hi_offset": 24, "ls_offset": 22},
        "1": {"hi_offset": 7, "ls_offset": 7},
        "2": {"hi_offset": -1001, "ls_offset": -1001},
        "-1": {"hi_offset": 0, "ls_offset": 0},
    }
    statistics = ClientStatistics()
    statistics(json.dumps({"topics": {"sessions": {"partitions": partitions}}}))
    assert {each: end.unstable for each, end in statistics.ends.items()} == {P0: 2, P1: 0}


def test_throttle_is_reported_for_a_minute() -> None:
    assert told(KNOWN).throttled_seconds == 0
    statistics = told(KNOWN, KNOWN | {"throttle": {"min": 0, "avg": 700, "max": 1500}})
    seen = [statistics.throttled_seconds]
    for _ in range(30):
        statistics(json.dumps({"brokers": {"1": KNOWN}}))
        seen.append(statistics.throttled_seconds)
    assert seen == [1.5] * 30 + [0.0]


def test_round_trip_is_that_of_the_coordinator_alone() -> None:
    fetches = KNOWN | {"rtt": {"cnt": 4, "min": 500_000}}
    assert told(fetches, ROLE | {"rtt": {"cnt": 0, "min": 0}}).round_trip_seconds is None
    assert told(fetches, ROLE | {"rtt": {"cnt": 4, "min": 2_100}}).round_trip_seconds == 0.0021


def test_round_trip_ignores_a_join_that_waits_and_no_answers() -> None:
    statistics = ClientStatistics()
    for count, shortest in ((4, 2_000), (1, 3_010_000), (0, 0), (0, 0), (4, 2_200), (4, 2_100)):
        coordinator = ROLE | {"rtt": {"cnt": count, "min": shortest, "p50": 0, "p99": 0}}
        statistics(json.dumps({"brokers": {"GroupCoordinator": coordinator}}))
    assert statistics.round_trip_seconds == pytest.approx(0.00215)


def test_read_partition_does_not_wait() -> None:
    waiting = OldestWait()
    assert waiting.update({P0: PartitionProgress(5, 5)}, 100.0) == {P0: 0.0}
    assert waiting.update({P0: PartitionProgress(5, 5)}, 200.0) == {P0: 0.0}


def test_age_grows_while_a_partition_is_not_read() -> None:
    waiting = OldestWait()
    ages = [waiting.update({P0: PartitionProgress(5, 6 + second)}, float(second))[P0] for second in range(7200)]
    assert ages == [float(second) for second in range(7200)]


def test_age_is_that_of_the_oldest_unread_offset() -> None:
    waiting = OldestWait()
    waiting.update({P0: PartitionProgress(0, 10)}, 0.0)
    waiting.update({P0: PartitionProgress(0, 20)}, 30.0)
    assert waiting.update({P0: PartitionProgress(9, 20)}, 40.0) == {P0: 40.0}
    assert waiting.update({P0: PartitionProgress(10, 20)}, 40.0) == {P0: 10.0}
    assert waiting.update({P0: PartitionProgress(20, 20)}, 50.0) == {P0: 0.0}


def test_partitions_age_separately_and_revoked_ones_are_forgotten() -> None:
    waiting = OldestWait()
    waiting.update({P0: PartitionProgress(0, 10), P1: PartitionProgress(0, 1)}, 0.0)
    assert waiting.update({P0: PartitionProgress(10, 10), P1: PartitionProgress(0, 1)}, 60.0) == {P0: 0.0, P1: 60.0}
    assert waiting.update({P0: PartitionProgress(10, 10)}, 70.0) == {P0: 0.0}
    assert waiting.update({P0: PartitionProgress(10, 10), P1: PartitionProgress(0, 1)}, 80.0) == {P0: 0.0, P1: 0.0}


def test_rewound_offsets_age_from_the_rewind() -> None:
    waiting = OldestWait()
    waiting.update({P0: PartitionProgress(0, 10)}, 0.0)
    waiting.update({P0: PartitionProgress(10, 10)}, 5.0)
    assert waiting.update({P0: PartitionProgress(0, 10)}, 6.0) == {P0: 0.0}
    assert waiting.update({P0: PartitionProgress(0, 10)}, 8.0) == {P0: 2.0}


def test_shrinking_backlog_is_as_old_as_its_oldest() -> None:
    """Ten a second come, five are read: the age grows by half a second each second, give or take the thinning."""
    waiting = OldestWait()
    for second in range(4000):
        age = waiting.update({P0: PartitionProgress(5 * second, 10 * second + 10)}, float(second))[P0]
    assert abs(age - 2000) < 2000 / 20


def test_recreated_topic_forgets_the_old_ends() -> None:
    waiting = OldestWait()
    waiting.update({P0: PartitionProgress(900, 1000)}, 0.0)
    assert waiting.update({P0: PartitionProgress(50, 50)}, 10.0) == {P0: 0.0}
    assert waiting.update({P0: PartitionProgress(50, 60)}, 20.0) == {P0: 0.0}
    assert waiting.update({P0: PartitionProgress(50, 60)}, 25.0) == {P0: 5.0}
