"""Dead letters shown: one line each as it is read, the counts at the end. No keys, no values."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from consumer.dead_letters.record import Filter, Letter, Refusal, Writers
from consumer.dead_letters.redrive import Plan, Tally
from consumer.printable import json_text, printable

_ROW = "{time:24}  {code:16}  {field:18}  {attempts:>8}  {source:24}  {writer:20}  {message}"
_HEAD = {
    "time": "TIME",
    "code": "CODE",
    "field": "FIELD",
    "attempts": "ATTEMPTS",
    "source": "SOURCE",
    "writer": "WRITER",
    "message": "MESSAGE",
}

_SAID_APART: Final = {Refusal.REDRIVEN, Refusal.NO_LETTER, Refusal.OTHER_WRITER, Refusal.FILTERED}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Listing:
    """What to list, and how. `limit` 0 is no limit."""

    writers: Writers
    wanted: Filter
    limit: int = 0
    as_json: bool = False


def show(letters: Iterable[Letter], listing: Listing, say: Say) -> list[str]:
    """Say the letters that are wanted, each once it is read.

    Returns the counts: of those said, by code, and of what is passed over because others wrote it.
    """
    counts: Counter[str] = Counter()
    others: Counter[str] = Counter()
    no_letters = 0
    for letter in letters:
        if letter.topic is None:
            no_letters += 1
        elif not listing.writers.takes(letter):
            others[letter.writer] += 1
        elif listing.wanted.takes(letter):
            if not listing.as_json and not counts:
                say(_ROW.format(**_HEAD))
            counts[letter.code] += 1
            say(json_text(letter.shown()) if listing.as_json else _row(letter))
            if counts.total() == listing.limit:
                break
    stopped = f"; stopped at --limit {listing.limit}" if listing.limit and counts.total() == listing.limit else ""
    return [f"{_number(counts.total())}{_by_code(counts)}{stopped}", *_passed_over(no_letters, others)]


def _passed_over(no_letters: int, others: Counter[str]) -> Iterator[str]:
    if no_letters:
        yield f"skipped {no_letters:,}: {Refusal.NO_LETTER}"
    if others:
        listed = ", ".join(f"{printable(name).strip() or 'unnamed'} {count:,}" for name, count in others.most_common())
        yield f"skipped {others.total():,}: {Refusal.OTHER_WRITER} ({listed}); see --from-group and --any-writer"


def foreseen(tally: Tally, plan: Plan) -> list[str]:
    """What a redrive would do."""
    what = f"would write {_number(tally.chosen.total())} back to {plan.input_topic}{_by_code(tally.chosen)}"
    return [what, *_left(tally, plan), "nothing was written; --yes does it"]


def done(tally: Tally, plan: Plan) -> list[str]:
    """What a redrive has done."""
    what = f"wrote {_number(tally.redriven)} back to {plan.input_topic}"
    stopped = ["stopped before the end; run it again to go on"] if tally.stopped else []
    return [what, *_left(tally, plan), *stopped]


def _left(tally: Tally, plan: Plan) -> Iterator[str]:
    if before := tally.refused[Refusal.REDRIVEN]:
        yield f"{Refusal.REDRIVEN}: {before:,}"
    yield from _passed_over(tally.refused[Refusal.NO_LETTER], tally.writers)
    for why in (why for why in tally.refused if why not in _SAID_APART and tally.refused[why]):
        yield f"skipped {tally.refused[why]:,}: {_with_values(why, plan)}"
    if others := tally.refused[Refusal.FILTERED]:
        yield f"left {others:,} {Refusal.FILTERED}"
    if tally.limited:
        yield f"left the rest: --limit {plan.limit}"


def _with_values(why: Refusal, plan: Plan) -> str:
    text = why.replace("--max-attempts", f"--max-attempts ({plan.max_attempts})")
    return text.replace("--input-topic", f"--input-topic ({plan.input_topic})")


def _row(letter: Letter) -> str:
    shown = {name: "" if value is None else value for name, value in letter.shown().items()}
    return printable(_ROW.format(**shown)).rstrip()


def _number(count: int) -> str:
    return f"{count:,} dead letter" + ("" if count == 1 else "s")


def _by_code(counts: Counter[str]) -> str:
    listed = ", ".join(
        f"{printable(code).rstrip() or 'without a code'} {count:,}" for code, count in counts.most_common()
    )
    return f" ({listed})" if listed else ""
