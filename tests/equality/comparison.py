"""Hold the pipeline to a slow one, batch by batch: columns, faults, the bytes of all records, and what is counted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np

from consumer.records import Batch, Output
from consumer.stream.output_limits import TopicLimits
from consumer.stream.pipeline import Pipeline
from scoring import Decoded, InvalidEvent, Scorer
from scoring.columns import Columns
from scoring.contract import CATEGORIES, IDENTITIES, MODEL_FIELDS
from tests.equality.batches import Kind, batches
from tests.equality.slow_pipeline import GROUP, NOW, TOPICS, Expected, SlowPipeline, judge

ROOM: Final = 1 << 30  # of a record: no result is too large
_ALONE: Final = 25  # one of so many events is also scored alone


class DifferenceError(AssertionError):
    """The two pipelines disagree."""


@dataclass
class Totals:
    """What was compared."""

    batches: int = 0
    valid: int = 0
    high: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)

    @property
    def events(self) -> int:
        return self.valid + self.codes.total()

    @property
    def left_valid(self) -> int:
        """How many valid events were left to the contract's decoder."""
        return self.left.total() - self.left["invalid"]

    def __str__(self) -> str:
        share = self.left_valid / max(self.valid, 1)
        return (
            f"{self.events:,} events in {self.batches:,} batches: {self.valid:,} valid, {self.high:,} High, "
            f"invalid {dict(self.codes.most_common())}; {share:.2%} of the valid left to the contract's decoder, "
            f"{dict(self.left.most_common())}"
        )


class Comparison:
    """Compares batches, and counts what it compared."""

    def __init__(self, scorer: Scorer) -> None:
        self.totals = Totals()
        self._scorer = scorer
        self._slow_pipeline = SlowPipeline(scorer)
        self._pipeline = Pipeline(scorer, TOPICS, GROUP, lambda _: TopicLimits(ROOM), lambda: NOW)

    def run(self, kind: Kind, seed: int, events: int) -> Iterator[Totals]:
        """Compare batches until this many more events are compared. Raises Difference, naming the batch."""
        until = self.totals.events + events
        for number, batch in enumerate(batches(kind, seed)):
            if self.totals.events >= until:
                return
            try:
                self.compare(batch)
            except Exception as error:
                error.add_note(f"kind {kind}, seed {seed}, batch {number}")
                raise
            yield self.totals

    def compare(self, batch: Batch) -> None:
        """Raise DifferenceError where decoding or processing this batch differs."""
        expected = self._slow_pipeline.process(batch)
        output = self._pipeline.process(batch)
        kept = list(output.records)  # what a batch became stays as it is while the next is processed
        values = [value for value in batch.values if value is not None]
        decoded = self._scorer.decode(values)
        compare_decoded(values, decoded)
        _compare_outputs(expected, output)
        if output.records != kept:
            raise DifferenceError("records change after the batch")
        self._compare_alone(values, expected)
        self.totals.batches += 1
        self.totals.valid += len(decoded.positions)
        self.totals.high += output.stats.levels["High"]
        self.totals.codes += Counter(output.stats.dead_letter_codes)
        self.totals.left += Counter(decoded.left)

    def _compare_alone(self, values: Sequence[bytes], expected: Expected) -> None:
        """Hold some scores of the batch to those of the events alone."""
        events = judge(values[:: max(_ALONE, len(values) // 4)]).events
        if 0 in events:
            score = self._slow_pipeline.verdict_alone(events[0]).anomaly_score
            if score != expected.counts["scores"][0]:
                raise DifferenceError(f"alone the first event scores {score}: {values[0]!r}")


def compare_decoded(values: Sequence[bytes], decoded: Decoded) -> None:
    """Raise DifferenceError unless these values were decoded as the contract's decoder decodes each of them."""
    judged = judge(values)
    faults = {position: _parts(fault) for position, fault in judged.faults.items()}
    found = {position: _parts(fault) for position, fault in decoded.invalid.items()}
    for position, value in enumerate(values):
        if faults.get(position) != found.get(position):
            raise DifferenceError(f"{value!r}: {found.get(position)}, and not {faults.get(position)}")
    if list(found) != list(faults) or list(decoded.positions) != list(judged.events):
        raise DifferenceError("positions differ, or their order")
    compare_columns([values[position] for position in judged.events], decoded.columns, judged.columns)


def compare_columns(values: Sequence[bytes], found: Columns, expected: Columns) -> None:
    """Raise DifferenceError unless both hold the same, to the bit; `values` are what they were made of."""
    if not len(found.hours) == found.numbers.shape[1] == found.codes.shape[1] == len(values):
        raise DifferenceError(f"{found.numbers.shape} numbers of {len(values)} events")
    for name, ours, theirs in zip(_NAMES, _plain(found), _plain(expected), strict=True):
        if ours != theirs:
            row = next(row for row in range(len(values)) if ours[row] != theirs[row])
            raise DifferenceError(f"{values[row]!r}: {name} is {ours[row]!r}, and not {theirs[row]!r}")
    for strings in found.strings:
        if len(set(strings)) != len(strings):
            raise DifferenceError("a string stands twice in a dictionary")


_NAMES: Final = (*MODEL_FIELDS, *IDENTITIES)


def _plain(columns: Columns) -> list[list[Any]]:
    """Return the values of each field, in the order of the names; numbers as their bits, NaN as one."""
    bits = np.where(np.isnan(columns.numbers), np.nan, columns.numbers).view(np.int64)
    return [
        *bits.tolist(),
        *(columns.category_column(place) for place in range(len(CATEGORIES))),
        columns.hours.tolist(),
        *([columns.identity(which, row) for row in range(len(columns.hours))] for which in range(len(IDENTITIES))),
    ]


def _parts(fault: InvalidEvent) -> tuple[str, str | None, str]:
    return fault.code, fault.field, fault.message


def _compare_outputs(expected: Expected, output: Output) -> None:
    for record, other in zip(output.records, expected.records, strict=False):
        for name, ours, theirs in zip(record._fields, record, other, strict=True):
            if type(ours) is not type(theirs) or ours != theirs:
                raise DifferenceError(f"record of {other.value!r}:\n{name} is\n{ours!r}, and not\n{theirs!r}")
    if len(output.records) != len(expected.records):
        raise DifferenceError(f"{len(output.records)} records, and not {len(expected.records)}")
    stats = output.stats
    for name, theirs in expected.counts.items():
        ours = getattr(stats, name)
        if (ours.tolist() if isinstance(ours, np.ndarray) else ours) != theirs:
            raise DifferenceError(f"{name}: {ours}, and not {theirs}")


def batch_number(kind: Kind, seed: int, number: int) -> Batch:
    """Return one batch again."""
    return next(islice(batches(kind, seed), number, None))
