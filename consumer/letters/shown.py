"""Dead letters shown: one line each as it is read, the counts at the end. No keys, no values."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec

from consumer.letters.found import Filter, Letter
from consumer.letters.redrive import Plan, Tally
from consumer.printable import printable

_ROW = "{time:24}  {code:16}  {field:18}  {attempts:>8}  {source:24}  {message}"
_HEAD = {
    "time": "TIME",
    "code": "CODE",
    "field": "FIELD",
    "attempts": "ATTEMPTS",
    "source": "SOURCE",
    "message": "MESSAGE",
}

Say = Callable[[str], None]


def show(letters: Iterable[Letter], wanted: Filter, limit: int, say: Say, *, as_json: bool) -> str:
    """Says the letters that are wanted, at most `limit` (0: all), each once it is read; returns the counts by code."""
    counts: Counter[str] = Counter()
    found: Iterator[Letter] = filter(wanted.takes, letters)
    for letter in islice(found, limit) if limit else found:
        if not as_json and not counts:
            say(_ROW.format(**_HEAD))
        counts[letter.code] += 1
        say(msgspec.json.encode(letter.shown()).decode() if as_json else _row(letter))
    return f"{_number(counts.total())}{_by_code(counts)}" + (
        f"; stopped at --limit {limit}" if limit and counts.total() == limit else ""
    )


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
    for why, count in tally.refused.items():
        yield f"skipped {count:,}: {why}".replace("--max-attempts", f"--max-attempts ({plan.max_attempts})")
    if tally.others:
        yield f"left {tally.others:,} that the filters do not name"
    if tally.limited:
        yield f"left the rest: --limit {plan.limit}"


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
