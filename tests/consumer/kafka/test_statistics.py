"""What is read out of librdkafka's statistics."""

import json
import math
import time

import pytest

from consumer.kafka.statistics import ClientStatistics

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
    assert {each: end.unstable for each, end in statistics.ends["sessions"].items()} == {0: 2, 1: 0}


def test_throttle_is_reported_for_a_minute() -> None:
    assert told(KNOWN).throttled_seconds == 0
    statistics = told(KNOWN, KNOWN | {"throttle": {"min": 0, "avg": 700, "max": 1500}})
    seen = [statistics.throttled_seconds]
    for _ in range(30):
        statistics(json.dumps({"brokers": {"1": KNOWN}}))
        seen.append(statistics.throttled_seconds)
    assert seen == [1.5] * 30 + [0.0]
