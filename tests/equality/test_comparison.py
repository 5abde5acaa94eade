"""What the comparison must see: each part of what becomes of a batch, changed in one place."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any, Final

import numpy as np
import pytest

from consumer.records import Batch, Output
from consumer.stream.pipeline import Pipeline
from scoring import Decoded, InvalidEvent, Scorer
from scoring.columns import Columns
from tests.equality.batches import batches
from tests.equality.comparison import Comparison, DifferenceError

SEED: Final = 5


def _changed(array: Any, place: Any, value: Any) -> Any:
    changed = array.copy()
    changed[place] = value
    return changed


def _next_double(columns: Columns) -> Columns:
    row = int(np.flatnonzero(~np.isnan(columns.numbers[8]))[-1])
    return replace(columns, numbers=_changed(columns.numbers, (8, row), np.nextafter(columns.numbers[8, row], 2e12)))


def _negative_zero(columns: Columns) -> Columns:
    field, row = np.argwhere((columns.numbers == 0) & ~np.signbit(columns.numbers))[-1]
    return replace(columns, numbers=_changed(columns.numbers, (int(field), int(row)), -0.0))


def _gap(columns: Columns) -> Columns:
    return replace(columns, codes=_changed(columns.codes, (5, int(np.flatnonzero(columns.codes[5] >= 0)[-1])), -1))


def _other_city(columns: Columns) -> Columns:
    strings = list(columns.strings)
    strings[5] = [*strings[5][:-1], "elsewhere"]
    return replace(columns, strings=strings)


def _same_city_twice(columns: Columns) -> Columns:
    strings = list(columns.strings)
    strings[5] = [*strings[5], strings[5][0]]
    return replace(columns, strings=strings)


def _hour(columns: Columns) -> Columns:
    return replace(columns, hours=_changed(columns.hours, -1, (columns.hours[-1] + 1) % 24))


def _shorter_identity(columns: Columns) -> Columns:
    row = int(np.flatnonzero(columns.identities[1, 1])[-1])
    return replace(columns, identities=_changed(columns.identities, (1, 1, row), columns.identities[1, 1, row] - 1))


def _swapped_rows(columns: Columns) -> Columns:
    rows = np.arange(len(columns.hours))
    rows[:2] = 1, 0
    return columns.take(rows)


def _of_columns(change: Callable[[Columns], Columns]) -> Callable[[Decoded], Decoded]:
    return lambda decoded: replace(decoded, columns=change(decoded.columns))


def _other_fault(decoded: Decoded) -> Decoded:
    place, fault = next(iter(decoded.invalid.items()))
    return replace(decoded, invalid=decoded.invalid | {place: InvalidEvent(fault.code, fault.field, "else")})


def _no_fault(decoded: Decoded) -> Decoded:
    return replace(decoded, invalid=dict(list(decoded.invalid.items())[:-1]))


def _faults_in_another_order(decoded: Decoded) -> Decoded:
    return replace(decoded, invalid=dict(reversed(decoded.invalid.items())))


CHANGES: Final = [
    *map(_of_columns, (_next_double, _negative_zero, _gap, _other_city, _same_city_twice, _hour)),
    *map(_of_columns, (_shorter_identity, _swapped_rows)),
    *(_other_fault, _no_fault, _faults_in_another_order),
]


@pytest.fixture(scope="module")
def batch() -> Batch:
    """A batch with valid and invalid events."""
    return next(batch for batch in islice(batches("odd", SEED), 100) if len(batch) == 500)


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_a_change_of_what_was_decoded_is_seen(
    shipped: Scorer, batch: Batch, change: Callable[[Decoded], Decoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = Scorer.decode
    comparison = Comparison(shipped)
    comparison.compare(batch)
    monkeypatch.setattr(Scorer, "decode", lambda *arguments, **options: change(decode(*arguments, **options)))

    with pytest.raises((DifferenceError, ValueError)):
        comparison.compare(batch)


@pytest.mark.parametrize("place", [0, 1, -1])
@pytest.mark.parametrize("field", ["topic", "key", "value", "headers", "timestamp", None])
def test_a_change_of_a_record_is_seen(
    shipped: Scorer, batch: Batch, place: int, field: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: dict[str, Any] = {"topic": "else", "key": b"else", "value": b"else", "headers": [], "timestamp": 7}
    process = Pipeline.process

    def changed(pipeline: Pipeline, batch: Batch) -> Output:
        output = process(pipeline, batch)
        records = list(output.records)
        if field is None:
            del records[place]
        else:
            records[place] = records[place]._replace(**{field: others[field]})
        return replace(output, records=records)

    monkeypatch.setattr(Pipeline, "process", changed)

    with pytest.raises(DifferenceError):
        Comparison(shipped).compare(batch)


@pytest.mark.parametrize("count", ["scored", "levels", "reasons", "imputed", "unseen", "scores", "dead_letter_flags"])
def test_a_change_of_a_count_is_seen(
    shipped: Scorer, batch: Batch, count: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Pipeline.process

    def changed(pipeline: Pipeline, batch: Batch) -> Output:
        output = process(pipeline, batch)
        return replace(output, stats=replace(output.stats, **{count: _other(getattr(output.stats, count))}))

    monkeypatch.setattr(Pipeline, "process", changed)

    with pytest.raises(DifferenceError):
        Comparison(shipped).compare(batch)


def _other(count: Any) -> Any:
    if isinstance(count, dict):
        return count | {next(iter(count)): 123_456}
    return count[::-1] if isinstance(count, list) else count + 1
