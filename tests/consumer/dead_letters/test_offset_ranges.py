"""The redriven offsets of a partition, in one offset and its metadata."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.dead_letters.offset_ranges import (
    MOST_BYTES,
    Ranges,
    RedriveProgress,
    WriterKind,
    contains,
    decode,
    encode,
    merge,
)
from consumer.errors import WorkerError

SPANS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 300)).map(lambda pair: (pair[0], sum(pair))))


def own(ranges: Ranges) -> RedriveProgress:
    """Progress of a group that redrives its own letters alone."""
    return RedriveProgress(ranges, [])


@given(SPANS, SPANS)
def test_progress_survives_a_round_trip(spans: Ranges, others: Ranges) -> None:
    progress = RedriveProgress(merge(spans), merge(others))
    assert RedriveProgress(*map(merge, decode(*encode(progress)))) == progress


@given(SPANS)
def test_metadata_of_version_0_1_0_counts_for_both_kinds(spans: Ranges) -> None:
    position, text = encode(own(merge(spans)))
    old = decode(position, text.removesuffix(","))
    assert old.own_group == old.other
    assert old.own_group == decode(position, text).own_group


def test_stored_metadata_is_still_read() -> None:
    assert decode(5, "c-muPTFk@<00IR7s{,c-muR0ssI800a") == RedriveProgress([(0, 5), (7, 9), (300, 301)], [(1, 3)])


def test_ranges_are_added_to_one_kind() -> None:
    done = own([(0, 5)]).add(WriterKind.OTHER, [(7, 9), (9, 12)]).add(WriterKind.OWN_GROUP, [(5, 6)])
    assert done == RedriveProgress([(0, 6)], [(7, 12)])


@given(SPANS, st.integers(0, 10**6))
def test_contains_finds_the_range_of_an_offset(spans: list[tuple[int, int]], offset: int) -> None:
    assert contains(merge(spans), offset) is any(start <= offset < end for start, end in spans)


def test_one_range_from_the_beginning_needs_no_text() -> None:
    assert encode(own([(0, 5), (5, 9)])) == (9, ",")
    assert encode(own([(3, 5)]))[0] == 0


def test_every_second_of_many_offsets_fits() -> None:
    assert len(encode(own([(i, i + 1) for i in range(0, 1_000_000, 2)]))[1]) <= MOST_BYTES


def test_too_long_metadata_is_refused_with_a_remedy() -> None:
    pick = random.Random(1)
    ranges = merge((i, i + 1) for i in range(200_000) if pick.random() < 0.5)
    with pytest.raises(WorkerError, match="redrive the older ones first"):
        encode(own(ranges))


@pytest.mark.parametrize("text", ["a note of somebody else's", "{}", "1:", "é", "1,", ",1", ",,"])
def test_foreign_metadata_is_refused(text: str) -> None:
    with pytest.raises(WorkerError, match="delete its group"):
        decode(5, text)
