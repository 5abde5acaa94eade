"""What the generated events are like: every fault of every field, and enough of what is right."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from random import Random

import msgspec
import pytest

from scoring import InvalidEvent
from scoring.decoding import parse
from tests.equality.batches import Kind, batches, values_of
from tests.equality.odd import broken
from tests.support.oracle.reading import CATEGORIES, DATE, IDENTITIES, MODEL_FIELDS, NUMBERS

Fault = tuple[str, str | None]


def first(kind: Kind, seed: int, count: int) -> list[bytes]:
    """Return about so many values."""
    return list(islice((value for values in values_of(kind, seed) for value in values), count))


def faults(values: list[bytes]) -> Iterator[Fault]:
    """Return the faults of the invalid ones."""
    for value in values:
        try:
            parse(value)
        except InvalidEvent as fault:
            yield fault.code, fault.field


def test_odd_events_have_every_fault_and_most_are_valid() -> None:
    values = first("odd", 1, 20_000)
    found = Counter(faults(values))

    expected = {("not_json", None), ("not_an_object", None), ("too_deep", None), ("bad_date", DATE)}
    expected |= {("wrong_type", field) for field in (*MODEL_FIELDS, *IDENTITIES)}
    expected |= {("out_of_range", field) for field in NUMBERS}
    assert found.keys() >= expected
    assert min(found[fault] for fault in expected) >= 5, found
    assert 0.4 < found.total() / len(values) + 0.1 < 0.6, found


def test_odd_events_come_in_every_writing() -> None:
    """Of the valid ones alone: what a compiled loop must read, or leave alone."""
    values = [value for value in first("odd", 2, 5_000) if not list(faults([value]))]
    shown = b"\n\n".join(values)

    for piece in (
        b"\\u0",
        b"\\ud83d\\ude00",
        "😀".encode(),
        b'\\"',
        b"\\\\",
        b" :",
        b"\t",
        b"\r\n",
        b"e-",
        b"E+",
        b"[[[",
    ):
        assert shown.count(piece) > 20, piece
    assert sum(b'"user_id":"' in value for value in values) > 100
    assert sum(len(value) > 3000 for value in values) > 2
    assert sum(value.count(b'"click_events"') > 1 for value in values) > 20
    assert sum(b"click_events" not in value for value in values) > 100


def test_ordinary_events_are_valid_and_differ() -> None:
    values = first("ordinary", 1, 20_000)

    assert list(faults(values)) == []
    decoded = [msgspec.json.decode(value) for value in values]
    for field in (*NUMBERS, *CATEGORIES, DATE, *IDENTITIES):
        assert len({event.get(field) for event in decoded}) > 1, field
    assert len({tuple(event) for event in decoded}) > 1000
    assert len(set(values)) > 19_990


@pytest.mark.parametrize("kind", ["odd", "ordinary", "mixed", "cut", "long"])
def test_a_seed_gives_the_same_batches_and_another_others(kind: Kind) -> None:
    some, again, others = (list(islice(batches(kind, seed), 5)) for seed in (3, 3, 4))

    assert some == again
    assert some != others


def test_a_broken_event_is_broken_anywhere() -> None:
    event = b'{"click_events":3,"note":"x"}'
    chance = Random(1)
    made = [broken(chance, event) for _ in range(2_000)]

    assert sum(value != event for value in made) > 1_800
    places = Counter(
        next((i for i, (a, b) in enumerate(zip(value, event, strict=False)) if a != b), 0) for value in made
    )
    assert places.keys() >= set(range(len(event) - 1))
