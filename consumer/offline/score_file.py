"""Whole files scored from the command line: rows in, rows with their verdicts out, the invalid ones aside."""

import os
import re
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import msgspec

from consumer.offline.processes import in_order
from consumer.offline.progress import SILENT, FirstRows, Reporting
from consumer.offline.writers import Form, open_writer
from scoring import InvalidEvent, Scorer
from scoring.artifacts import Artifacts
from scoring.tables import AS_IS, Chunk, FileError, Rows, Source, Statistics, TableOptions, file_kind, open_table

__all__ = ["Counts", "FileError", "rejected_path", "score_file"]


_LONG: Final = 64 * 1024 * 1024  # bytes of a file: a shorter one is not worth the second that a process takes to start
_REJECT: Final = re.compile(rb'\{"row":\d+,"error":\{')  # how a line about an invalid row begins


Faults = Counter[tuple[str, str | None]]
"""How many rows are invalid, by code and field."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows. Those of two parts add up to those of the whole."""

    scored: int = 0
    rejected: int = 0
    statistics: Statistics = field(default_factory=Statistics, compare=False)  # of those scored
    faults: Faults = field(default_factory=Counter, compare=False)  # of those rejected

    @property
    def rows(self) -> int:
        """Return how many rows there were."""
        return self.scored + self.rejected

    def summary(self) -> list[str]:
        """Say, a line each, what was wrong with rows, and what is worth knowing of the others."""
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


def rejected_path(target: Path) -> Path:
    """Where the invalid rows go."""
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

    The table is judged before its first row is scored, its first rows before anything is published: what is missing or
    was never seen goes to `report.say`. Invalid rows go, as they came and with the reason, to `rejected_path(target)`.
    Both files appear whole, at the end, or not at all; without one valid row there is no `target`. `processes` work
    side by side, by default one for each core where the file is long enough to be worth their start.
    Raises FileError, also for a table with too few fields and where `rejected_path(target)` is somebody else's file;
    MissingExtra for Parquet without its package.
    """
    _check_target(source, target)
    opened, notes = open_table(source, table)
    for note in notes:
        report.say(note)
    try:
        return _score(scorer, opened, target, report, processes or _crew(source))
    except OSError as error:
        raise FileError(f"{target}: cannot be written: {error.strerror}") from None


def _crew(source: Path) -> int:
    """How many processes a file of this size is worth."""
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
    aside = rejected_path(target)
    if aside.exists() and not _is_ours(aside):
        raise FileError(f"{aside}: was not written by `score`, which would replace it: move it, or name another output")


def _is_ours(path: Path) -> bool:
    """Return whether `score` wrote this file of invalid rows, by how its first line begins; an empty file is nobody's
    loss."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    return not head or _REJECT.match(head) is not None


def _score(scorer: Scorer, source: Source, target: Path, report: Reporting, processes: int) -> Counts:
    counts, first = Counts(), FirstRows(report.say)
    with _Staging() as staging:
        made, aside = staging.stage(target), staging.stage(rejected_path(target))
        with closing(open_writer(made, file_kind(target), source)) as writer, aside.open("wb") as rejects:
            share = partial(_Share, scorer.artifacts, writer.form, made)
            with closing(in_order(share, source.chunks(), processes, lambda part: writer.append(part.rows))) as parts:
                for part in parts:
                    rejects.writelines(b'{"row":%d,%b\n' % (counts.rows + i + 1, rest) for i, rest in part.rejects)
                    counts += part.counts
                    first.add(part.counts.statistics)
                    report.progress(part.done, counts.rows)
        first.judge()  # before anything is published
        if not counts.rejected and rejected_path(target).exists():
            report.say(f"{rejected_path(target)} of an earlier run is removed: no row is invalid")
        staging.settle(rejected_path(target), wanted=counts.rejected > 0)
        if counts.scored:
            staging.settle(target)
    return counts


class Part(NamedTuple):
    """What became of a chunk."""

    rows: Any  # as the writer takes them
    counts: Counts
    rejects: list[tuple[int, bytes]]  # place in the chunk, and the line about it after its number
    done: float


class _Share:
    """The part of one process: with a scorer of its own it scores chunks, and writes their text itself."""

    def __init__(self, artifacts: Artifacts, form: Form, path: Path) -> None:
        self._scorer = Scorer(artifacts)
        self._form = form
        self._path = path  # of the file that is made
        self._text = b""

    def work(self, chunk: Chunk) -> Part:
        """Score it."""
        rows = chunk.read()
        decoded = rows.decode()
        scored = self._scorer.score_columns(decoded.columns)
        told, self._text = self._form(rows, decoded.positions, scored)
        faults: Faults = Counter((fault.code, fault.field) for fault in decoded.invalid.values())
        counts = Counts(len(decoded.positions), len(decoded.invalid), Statistics.of(scored), faults)
        return Part(told, counts, _rejects(rows, decoded.invalid), chunk.done)

    def settle(self, place: int) -> None:
        """Write the text of the last chunk there. Raises OSError."""
        if self._text:
            with self._path.open("r+b") as file:
                file.seek(place)
                file.write(self._text)


def _rejects(rows: Rows, faults: dict[int, InvalidEvent]) -> list[tuple[int, bytes]]:
    """For each invalid row its place, and what follows its number in its line: what is wrong, and the row as it
    came."""
    rejects = []
    for i, fault in sorted(faults.items()):
        error = {"code": fault.code, "field": fault.field, "message": fault.message}
        rejects.append((i, msgspec.json.encode({"error": error, **_as_it_came(rows.values[i][0])})[1:]))
    return rejects


def _as_it_came(row: bytes) -> dict[str, object]:
    try:
        row.decode()
        return {"event": msgspec.json.decode(row, type=msgspec.Raw)}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {"text": row.decode(errors="replace")}  # no JSON, so it stands as text


class _Staging:
    """Files that are made under other names and get their own when they are whole; what has not is removed."""

    def __init__(self) -> None:
        self._made: dict[Path, Path] = {}

    def stage(self, path: Path) -> Path:
        """Return the name under which to make `path`: in the same directory, so that a rename is enough, and short.

        The name of `path` may be as long as names can be.
        """
        return self._made.setdefault(path, path.with_name(f".session-scorer-{os.getpid()}-{len(self._made)}.part"))

    def settle(self, path: Path, *, wanted: bool = True) -> None:
        """`path` is whole. When it is not wanted there shall be none, not even from an earlier time."""
        if wanted:
            self._made.pop(path).replace(path)
        else:
            path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for made in self._made.values():
            made.unlink(missing_ok=True)
