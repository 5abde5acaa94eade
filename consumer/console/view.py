"""What a consumer looks like while it runs: a screen for a terminal, lines for a pipe, both made of one snapshot. Pure.

Whoever has a snapshot can show it: nothing here knows where its figures come from.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from types import MappingProxyType
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from consumer.console.alerts import MOST, Alert
from consumer.console.snapshot import Pulse, Reading

LEAST_WIDTH: Final = 64  # below either of these there are lines in the place of panels
LEAST_HEIGHT: Final = 18
MOST_NOTES: Final = 2
_FEWEST_ALERTS: Final = 3
_BODY: Final = 6  # lines in each of the three panels of figures
_STYLES: Final = {"Low": "green", "Medium": "yellow", "High": "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that is shown, as of one moment."""

    title: str
    state: str  # what is going on, in a few words
    facts: Sequence[str] = ()  # where it runs; a line each
    asides: Sequence[str] = ()  # to each fact, what changes all the time: for a screen
    seconds: float = 0.0  # since it began
    fed: int | None = None  # None: nobody here feeds
    wanted: int | None = None  # None: nobody knows how many there will be
    reading: Reading
    pulse: Pulse
    alerted: int = 0  # alerts seen
    alerts: Sequence[Alert] | None = ()  # the newest of them, newest first; None: nobody here reads them
    fault: str | None = None  # of the newest dead letter; "": none has arrived; None: nobody here reads them
    notes: Sequence[str] = ()  # warnings, newest last


def screen(snapshot: Snapshot, width: int, height: int) -> RenderableType:
    """The snapshot for a terminal of this size; never higher than that, less the line of the cursor."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return _compact(snapshot, height)
    notes = [_one_line(Text(note, "yellow")) for note in snapshot.notes[-MOST_NOTES:]]
    if snapshot.fault is not None:  # a line from the beginning, so that nothing jumps
        notes.insert(0, _one_line(Text(fault_line(snapshot.fault) if snapshot.fault else "")))
    left = height - 1 - (2 + 1 + _BODY + 2 + len(notes))  # less the panels' borders, the progress and the figures
    facts = _facts(snapshot, left if snapshot.alerts is None else max(1, left - 2 - _FEWEST_ALERTS))
    shown: list[RenderableType] = [_head(snapshot, facts), _progress(snapshot, width), _figures(snapshot, width)]
    if snapshot.alerts is not None:
        shown.append(_alerts(snapshot, snapshot.alerts, min(MOST, left - 2 - len(facts))))
    return Group(*shown, *notes)


def line(snapshot: Snapshot) -> str:
    """The snapshot in one plain line."""
    levels = " ".join(f"{level} {count:,}" for level, count in snapshot.reading.levels.items())
    parts = [f"{snapshot.seconds:.0f} s", snapshot.state, _fed(snapshot), _speed(snapshot.pulse)]
    parts += [levels, _dead_letters(snapshot.reading)]
    return " | ".join(part for part in parts if part)


def alert_line(alert: Alert) -> str:
    """An alert in one plain line."""
    return f"alert {alert.score:.4f} {alert.session_id}: {alert.reason}"


def fault_line(fault: str) -> str:
    """The newest dead letter in one plain line."""
    return f"dead letter {fault}"


def summary(snapshot: Snapshot, further: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """What was done, in plain lines, with what `further` is to be said; `pulse` is of the whole run."""
    reading, pulse = snapshot.reading, snapshot.pulse
    dead = reading.outcomes.get("dead_lettered", 0)
    codes = _codes(reading)
    levels = ", ".join(f"{level} {count:,}" for level, count in reading.levels.items())
    rows = {
        "events fed": f"{snapshot.fed or 0:,}{_left(snapshot)}",
        "results": f"{reading.outcomes.get('scored', 0):,}" + (f": {levels}" if levels else ""),
        "alerts": f"{snapshot.alerted:,}",
        "dead letters": f"{dead:,}" + (f": {codes}" if codes else ""),
        "speed": "-" if pulse.rate is None else f"{pulse.rate:,.0f} events/s over {pulse.seconds:.1f} s",
        "latency": f"p50 {duration(pulse.p50)}, p99 {duration(pulse.p99)} (event in Kafka to result committed)",
    }
    lines = [f"{snapshot.title}: {snapshot.state} after {snapshot.seconds:.0f} s"]
    for name, value in (rows | dict(further)).items():
        lines += wrap(f"  {name:<16}{value}", 79, subsequent_indent=" " * 18, break_on_hyphens=False)
    return lines


def _dead_letters(reading: Reading) -> str:
    codes = _codes(reading)
    return f"dead letters {reading.outcomes.get('dead_lettered', 0):,}" + (f" ({codes})" if codes else "")


def _codes(reading: Reading) -> str:
    return ", ".join(f"{code} {count:,}" for code, count in by_count(reading.codes))


def _left(snapshot: Snapshot) -> str:
    left = (snapshot.fed or 0) - snapshot.reading.accounted
    return f" ({left:,} of them not yet scored)" if left > 0 else ""


def by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """What was counted at all, the most frequent first."""
    return sorted(((name, count) for name, count in counts.items() if count), key=lambda item: (-item[1], item[0]))


def duration(seconds: float | None) -> str:
    """A latency, in no more digits than its estimate has."""
    if seconds is None:
        return "-"
    if math.isinf(seconds):
        return "over a minute"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def _compact(snapshot: Snapshot, height: int) -> RenderableType:
    asides = [*snapshot.asides, *[""] * len(snapshot.facts)]
    facts = [f"{fact}, {aside}" if aside else fact for fact, aside in zip(snapshot.facts, asides, strict=False)]
    said = [snapshot.title, *line(snapshot).split(" | "), *facts]
    said += [fault_line(snapshot.fault)] if snapshot.fault else []
    said += map(alert_line, snapshot.alerts or ())
    return Group(*(_one_line(Text(text)) for text in said[: max(1, height - 1)]))


def _facts(snapshot: Snapshot, most: int) -> list[RenderableType]:
    """A line for each fact, and what changes of it on the right; of more than `most` the last line says how many."""
    asides = [*snapshot.asides, *[""] * len(snapshot.facts)]
    lines: list[RenderableType] = [_pair(*each) for each in zip(snapshot.facts, asides, strict=False)]
    if len(lines) > most:
        lines[max(0, most - 1) :] = [Text(f"and {len(lines) - most + 1} more")]
    return lines


def _head(snapshot: Snapshot, facts: Sequence[RenderableType]) -> Panel:
    state = Text(f"{snapshot.state} · {snapshot.seconds:.0f} s", "cyan")
    return _panel(Group(*facts), Text(snapshot.title, "bold"), subtitle=state)


def _progress(snapshot: Snapshot, width: int) -> Text:
    said = f" {_fed(snapshot)} "
    if not snapshot.wanted:
        return _one_line(Text(said))
    return _one_line(Text(said).append(_bar(snapshot.reading.accounted / snapshot.wanted, width - len(said) - 1)))


def _bar(share: float, width: int, style: str = "") -> Text:
    filled = max(round(min(share, 1.0) * width), 1 if share else 0)  # a few are not none
    return Text("█" * filled, style).append("░" * (width - filled), "dim")


def _figures(snapshot: Snapshot, width: int) -> Table:
    grid = Table.grid(expand=True)
    for _ in range(3):
        grid.add_column(ratio=1)
    reading = snapshot.reading
    dead = reading.outcomes.get("dead_lettered", 0)
    grid.add_row(
        _panel(_speed_rows(snapshot), Text("now")),
        _panel(_level_rows(reading.levels, width // 3 - 4), Text(f"results {reading.outcomes.get('scored', 0):,}")),
        _panel(_code_rows(reading.codes), Text(f"dead letters {dead:,}")),
    )
    return grid


def _speed_rows(snapshot: Snapshot) -> Group:
    pulse = snapshot.pulse
    rate = "-" if pulse.rate is None else f"{pulse.rate:,.0f}"
    rows = [("events/s", rate), ("latency p50", duration(pulse.p50)), ("latency p99", duration(pulse.p99))]
    said = ["event in Kafka to", "result committed,", f"last {pulse.seconds:.0f} s" if pulse.seconds else ""]
    return _rows([_pair(name, value, "bold") for name, value in rows] + [_one_line(Text(text, "dim")) for text in said])


def _level_rows(levels: Mapping[str, int], width: int) -> Group:
    scored = max(sum(levels.values()), 1)
    rows: list[RenderableType] = []
    for level, count in levels.items():
        rows.append(_pair(f"{level} {count / scored:.0%}", f"{count:,}", _STYLES.get(level, "")))
        rows.append(_bar(count / scored, width, _STYLES.get(level, "")))
    return _rows(rows)


def _code_rows(codes: Mapping[str, int]) -> Group:
    rows = by_count(codes)
    if len(rows) > _BODY:
        rest = rows[_BODY - 1 :]
        rows = [*rows[: _BODY - 1], (f"{len(rest)} more kinds", sum(count for _, count in rest))]
    return _rows([_pair(code, f"{count:,}") for code, count in rows])


def _alerts(snapshot: Snapshot, alerts: Sequence[Alert], most: int) -> Panel:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, max_width=24)
    table.add_column(no_wrap=True, ratio=1)
    shown = alerts[: max(0, most)]
    for alert in shown:
        table.add_row(Text(f"{alert.score:.4f}", "red"), Text(alert.session_id), Text(alert.reason))
    for _ in range(most - len(shown)):  # always as high, so that nothing jumps
        table.add_row("", "", "")
    return _panel(table, Text(f"alerts {snapshot.alerted:,}, the newest: score, session, reasons"))


def _fed(snapshot: Snapshot) -> str:
    if snapshot.fed is None:
        return f"{snapshot.reading.accounted:,} events{_standing(snapshot.reading)}"
    wanted = "" if snapshot.wanted is None else f" of {snapshot.wanted:,}"
    return f"fed {snapshot.fed:,}{wanted}, done {snapshot.reading.accounted:,}"


def _standing(reading: Reading) -> str:
    """What else one wants to know who only watches."""
    lag = f", lag {sum(reading.lags):,}" if reading.lags else ""
    ended = ", ".join(f"{count:,} {outcome}" for outcome, count in reading.transactions.items())
    return f"{lag}, transactions {ended}" if ended else lag


def _speed(pulse: Pulse) -> str:
    if pulse.rate is None:
        return ""
    return f"{pulse.rate:,.0f} events/s | p50 {duration(pulse.p50)} p99 {duration(pulse.p99)}"


def _panel(content: RenderableType, title: Text, subtitle: Text | None = None) -> Panel:
    return Panel(
        content,
        box=box.ROUNDED,
        title=title,
        title_align="left",
        subtitle=subtitle,
        subtitle_align="right",
        border_style="dim",
    )


def _rows(rows: Iterable[RenderableType]) -> Group:
    """Exactly as many lines as the panels beside have."""
    shown = list(rows)[:_BODY]
    return Group(*shown, *(Text() for _ in range(_BODY - len(shown))))


def _pair(name: str, value: str, style: str = "") -> Table:
    row = Table.grid(expand=True)
    row.add_column(no_wrap=True, ratio=1)
    row.add_column(no_wrap=True, justify="right")
    row.add_row(Text(name), Text(value, style))
    return row


def _one_line(text: Text) -> Text:
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text
