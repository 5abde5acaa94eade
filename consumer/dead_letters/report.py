"""Output of the dead-letter commands: a line per dead letter, then the counts. No keys, no values."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from consumer.dead_letters.record import DeadLetter, Filter, Refusal, WriterFilter
from consumer.dead_letters.redrive import Plan, RedriveStats
from consumer.printable import json_text, printable

_ROW: Final = "{time:24}  {code:16}  {field:18}  {attempts:>8}  {source:24}  {writer:20}  {message}"
_COLUMNS: Final = ("time", "code", "field", "attempts", "source", "writer", "message")

_OWN_LINES: Final = {Refusal.REDRIVEN, Refusal.NOT_A_DEAD_LETTER, Refusal.OTHER_WRITER, Refusal.FILTERED}
"""Refusals that have a line of their own."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Which dead letters to list, and how. `limit` 0 is no limit."""

    writers: WriterFilter
    filter: Filter
    limit: int = 0
    as_json: bool = False


@dataclass(slots=True)
class ListingCounts:
    """Counts of the records that were read for a listing."""

    listed: Counter[str] = field(default_factory=Counter)  # by code
    other_writers: Counter[str] = field(default_factory=Counter)
    not_dead_letters: int = 0

    def lines(self, listing: Listing) -> list[str]:
        """Return lines with the counts."""
        total = self.listed.total()
        stopped = f"; stopped at --limit {listing.limit}" if listing.limit and total == listing.limit else ""
        return [
            f"{_number(total)}{_by_code(self.listed)}{stopped}",
            *_skipped(self.not_dead_letters, self.other_writers),
        ]


def select(dead_letters: Iterable[DeadLetter], listing: Listing, counts: ListingCounts) -> Iterator[DeadLetter]:
    """Yield the dead letters that match, as they are read, and count all."""
    for dead_letter in dead_letters:
        if dead_letter.topic is None:
            counts.not_dead_letters += 1
        elif not listing.writers.matches(dead_letter):
            counts.other_writers[dead_letter.writer] += 1
        elif listing.filter.matches(dead_letter):
            counts.listed[dead_letter.code] += 1
            yield dead_letter
            if counts.listed.total() == listing.limit:
                break


def print_dead_letters(dead_letters: Iterable[DeadLetter], listing: Listing, echo: Callable[[str], None]) -> list[str]:
    """Print the dead letters that match, as they are read; return lines with the counts."""
    counts = ListingCounts()
    for dead_letter in select(dead_letters, listing, counts):
        if not listing.as_json and counts.listed.total() == 1:
            echo(_ROW.format(**{name: name.upper() for name in _COLUMNS}))
        echo(json_text(dead_letter.summary()) if listing.as_json else _row(dead_letter))
    return counts.lines(listing)


def _skipped(not_dead_letters: int, others: Counter[str]) -> Iterator[str]:
    if not_dead_letters:
        yield f"skipped {not_dead_letters:,}: {Refusal.NOT_A_DEAD_LETTER}"
    if others:
        listed = ", ".join(f"{printable(name).strip() or 'unnamed'} {count:,}" for name, count in others.most_common())
        yield f"skipped {others.total():,}: {Refusal.OTHER_WRITER} ({listed}); see --from-group and --any-writer"


def describe_dry_run(stats: RedriveStats, plan: Plan) -> list[str]:
    """Return lines about what a redrive would do."""
    written = f"would write {_number(stats.selected.total())} back to {plan.inputs}{_by_code(stats.selected)}"
    return [written, *_left(stats, plan), "nothing was written; --yes does it"]


def describe_redrive(stats: RedriveStats, plan: Plan) -> list[str]:
    """Return lines about what a redrive did."""
    written = f"wrote {_number(stats.redriven)} back to {plan.inputs}"
    stopped = ["stopped before the end; run it again to go on"] if stats.stopped else []
    return [written, *_left(stats, plan), *stopped]


def _left(stats: RedriveStats, plan: Plan) -> Iterator[str]:
    if before := stats.refused[Refusal.REDRIVEN]:
        yield f"{Refusal.REDRIVEN}: {before:,}"
    yield from _skipped(stats.refused[Refusal.NOT_A_DEAD_LETTER], stats.other_writers)
    for why, count in stats.refused.items():
        if count and why not in _OWN_LINES:
            yield f"skipped {count:,}: {_with_values(why, plan)}"
    if others := stats.refused[Refusal.FILTERED]:
        yield f"left {others:,} {Refusal.FILTERED}"
    if stats.limited:
        yield f"left the rest: --limit {plan.limit}"


def _with_values(why: Refusal, plan: Plan) -> str:
    text = why.replace("--max-attempts", f"--max-attempts ({plan.max_attempts})")
    return text.replace("--input-topic", f"--input-topic ({plan.inputs})")


def _row(dead_letter: DeadLetter) -> str:
    cells = {name: "" if value is None else value for name, value in dead_letter.summary().items()}
    return printable(_ROW.format(**cells)).rstrip()


def _number(count: int) -> str:
    return f"{count:,} dead letter" + ("" if count == 1 else "s")


def _by_code(counts: Counter[str]) -> str:
    names = {code: printable(code).rstrip() or "without a code" for code in counts}
    listed = ", ".join(f"{names[code]} {count:,}" for code, count in counts.most_common())
    return f" ({listed})" if listed else ""
