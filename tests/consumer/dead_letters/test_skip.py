"""Skipping an unreadable batch: its end, what is refused, what is written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.dead_letters.skip import SkipTarget, require_idle, skip
from consumer.errors import FatalError, WorkerError
from consumer.kafka.unreadable import end_of
from consumer.records import Partition
from tests.support.fakes import FakeLog, FakeProbe, FakeProducer, Fault

NOW = 1_800_000_000_000
WHY = "its checksum is wrong"
TARGET = SkipTarget("scorers", Partition("sessions", 3), 10)


@given(st.integers(0, 50), st.integers(1, 5000), st.sampled_from([None, WHY]), st.integers(0, 50))
def test_the_end_of_a_batch_takes_few_looks(start: int, length: int, after: str | None, rest: int) -> None:
    probe = FakeProbe(0, (0, start, None), (start, length, WHY), (start + length, rest, after))
    assert end_of(probe, start) == start + length
    assert probe.looks <= 2 * math.ceil(math.log2(length + 1)) + 1


def test_skip_writes_one_dead_letter_and_moves_the_offset() -> None:
    log = FakeLog()
    probe = FakeProbe(10, (0, 10, None), (10, 7, WHY), (17, 5, None))
    assert skip(probe, FakeProducer(log), TARGET, "letters", NOW) == (10, 17)
    (dead_letter,) = log.visible
    headers = dict(dead_letter.headers)
    assert (dead_letter.topic, dead_letter.key, dead_letter.value, dead_letter.timestamp) == (
        "letters",
        b"sessions-3-10",
        None,
        NOW,
    )
    assert headers["__connect.errors.exception.message"] == b"the batch of offsets 10 to 16 cannot be read: " + (
        WHY.encode()
    )
    assert headers["dead_letter.code"] == b"unreadable_batch"
    assert log.offsets == {TARGET.partition: 17}


def test_a_group_inside_the_batch_skips_the_rest() -> None:
    probe = FakeProbe(12, (10, 7, WHY), (17, 5, None))
    assert skip(probe, FakeProducer(FakeLog()), TARGET, "letters", NOW) == (12, 17)


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (FakeProbe(0, (0, 10, None), (10, 7, WHY)), "goes on at offset 0 .* can be read: nothing to skip"),
        (FakeProbe(17, (10, 7, WHY), (17, 5, None)), "goes on at offset 17 .* can be read"),
        (FakeProbe(5, (5, 5, WHY), (10, 7, WHY)), "begins at 5: --offset says else"),
    ],
)
def test_skip_refuses_what_is_not_the_next_unreadable_batch(probe: FakeProbe, message: str) -> None:
    log = FakeLog()
    with pytest.raises(WorkerError, match=message):
        skip(probe, FakeProducer(log), TARGET, "letters", NOW)
    assert not log.calls


def test_a_failed_skip_changes_nothing() -> None:
    log = FakeLog({"send_offsets": [Fault(FatalError("gone"))]})
    with pytest.raises(WorkerError, match="run it again"):
        skip(FakeProbe(10, (10, 7, WHY)), FakeProducer(log), TARGET, "letters", NOW)
    assert not log.visible
    assert not log.offsets
    assert [call for _, call in log.calls][-2:] == ["abort", "drop"], "readers wait for what is open"


def test_skip_refuses_a_partition_assigned_to_a_worker() -> None:
    require_idle(TARGET, [])
    with pytest.raises(WorkerError, match=r"on /10\.0\.0\.7 has partition 3 of sessions: stop the group's workers"):
        require_idle(TARGET, ["/10.0.0.7"])
