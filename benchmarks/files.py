"""Whole files: `session-scorer score` beside a loop over chunks in pandas and scikit-learn."""

import csv
import functools
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.events import keyed
from benchmarks.processes import Usage
from benchmarks.race import last_line
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn
from benchmarks.run import Run
from benchmarks.watching import RaceError
from consumer.process import tune_garbage_collector
from scoring import Scorer
from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.tables import open_source

ROWS = 250_000  # distinct, for each contestant in a round
TIMES = 20  # as often is that file repeated in the long one
KINDS = ("jsonl", "csv")
OURS = (sys.executable, "-c", "from consumer.__main__ import main; main()", "score", "{source}", "--output", "{target}")
LOOP = (sys.executable, "-m", "benchmarks.pandas_loop", "{source}", "{target}")
PROGRAMS = {"session-scorer score": OURS, "pandas loop": LOOP}


class Outcome(NamedTuple):
    """Of one command, once."""

    rate: float  # rows/s, starting up included
    peak_mib: float


def run(given: Run) -> Findings:
    """Rows a second, and where the time goes."""
    rows, times, kinds = (300, 2, KINDS[1:]) if given.quick else (ROWS, TIMES, KINDS)
    given.say(f"writing files of {rows:,} rows")
    sources = {kind: write(given.room / f"sessions.{kind}", rows) for kind in kinds}
    calls = {
        f"{name}, {kind}": functools.partial(command, program, source, rows, given.room)
        for kind, source in sources.items()
        for name, program in PROGRAMS.items()
    }
    found = in_turn(calls, given.rounds, given.say)
    split = in_turn({kind: functools.partial(parts, path) for kind, path in sources.items()}, given.rounds, given.say)
    long = {name: outcome for source in sources.values() for name, outcome in _long(given, source, rows, times)}
    return Findings([_table(found, long, rows, rows * times), _split(split)])


def write(path: Path, rows: int) -> Path:
    """So many distinct sessions."""
    values = (value for _, value in keyed(rows))
    if path.suffix == ".jsonl":
        with path.open("wb") as file:
            file.writelines(value + b"\n" for value in values)
        return path
    names = (*IDENTITIES, *MODEL_FIELDS)
    with path.open("w", newline="", encoding="utf-8") as text:
        table = csv.DictWriter(text, names, lineterminator="\n")
        table.writeheader()
        table.writerows(msgspec.json.decode(value) for value in values)
    return path


def command(program: tuple[str, ...], source: Path, rows: int, room: Path) -> Outcome:
    """Run it on the file. Raises RaceError when it fails."""
    target, log = room / f"scored{source.suffix}", room / "log"
    arguments = [part.format(source=source, target=target) for part in program]
    with log.open("wb") as said:
        began = time.perf_counter()
        with (
            subprocess.Popen(arguments, stdout=said, stderr=said) as process,
            Usage.watched(process) as usage,
        ):
            try:
                status = process.wait()
            finally:
                process.kill()  # of no effect but when something ended the wait
        seconds = time.perf_counter() - began
    if status:
        raise RaceError(f"{source.name}: exit {status}: {last_line(log)}")
    target.unlink()
    return Outcome(rows / seconds, usage.peak_mib)


def _long(given: Run, source: Path, rows: int, times: int) -> Iterator[tuple[str, Outcome]]:
    """Each once, on the file so many times over: how fast when starting up hardly counts, and in how much memory."""
    long, kind = source.with_stem("long"), source.suffix.removeprefix(".")
    content = source.read_bytes()
    after_header = content.index(b"\n") + 1 if source.suffix == ".csv" else 0
    with long.open("wb") as file:
        file.write(content[:after_header])
        file.writelines(content[after_header:] for _ in range(times))
    try:
        for name, program in PROGRAMS.items():
            given.say(f"{name}, {rows * times:,} rows of {kind}")
            yield f"{name}, {kind}", command(program, long, rows * times, given.room)
    finally:
        long.unlink()


def parts(path: Path) -> tuple[float, float]:
    """µs a row, on one core: reading the file into columns, and scoring those. Writing is what is left."""
    scorer, spent, rows = Scorer.load(), (0.0, 0.0), 0
    tune_garbage_collector()  # as the command does
    began = time.perf_counter()
    for chunk in open_source(path).chunks():
        decoded = chunk.read().decode()
        read = time.perf_counter()
        scorer.score_columns(decoded.columns)
        ended = time.perf_counter()
        spent, rows = (spent[0] + read - began, spent[1] + ended - read), rows + len(decoded.positions)
        began = ended
    return spent[0] / rows * 1e6, spent[1] / rows * 1e6


def _table(found: dict[str, list[Outcome]], long: dict[str, Outcome], rows: int, most: int) -> Table:
    rates = {name: Measured.of(each.rate for each in outcomes) for name, outcomes in found.items()}
    lines = []
    for name, outcomes in found.items():
        baseline = rates[f"pandas loop, {name.rpartition(', ')[2]}"]
        peak = f"{max(each.peak_mib for each in outcomes):.0f}"
        lines.append([f"{name}, {rows:,} rows", rates[name].text(0), rates[name].over(baseline).text(1), peak])
    for name, outcome in long.items():
        ratio = outcome.rate / long[f"pandas loop, {name.rpartition(', ')[2]}"].rate
        lines.append([f"{name}, {most:,} rows", f"{outcome.rate:,.0f}", f"{ratio:.1f}", f"{outcome.peak_mib:.0f}"])
    note = (
        f"Rows a second of the whole command, starting up included; {rows:,} distinct rows, median (lowest to highest "
        f"round). The {most:,} rows are these again and again, once. Memory is the sum over all processes."
    )
    return Table("files", ("", "rows/s", "× pandas loop", "peak memory, MiB"), lines, note)


def _split(found: dict[str, list[tuple[float, float]]]) -> Table:
    rows = []
    for kind, rounds in found.items():
        reading, scoring = (Measured.of(each[place] for each in rounds) for place in (0, 1))
        share = reading.median / (reading.median + scoring.median)
        rows.append([kind, reading.text(), scoring.text(), f"{share:.0%}"])
    note = "µs a row on one core; writing is not in it."
    return Table("files-split", ("", "reading and decoding", "scoring", "share of reading"), rows, note)
