"""Whole files: `session-scorer score` beside a loop over chunks in pandas and scikit-learn."""

import csv
import functools
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
from pyarrow import parquet

from benchmarks.events import keyed, table
from benchmarks.processes import Usage
from benchmarks.race import last_line
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn
from benchmarks.run import Run
from benchmarks.watching import RaceError
from consumer.offline.writers import open_writer
from consumer.process import tune_garbage_collector
from scoring import Scorer
from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.kernels import compiled_lines
from scoring.tables import open_source

ROWS = 250_000  # distinct, for each contestant in a round
TIMES = 20  # as often is that file repeated in the long one
KINDS = ("jsonl", "csv", "parquet")
OURS = (sys.executable, "-c", "from consumer.__main__ import main; main()", "score", "{source}", "--output", "{target}")
LOOP = (sys.executable, "-m", "benchmarks.pandas_loop", "{source}", "{target}")
PROGRAMS = {"session-scorer score": OURS, "pandas loop": LOOP}


class Outcome(NamedTuple):
    """Of one command, once."""

    rate: float  # rows/s, starting up included
    cpu: float  # µs a row, user and system, starting up included
    peak_mib: float


class Parts(NamedTuple):
    """CPU time of one thread that does all, in µs a row."""

    reading: float  # and decoding
    scoring: float
    writing: float  # and formatting; into a file that keeps nothing


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
    """Write a file of so many distinct sessions, of the kind that its suffix names."""
    values = (value for _, value in keyed(rows))
    names = (*IDENTITIES, *MODEL_FIELDS)
    if path.suffix == ".parquet":
        parquet.write_table(table(rows), path)
    elif path.suffix == ".jsonl":
        with path.open("wb") as file:
            file.writelines(value + b"\n" for value in values)
    else:
        with path.open("w", newline="", encoding="utf-8") as text:
            cells = csv.DictWriter(text, names, lineterminator="\n")
            cells.writeheader()
            cells.writerows(msgspec.json.decode(value) for value in values)
    return path


def command(program: tuple[str, ...], source: Path, rows: int, room: Path) -> Outcome:
    """Run it on the file. Raises RaceError when it fails."""
    target, log = room / f"scored{source.suffix}", room / "log"
    arguments = [part.format(source=source, target=target) for part in program]
    with log.open("wb") as said:
        began, cpu_before = time.perf_counter(), _cpu_of_children()
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
    return Outcome(rows / seconds, (_cpu_of_children() - cpu_before) / rows * 1e6, usage.peak_mib)


def _cpu_of_children() -> float:
    """Return the CPU seconds of all processes that have ended and been waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _long(given: Run, source: Path, rows: int, times: int) -> Iterator[tuple[str, Outcome]]:
    """Each once, on the file so many times over: how fast when starting up hardly counts, and in how much memory."""
    long, kind = source.with_stem("long"), source.suffix.removeprefix(".")
    _repeat(source, long, times)
    try:
        for name, program in PROGRAMS.items():
            given.say(f"{name}, {rows * times:,} rows of {kind}")
            yield f"{name}, {kind}", command(program, long, rows * times, given.room)
    finally:
        long.unlink()


def _repeat(source: Path, long: Path, times: int) -> None:
    """Write the rows of `source` so many times."""
    if source.suffix == ".parquet":
        rows = parquet.read_table(source)
        with parquet.ParquetWriter(long, rows.schema) as writer:
            for _ in range(times):
                writer.write_table(rows)
        return
    content = source.read_bytes()
    after_header = content.index(b"\n") + 1 if source.suffix == ".csv" else 0
    with long.open("wb") as file:
        file.write(content[:after_header])
        file.writelines(content[after_header:] for _ in range(times))


def parts(path: Path) -> Parts:
    """Measure the steps of `score` on a file, apart, with an output of the same kind.

    The unit is CPU time of the process: Arrow reads CSV and Parquet in threads of its own, whose work counts too.
    """
    scorer, rows = Scorer.load(), 0
    source = open_source(path, all_columns=False)
    spent = dict.fromkeys(Parts._fields, 0.0)
    compiled_lines()
    tune_garbage_collector()  # as the command does, both
    with Path(os.devnull).open("wb") as file:
        columns = [] if source.kind == "jsonl" else source.columns()
        writer = open_writer(file, source.kind, source, columns)
        times = [time.process_time()]
        for chunk in source.chunks():
            chunk_rows = chunk.read()
            decoded = chunk_rows.decode()
            times.append(time.process_time())
            scored = scorer.score_columns(decoded.columns, contributions=False)
            times.append(time.process_time())
            writer.write(writer.format(chunk_rows, decoded, scored))
            times.append(time.process_time())
            for name, (began, ended) in zip(Parts._fields, pairwise(times), strict=True):
                spent[name] += ended - began
            rows, times = rows + len(decoded.positions), times[-1:]
        writer.close()
    spent["writing"] += time.process_time() - times[0]
    return Parts(**{name: seconds / rows * 1e6 for name, seconds in spent.items()})


def _table(outcomes: dict[str, list[Outcome]], long: dict[str, Outcome], rows: int, most: int) -> Table:
    rates = {name: Measured.of(each.rate for each in of) for name, of in outcomes.items()}
    lines = []
    for name, of in outcomes.items():
        ratio = rates[name].over(rates[f"pandas loop, {name.rpartition(', ')[2]}"])
        cpu, peak = Measured.of(each.cpu for each in of), max(each.peak_mib for each in of)
        lines.append([f"{name}, {rows:,} rows", rates[name].text(0), ratio.text(1), cpu.text(1), f"{peak:.0f}"])
    for name, one in long.items():
        times = one.rate / long[f"pandas loop, {name.rpartition(', ')[2]}"].rate
        lines.append(
            [f"{name}, {most:,} rows", f"{one.rate:,.0f}", f"{times:.1f}", f"{one.cpu:,.1f}", f"{one.peak_mib:.0f}"]
        )
    note = (
        f"Rows a second of the whole command, starting up included; {rows:,} distinct rows, median (lowest to highest "
        f"round). The {most:,} rows are these again and again, once. CPU is that of all cores, user and system, in µs "
        "a row, which is CPU seconds for a million rows. The output is of the input's kind."
    )
    return Table("files", ("", "rows/s", "× pandas loop", "CPU, µs a row", "peak memory, MiB"), lines, note)


def _split(rounds: dict[str, list[Parts]]) -> Table:
    lines = []
    for kind, of in rounds.items():
        each = [Measured.of(getattr(parts, name) for parts in of) for name in Parts._fields]
        lines.append([kind, *(one.text() for one in each), Measured.of(map(sum, of)).text()])
    note = (
        "µs of CPU a row, in one thread, with output of the same kind. The output goes to /dev/null, so the disk is "
        "not in it; nor is the start."
    )
    return Table("files-split", ("", "reading and decoding", "scoring", "formatting and writing", "all"), lines, note)
