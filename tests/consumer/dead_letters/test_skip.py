"""Past a batch that cannot be read: how its end is found, what is refused, what is written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.dead_letters.skip import Place, require_idle, skip
from consumer.errors import FatalError, WorkerError
from consumer.stream.unreadable_extent import end_of
from tests.support.fakes import FakeLog, FakeProbe, FakeProducer, Fault

NOW = 1_800_000_000_000
WHY = "its checksum is wrong"
PLACE = Place("scorers", "sessions", 3, 10)


@given(st.integers(0, 50), st.integers(1, 5000), st.sampled_from([None, WHY]), st.integers(0, 50))
def test_the_end_is_found_in_few_looks_whatever_follows(start: int, length: int, after: str | None, rest: int) -> None:
    probe = FakeProbe(0, (0, start, None), (start, length, WHY), (start + length, rest, after))
    assert end_of(probe, start) == start + length
    assert probe.looks <= 2 * math.ceil(math.log2(length + 1)) + 1


def test_one_dead_letter_stands_for_the_batch_and_the_offset_goes_after_it() -> None:
    log = FakeLog()
    probe = FakeProbe(10, (0, 10, None), (10, 7, WHY), (17, 5, None))
    assert skip(probe, FakeProducer(log), PLACE, "letters", lambda: NOW) == (10, 17)
    (letter,) = log.visible
    headers = dict(letter.headers)
    assert (letter.topic, letter.key, letter.value, letter.timestamp) == ("letters", b"sessions-3-10", None, NOW)
    assert headers["__connect.errors.exception.message"] == b"the batch of offsets 10 to 16 cannot be read: " + (
        WHY.encode()
    )
    assert headers["dead_letter.code"] == b"unreadable_batch"
    assert log.offsets == {3: 17}


def test_a_group_that_stands_inside_the_batch_skips_the_rest_of_it() -> None:
    probe = FakeProbe(12, (10, 7, WHY), (17, 5, None))
    assert skip(probe, FakeProducer(FakeLog()), PLACE, "letters", lambda: NOW) == (12, 17)


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        (FakeProbe(0, (0, 10, None), (10, 7, WHY)), "goes on at offset 0 .* can be read: nothing to skip"),
        (FakeProbe(17, (10, 7, WHY), (17, 5, None)), "goes on at offset 17 .* can be read"),
        (FakeProbe(5, (5, 5, WHY), (10, 7, WHY)), "begins at 5: --offset says else"),
    ],
)
def test_what_is_not_the_next_batch_or_can_be_read_is_refused_and_nothing_is_changed(
    probe: FakeProbe, said: str
) -> None:
    log = FakeLog()
    with pytest.raises(WorkerError, match=said):
        skip(probe, FakeProducer(log), PLACE, "letters", lambda: NOW)
    assert not log.calls


def test_a_transaction_that_fails_leaves_all_as_it_was() -> None:
    log = FakeLog({"send_offsets": [Fault(FatalError("gone"))]})
    with pytest.raises(WorkerError, match="run it again"):
        skip(FakeProbe(10, (10, 7, WHY)), FakeProducer(log), PLACE, "letters", lambda: NOW)
    assert not log.visible
    assert not log.offsets
    assert [call for _, call in log.calls][-2:] == ["abort", "drop"], "readers wait for what is open"


class Members:
    """The hosts whose workers have the partition."""

    def __init__(self, *hosts: str) -> None:
        self._hosts = list(hosts)

    def readers(self, *_: object) -> list[str]:
        return self._hosts


def test_a_partition_that_a_worker_has_is_left_alone() -> None:
    require_idle(PLACE, Members())
    with pytest.raises(WorkerError, match=r"on /10\.0\.0\.7 has partition 3 of sessions: stop the group's workers"):
        require_idle(PLACE, Members("/10.0.0.7"))
