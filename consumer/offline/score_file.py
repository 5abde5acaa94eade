"""Score a file: rows in, rows with verdicts out, invalid rows into a file of their own."""

import os
import re
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import msgspec

from consumer.offline.processes import map_in_order
from consumer.offline.progress import SILENT, Reporting
from consumer.offline.writers import Format, open_writer
from scoring import InvalidEvent, Scorer
from scoring.artifacts import Artifacts
from scoring.tables import (
    AS_IS,
    SAMPLE_ROWS,
    Chunk,
    FileError,
    Rows,
    Source,
    Statistics,
    TableOptions,
    file_kind,
    open_table,
)

__all__ = ["Counts", "FileError", "rejected_path", "score_file"]


_LONG: Final = 64 * 1024 * 1024  # bytes; for a shorter file a process, which takes a second to start, is not worth it
_REJECT: Final = re.compile(rb'\{"row":\d+,"error":\{')  # the start of a line about an invalid row


Faults = Counter[tuple[str, str | None]]
"""Number of invalid rows by code and field."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of scored and rejected rows. Counts of parts can be added."""

    scored: int = 0
    rejected: int = 0
    statistics: Statistics = field(default_factory=Statistics, compare=False)  # of scored rows
    faults: Faults = field(default_factory=Counter, compare=False)  # of rejected rows

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return self.scored + self.rejected

    def summary(self) -> list[str]:
        """Return lines on what is wrong with invalid rows, and on anything striking in the others."""
        kinds = (f"{code} {name or ''}".strip() + f" {rows:,}" for (code, name), rows in self.faults.most_common())
        invalid = [f"invalid, by code and field: {', '.join(kinds)}"] if self.faults else []
        return [*invalid, *self.statistics.summary()]

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.scored + other.scored,
            self.rejected + other.rejected,
            self.statistics + other.statistics,
            self.faults + other.faults,
        )


class FirstRows:
    """Warns once of anything striking in the first rows of a table, as soon as they are scored."""

    def __init__(self, warn: Callable[[str], object], model: str = "the model") -> None:
        self._warn, self._model = warn, model
        self._statistics = Statistics()
        self._reported = False

    def add(self, statistics: Statistics) -> None:
        """Count the next rows."""
        if not self._reported:
            self._statistics += statistics
            if self._statistics.rows >= SAMPLE_ROWS:
                self.report()

    def report(self) -> None:
        """Report on the rows so far, once."""
        if not self._reported:
            for note in self._statistics.notes(self._model):
                self._warn(note)
        self._reported = True


def rejected_path(target: Path) -> Path:
    """Return the path of the file for invalid rows."""
    return target.with_name(target.name + ".rejected.jsonl")


def score_file(  # noqa: PLR0913 - what is scored, and how
    scorer: Scorer,
    source: Path,
    target: Path,
    report: Reporting = SILENT,
    *,
    processes: int | None = None,
    table: TableOptions = AS_IS,
) -> Counts:
    """Score the rows of `source` into `target`: CSV, JSON Lines or Parquet, by the endings of their names.

    The columns are checked before the first row is scored, the first rows before anything is published: `report.warn`
    receives missing fields and unseen values. Invalid rows go unchanged, with the reason, to `rejected_path(target)`.
    Both files appear complete, at the end, or not at all; without a valid row there is no `target`. `processes`
    defaults to one for each core when the file is long enough. Raises FileError, also for a table with too few fields
    or when `rejected_path(target)` is a file that `score` did not write; MissingExtra for Parquet without its package.
    """
    _check_target(source, target)
    opened, notes = open_table(source, table)
    for note in notes:
        report.warn(note)
    try:
        return _score(scorer, opened, target, report, processes or _process_count(source))
    except OSError as error:
        raise FileError(f"{target}: cannot be written: {error.strerror}") from None


def _process_count(source: Path) -> int:
    return len(os.sched_getaffinity(0)) if source.stat().st_size >= _LONG else 1


def _check_target(source: Path, target: Path) -> None:
    file_kind(target)
    if not target.parent.is_dir():
        raise FileError(f"{target}: cannot be written: {target.parent} is no directory")
    for path in (target, rejected_path(target)):
        if path.exists() and not path.is_file():
            raise FileError(f"{path}: cannot be written: it is there and is no file")
        if path.exists() and source.exists() and path.samefile(source):
            raise FileError(f"{path}: is the input itself: name another output")
    rejected = rejected_path(target)
    if rejected.exists() and not _is_written_by_score(rejected):
        raise FileError(
            f"{rejected}: was not written by `score`, which would replace it: move it, or name another output"
        )


def _is_written_by_score(path: Path) -> bool:
    """Return whether `score` wrote this file, by the start of its first line. An empty file may be replaced too."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    return not head or _REJECT.match(head) is not None


def _score(scorer: Scorer, source: Source, target: Path, report: Reporting, processes: int) -> Counts:
    counts, first = Counts(), FirstRows(report.warn)
    with _Staging() as staging:
        scored, rejected = staging.stage(target), staging.stage(rejected_path(target))
        with closing(open_writer(scored, file_kind(target), source)) as writer, rejected.open("wb") as rejects:

            def reserve(part: Part) -> int:
                return writer.append(part.rows)

            make_task = partial(_ChunkTask, scorer.artifacts, writer.format, scored)
            with closing(map_in_order(make_task, source.chunks(), processes, reserve)) as parts:
                for part in parts:
                    rejects.writelines(b'{"row":%d,%b\n' % (counts.rows + i + 1, rest) for i, rest in part.rejects)
                    counts += part.counts
                    first.add(part.counts.statistics)
                    report.progress(part.done, counts.rows)
        first.report()  # before anything is published
        if not counts.rejected and rejected_path(target).exists():
            report.warn(f"{rejected_path(target)} of an earlier run is removed: no row is invalid")
        if counts.rejected:
            staging.publish(rejected_path(target))
        else:
            rejected_path(target).unlink(missing_ok=True)
        if counts.scored:
            staging.publish(target)
    return counts


class Part(NamedTuple):
    """The result of a chunk."""

    rows: Any  # for the writer
    counts: Counts
    rejects: list[tuple[int, bytes]]  # index in the chunk, and its line without the row's number
    done: float


class _ChunkTask:
    """Scores chunks in one process, with its own scorer, and writes their text itself."""

    def __init__(self, artifacts: Artifacts, format_rows: Format, path: Path) -> None:
        self._scorer = Scorer(artifacts)
        self._format_rows = format_rows
        self._path = path  # of the output
        self._text = b""

    def work(self, chunk: Chunk) -> Part:
        """Score a chunk, and keep its text."""
        rows = chunk.read()
        decoded = rows.decode()
        scored = self._scorer.score_columns(decoded.columns)
        formatted, self._text = self._format_rows(rows, decoded.positions, scored)
        faults: Faults = Counter((fault.code, fault.field) for fault in decoded.invalid.values())
        counts = Counts(len(decoded.positions), len(decoded.invalid), Statistics.of(scored), faults)
        return Part(formatted, counts, _rejects(rows, decoded.invalid), chunk.done)

    def write_at(self, offset: int) -> None:
        """Write the text of the last chunk. Raises OSError."""
        if self._text:
            with self._path.open("r+b") as file:
                file.seek(offset)
                file.write(self._text)


def _rejects(rows: Rows, faults: dict[int, InvalidEvent]) -> list[tuple[int, bytes]]:
    """Return the index of each invalid row, and its line after the row's number: the error and the row, unchanged."""
    rejects = []
    for i, fault in sorted(faults.items()):
        error = {"code": fault.code, "field": fault.field, "message": fault.message}
        rejects.append((i, msgspec.json.encode({"error": error, **_unchanged(rows.values[i][0])})[1:]))
    return rejects


def _unchanged(row: bytes) -> dict[str, object]:
    try:
        row.decode()
        return {"event": msgspec.json.decode(row, type=msgspec.Raw)}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {"text": row.decode(errors="replace")}  # no JSON


class _Staging:
    """Files that are written under temporary names, and renamed when complete; the rest is removed at the end."""

    def __init__(self) -> None:
        self._paths: dict[Path, Path] = {}

    def stage(self, path: Path) -> Path:
        """Return a temporary name for `path`: in its directory, for the rename, and short: its own may be long."""
        return self._paths.setdefault(path, path.with_name(f".session-scorer-{os.getpid()}-{len(self._paths)}.part"))

    def publish(self, path: Path) -> None:
        """Give a complete file its own name."""
        self._paths.pop(path).replace(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for path in self._paths.values():
            path.unlink(missing_ok=True)
