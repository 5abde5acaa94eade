"""What is done of a partition, in one offset and a short text."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.dead_letters.offset_ranges import MOST_BYTES, Ledger, Progress, Ranges, decode, encode, merged, undone
from consumer.errors import WorkerError

SPANS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 300)).map(lambda each: (each[0], sum(each))))


def ours(ranges: Ranges) -> Progress:
    """Progress of a group that redrives its own letters alone."""
    return Progress(ranges, [])


@given(SPANS, SPANS)
def test_what_is_noted_is_read_again(spans: Ranges, others: Ranges) -> None:
    progress = Progress(merged(spans), merged(others))
    assert Progress(*map(merged, decode(*encode(progress)))) == progress


@given(SPANS)
def test_a_note_of_version_0_1_0_says_what_is_done_whoever_wrote_it(spans: Ranges) -> None:
    position, text = encode(ours(merged(spans)))
    old = decode(position, text.removesuffix(","))
    assert old.ours == old.others
    assert old.ours == decode(position, text).ours


def test_a_note_that_kafka_keeps_is_still_read() -> None:
    assert decode(5, "c-muPTFk@<00IR7s{,c-muR0ssI800a") == Progress([(0, 5), (7, 9), (300, 301)], [(1, 3)])


def test_what_is_done_is_added_to_one_ledger() -> None:
    done = ours([(0, 5)]).with_done(Ledger.OTHERS, [(7, 9), (9, 12)]).with_done(Ledger.OURS, [(5, 6)])
    assert done == Progress([(0, 6)], [(7, 12)])


@given(SPANS, st.integers(0, 10**6))
def test_an_offset_is_undone_when_it_lies_in_no_range(spans: list[tuple[int, int]], offset: int) -> None:
    assert undone(merged(spans), offset) is not any(start <= offset < end for start, end in spans)


def test_all_done_from_the_beginning_needs_no_text() -> None:
    assert encode(ours([(0, 5), (5, 9)])) == (9, ",")
    assert encode(ours([(3, 5)]))[0] == 0


def test_every_second_of_many_letters_fits() -> None:
    assert len(encode(ours([(i, i + 1) for i in range(0, 1_000_000, 2)]))[1]) <= MOST_BYTES


def test_what_does_not_fit_is_refused_with_the_way_on() -> None:
    pick = random.Random(1)
    ranges = merged((i, i + 1) for i in range(200_000) if pick.random() < 0.5)
    with pytest.raises(WorkerError, match="redrive the older ones first"):
        encode(ours(ranges))


@pytest.mark.parametrize("text", ["a note of somebody else's", "{}", "1:", "é", "1,", ",1", ",,"])
def test_a_note_of_another_making_is_refused(text: str) -> None:
    with pytest.raises(WorkerError, match="delete its group"):
        decode(5, text)
