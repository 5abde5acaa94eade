"""Render a snapshot: a screen for a terminal, lines for a pipe, a summary at the end. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from types import MappingProxyType
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from consumer.console.alerts import MAX_ALERTS, Alert
from consumer.console.snapshot import Pulse, Reading, Snapshot

LEAST_WIDTH: Final = 64  # a smaller terminal gets lines instead of panels
LEAST_HEIGHT: Final = 18
MOST_NOTES: Final = 2
_FEWEST_ALERTS: Final = 3
_BODY: Final = 6  # lines in each panel of figures
_STYLES: Final = {"Low": "green", "Medium": "yellow", "High": "red"}


def screen(snapshot: Snapshot, width: int, height: int) -> RenderableType:
    """Render the snapshot for a terminal of this size; one line is left for the cursor."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return _compact(snapshot, height)
    notes = [_one_line(Text(note, "yellow")) for note in snapshot.notes[-MOST_NOTES:]]
    if snapshot.dead_letter is not None:  # its line is there from the start, so that nothing jumps
        notes.insert(0, _one_line(Text(dead_letter_line(snapshot.dead_letter) if snapshot.dead_letter else "")))
    left = height - 1 - (2 + 1 + _BODY + 2 + len(notes))  # less the panels' borders, the progress and the figures
    facts = _facts(snapshot, left if snapshot.alerts is None else max(1, left - 2 - _FEWEST_ALERTS))
    parts: list[RenderableType] = [_head(snapshot, facts), _progress(snapshot, width), _figures(snapshot, width)]
    if snapshot.alerts is not None:
        parts.append(_alerts(snapshot, snapshot.alerts, min(MAX_ALERTS, left - 2 - len(facts))))
    return Group(*parts, *notes)


def line(snapshot: Snapshot) -> str:
    """Format the snapshot as one line."""
    levels = " ".join(f"{level} {count:,}" for level, count in snapshot.reading.levels.items())
    parts = [f"{snapshot.seconds:.0f} s", snapshot.state, _event_counts(snapshot), _speed(snapshot.pulse)]
    parts += [levels, _dead_letters(snapshot.reading)]
    return " | ".join(part for part in parts if part)


def alert_line(alert: Alert) -> str:
    """Format an alert as one line."""
    return f"alert {alert.score:.4f} {alert.session_id}: {alert.reason}"


def dead_letter_line(dead_letter: str) -> str:
    """Format the newest dead letter as one line."""
    return f"dead letter {dead_letter}"


def summary(snapshot: Snapshot, further: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Format the totals of a run, with further rows; `snapshot.pulse` covers the run."""
    reading, pulse = snapshot.reading, snapshot.pulse
    dead = reading.outcomes.get("dead_lettered", 0)
    codes = _codes(reading)
    levels = ", ".join(f"{level} {count:,}" for level, count in reading.levels.items())
    rows = {
        "events fed": f"{snapshot.fed or 0:,}{_unscored(snapshot)}",
        "results": f"{reading.outcomes.get('scored', 0):,}" + (f": {levels}" if levels else ""),
        "alerts": f"{snapshot.alert_count:,}",
        "dead letters": f"{dead:,}" + (f": {codes}" if codes else ""),
        "speed": "-" if pulse.rate is None else f"{pulse.rate:,.0f} events/s over {pulse.seconds:.1f} s",
        "latency": f"{_quantiles(pulse)} (event in Kafka to result committed)",
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


def _unscored(snapshot: Snapshot) -> str:
    left = (snapshot.fed or 0) - snapshot.reading.accounted
    return f" ({left:,} of them not yet scored)" if left > 0 else ""


def by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the counts above 0, the largest first."""
    return sorted(((name, count) for name, count in counts.items() if count), key=lambda item: (-item[1], item[0]))


def format_latency(seconds: float | None) -> str:
    """Format a latency with the digits that its estimate has."""
    if seconds is None:
        return "-"
    if math.isinf(seconds):
        return "over a minute"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def _compact(snapshot: Snapshot, height: int) -> RenderableType:
    details = [*snapshot.details, *[""] * len(snapshot.facts)]
    facts = [f"{fact}, {detail}" if detail else fact for fact, detail in zip(snapshot.facts, details, strict=False)]
    texts = [snapshot.title, *line(snapshot).split(" | "), *facts]
    texts += [dead_letter_line(snapshot.dead_letter)] if snapshot.dead_letter else []
    texts += map(alert_line, snapshot.alerts or ())
    return Group(*(_one_line(Text(text)) for text in texts[: max(1, height - 1)]))


def _facts(snapshot: Snapshot, most: int) -> list[RenderableType]:
    """Render a line for each fact with its detail on the right; beyond `most`, the last line counts the rest."""
    details = [*snapshot.details, *[""] * len(snapshot.facts)]
    lines: list[RenderableType] = [_pair(*pair) for pair in zip(snapshot.facts, details, strict=False)]
    if len(lines) > most:
        lines[max(0, most - 1) :] = [Text(f"and {len(lines) - most + 1} more")]
    return lines


def _head(snapshot: Snapshot, facts: Sequence[RenderableType]) -> Panel:
    state = Text(f"{snapshot.state} · {snapshot.seconds:.0f} s", "cyan")
    return _panel(Group(*facts), Text(snapshot.title, "bold"), subtitle=state)


def _progress(snapshot: Snapshot, width: int) -> Text:
    counts = f" {_event_counts(snapshot)} "
    text = Text(counts)
    if snapshot.expected:
        text.append(_bar(snapshot.reading.accounted / snapshot.expected, width - len(counts) - 1))
    return _one_line(text)


def _bar(share: float, width: int, style: str = "") -> Text:
    filled = max(round(min(share, 1.0) * width), 1 if share else 0)  # few is more than none
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
    rows = [("events/s", rate), ("latency p50", format_latency(pulse.p50)), ("latency p99", format_latency(pulse.p99))]
    notes = ["event in Kafka to", "result committed,", f"last {pulse.seconds:.0f} s" if pulse.seconds else ""]
    return _rows(
        [_pair(name, value, "bold") for name, value in rows] + [_one_line(Text(text, "dim")) for text in notes]
    )


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
    newest = alerts[: max(0, most)]
    for alert in newest:
        table.add_row(Text(f"{alert.score:.4f}", "red"), Text(alert.session_id), Text(alert.reason))
    for _ in range(most - len(newest)):  # the panel keeps its height
        table.add_row("", "", "")
    return _panel(table, Text(f"alerts {snapshot.alert_count:,}, the newest: score, session, reasons"))


def _event_counts(snapshot: Snapshot) -> str:
    if snapshot.fed is None:
        return f"{snapshot.reading.accounted:,} events{_lag_and_transactions(snapshot.reading)}"
    expected = "" if snapshot.expected is None else f" of {snapshot.expected:,}"
    return f"fed {snapshot.fed:,}{expected}, done {snapshot.reading.accounted:,}"


def _lag_and_transactions(reading: Reading) -> str:
    lag = f", lag {sum(reading.lags):,}" if reading.lags else ""
    ended = ", ".join(f"{count:,} {outcome}" for outcome, count in reading.transactions.items())
    return f"{lag}, transactions {ended}" if ended else lag


def _speed(pulse: Pulse) -> str:
    if pulse.rate is None:
        return ""
    return f"{pulse.rate:,.0f} events/s | p50 {format_latency(pulse.p50)} p99 {format_latency(pulse.p99)}"


def _quantiles(pulse: Pulse) -> str:
    return f"p50 {format_latency(pulse.p50)}, p99 {format_latency(pulse.p99)}"


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
    """Fill up with empty lines to the height of the panels."""
    lines = list(rows)[:_BODY]
    return Group(*lines, *(Text() for _ in range(_BODY - len(lines))))


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
