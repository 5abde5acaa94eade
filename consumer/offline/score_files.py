"""Score files: rows in, rows with verdicts out, invalid rows into a file of their own."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, NamedTuple, Self

import msgspec

from consumer.offline.progress import SILENT, Reporting
from consumer.offline.writers import Writer, open_writer
from scoring import InvalidEvent, Scorer
from scoring.kernels import compiled_lines
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
from scoring.tables.threads import core_count, map_in_order

__all__ = ["Counts", "FileError", "rejected_path", "score_files"]


_REJECT: Final = re.compile(rb'\{"row":\d+,"(?:file":"|error":\{)')  # the start of a line about an invalid row


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


class Stream(NamedTuple):
    """An open output, and the kind of file that is written to it."""

    file: IO[bytes]
    kind: str


def score_files(  # noqa: PLR0913 - what is scored, and how
    scorer: Scorer,
    sources: Sequence[Path],
    target: Path,
    report: Reporting = SILENT,
    *,
    table: TableOptions = AS_IS,
    stream: Stream | None = None,
) -> Counts:
    """Score the rows of `sources`, one file after the other, into `target`; the endings of names tell the formats.

    The columns are checked before the first row is scored, the first rows before anything is published: `report.warn`
    receives missing fields and unseen values. Invalid rows go unchanged, with the reason, to `rejected_path(target)`.
    Both files appear complete, at the end, or not at all; without a valid row there is no `target`. With `stream` the
    rows go there at once, and `target` is only for the name of the other file.
    Raises FileError, also for a table with too few fields, for tables whose columns differ, or when
    `rejected_path(target)` is a file that `score` did not write; MissingExtra for a format without its package.
    """
    kind = stream.kind if stream else file_kind(target)
    check_output(sources, target)
    opened = [(path, *open_table(path, table, all_columns=kind != "csv")) for path in sources]
    for *_, notes in opened:
        for note in notes:
            report.warn(note)
    inputs = [Input(path, source) for path, source, _ in opened]
    compiled_lines()  # before there are threads
    try:
        return _score(scorer, inputs, Destination(target, kind, stream), report)
    except OSError as error:
        name = "standard output" if stream else target
        raise FileError(f"{name}: cannot be written: {error.strerror}") from None


class Input(NamedTuple):
    """A file to score."""

    path: Path
    source: Source


class Destination(NamedTuple):
    """Where the scored rows go."""

    target: Path
    kind: str
    stream: Stream | None


def _columns(inputs: Sequence[Input], kind: str) -> list[str]:
    """Return the columns of all inputs for an output of this kind. Raises FileError when tables differ."""
    if kind == "jsonl":
        return []
    first = inputs[0]
    columns = [each.source.columns() for each in inputs]
    if not any(each.source.is_table for each in inputs):
        return list(dict.fromkeys(name for names in columns for name in names))
    for each, names in zip(inputs, columns, strict=True):
        same = each.source.kind == first.source.kind and each.source.schema == first.source.schema
        if names != columns[0] or not same:
            raise FileError(
                f"{each.path}: its columns are not those of {first.path}: score them into JSON Lines, or a directory"
            )
    return columns[0]


def check_output(sources: Sequence[Path], target: Path) -> None:
    """Raise FileError when the output cannot be written, or is one of the inputs."""
    if not target.parent.is_dir():
        raise FileError(f"{target}: cannot be written: {target.parent} is no directory")
    for path in (target, rejected_path(target)):
        if path.exists() and not path.is_file():
            raise FileError(f"{path}: cannot be written: it is there and is no file")
        if path.exists() and any(source.exists() and path.samefile(source) for source in sources):
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


def _score(scorer: Scorer, inputs: Sequence[Input], output: Destination, report: Reporting) -> Counts:
    counts, first = Counts(), FirstRows(report.warn)
    target = output.target
    with _Staging() as staging, ExitStack() as files:
        rejected: IO[bytes] | None = None
        file = output.stream.file if output.stream else files.enter_context(staging.stage(target).open("wb"))
        writer = open_writer(file, output.kind, inputs[0].source, _columns(inputs, output.kind))
        files.enter_context(_finishing(writer))
        work = partial(_score_chunk, scorer, writer)
        row, current = 0, 0
        for part in files.enter_context(closing(map_in_order(work, _pieces(inputs), core_count()))):
            if part.input != current:
                row, current = 0, part.input
            if part.rejects:  # the file is made only now: a filter may run where it cannot write
                rejected = rejected or files.enter_context(staging.stage(rejected_path(target)).open("wb"))
                name = msgspec.json.encode(os.fsencode(inputs[current].path.name).decode(errors="replace"))
                rejected.writelines(b'{"row":%d,"file":%b,%b\n' % (row + i + 1, name, rest) for i, rest in part.rejects)
            if part.counts.scored:
                writer.write(part.rows)
            row += part.counts.rows
            counts += part.counts
            first.add(part.counts.statistics)
            report.progress((current + part.done) / len(inputs), counts.rows)
        files.close()
        first.report()  # before anything is published
        if not counts.rejected and rejected_path(target).exists():
            report.warn(f"{rejected_path(target)} of an earlier run is removed: no row is invalid")
        if counts.rejected:
            staging.publish(rejected_path(target))
        else:
            rejected_path(target).unlink(missing_ok=True)
        if counts.scored and not output.stream:
            staging.publish(target)
    return counts


@contextmanager
def _finishing(writer: Writer) -> Iterator[None]:
    """Finish the output at the end. After an error, close it only: what fails then is of no interest."""
    try:
        yield
    except BaseException:
        with suppress(Exception):
            writer.close()
        raise
    writer.close()


class Piece(NamedTuple):
    """A chunk of one input."""

    input: int  # index of the input
    chunk: Chunk


class Part(NamedTuple):
    """The result of a piece."""

    input: int
    rows: Any  # for the writer
    counts: Counts
    rejects: list[tuple[int, bytes]]  # index in the chunk, and its line without the row's number and file
    done: float


def _pieces(inputs: Sequence[Input]) -> Iterator[Piece]:
    for number, each in enumerate(inputs):
        for chunk in each.source.chunks():
            yield Piece(number, chunk)


def _score_chunk(scorer: Scorer, writer: Writer, piece: Piece) -> Part:
    rows = piece.chunk.read()
    decoded = rows.decode()
    scored = scorer.score_columns(decoded.columns, contributions=False)
    formatted = writer.format(rows, decoded, scored) if decoded.positions else b""
    faults: Faults = Counter((fault.code, fault.field) for fault in decoded.invalid.values())
    counts = Counts(len(decoded.positions), len(decoded.invalid), Statistics.of(scored), faults)
    return Part(piece.input, formatted, counts, _rejects(rows, decoded.invalid), piece.chunk.done)


def _rejects(rows: Rows, faults: dict[int, InvalidEvent]) -> list[tuple[int, bytes]]:
    """Return the index of each invalid row, and its line after row and file: the error and the row, unchanged."""
    rejects = []
    indices = sorted(faults)
    for i, row in zip(indices, rows.as_json(indices), strict=True):
        fault = faults[i]
        error = {"code": fault.code, "field": fault.field, "message": fault.message}
        rejects.append((i, msgspec.json.encode({"error": error, **_unchanged(row)})[1:]))
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
