"""The simulation itself: the same seed is the same run, and a broken promise is found and shrunk."""

import os
import subprocess
import sys

import pytest

from consumer.kafka.assignment import Assignment
from tests.simulation.clients.membership import Membership
from tests.simulation.kafka.groups import Group
from tests.simulation.schedule import LEAST_EVENTS, LEAST_FAULTS, Run, Schedule, run
from tests.simulation.shrinking import shrink

SEEDS = range(48)  # each delivery with each group protocol several times


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return [run(seed) for seed in SEEDS]


def test_no_promise_is_broken(runs: list[Run]) -> None:
    assert [(each.seed, str(each.violation)) for each in runs if each.violation is not None] == []


def test_a_run_has_many_events_and_faults(runs: list[Run]) -> None:
    assert min(each.events for each in runs) >= LEAST_EVENTS
    assert min(len(each.faults) for each in runs) >= LEAST_FAULTS


def test_deliveries_and_protocols_take_turns() -> None:
    drawn = {(Schedule.draw(seed).exactly_once, Schedule.draw(seed).protocol) for seed in SEEDS}
    assert len(drawn) == 6


@pytest.mark.parametrize(("topics", "count"), [(2, 12), (3, 24)])
def test_several_topics_are_read_with_each_delivery_and_protocol(topics: int, count: int) -> None:
    schedules = [Schedule.draw(seed) for seed in range(132)]
    drawn = [schedule for schedule in schedules if len(schedule.topics) == topics]
    assert len(drawn) == count
    assert len({(each.exactly_once, each.protocol) for each in drawn}) == 6
    assert all(min(each.topics.values()) >= 1 for each in drawn)


def test_topic_created_while_running_must_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = next(each for each in range(1000) if len(Schedule.draw(each).topics) == 3)
    monkeypatch.setattr(Group, "topic_created", lambda _: None)
    monkeypatch.setattr(Membership, "topic_created", lambda _: None)
    violation = run(seed, frozenset()).violation
    assert violation is not None
    assert violation.check == "progress"
    assert "logouts" in str(violation)


@pytest.mark.parametrize("seed", [1, 4, 7, 9])  # 4 reads two topics, 9 three
def test_a_seed_replays_to_the_byte(seed: int) -> None:
    first, second = (_story(seed, hash_seed) for hash_seed in ("1", "2"))
    assert first == second
    assert len(first.splitlines()) > LEAST_EVENTS


def test_a_broken_promise_is_found_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Assignment, "rewind", lambda _: None)
    failed = next(each for seed in range(1000) if (each := run(seed)).violation is not None)
    smallest = shrink(failed, run)
    assert smallest.violation is not None
    assert len(smallest.faults) < len(failed.faults)
    again = run(smallest.seed, frozenset(fault.number for fault in smallest.faults))
    assert str(again.violation) == str(smallest.violation)


def _story(seed: int, hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed)]
    done = subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": hash_seed}, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()
