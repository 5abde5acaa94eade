"""`session-scorer score`. Scoring is imported inside: help and completion need the options alone."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.main import STANDARD, InputError
from consumer.cli.options import (
    AllowMissing,
    Artifacts,
    Decimal,
    Delimiter,
    Encoding,
    Gaps,
    ManifestSha256,
    Renames,
    Unverified,
    csv_dialect,
    table_options,
    warn,
)
from consumer.offline.progress import Reporting, show_progress
from consumer.process import exit_on_signals, tune_garbage_collector

if TYPE_CHECKING:
    from consumer.offline.score_files import Counts
    from scoring import Scorer
    from scoring.tables import TableOptions


def _kinds() -> list[str]:
    from scoring.tables import KINDS

    return list(KINDS)


def score(  # noqa: PLR0913, PLR0917 - typer makes options of parameters
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT", help="Files of CSV, JSON Lines, Parquet or Arrow, or patterns; - is standard input."
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUTPUT",
            help="File to write; its extension sets the format. DIR/ for a file for each input; - for standard output.",
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Format of standard input and output: csv, jsonl, parquet, arrow.",
            autocompletion=_kinds,
        ),
    ] = None,
    delimiter: Delimiter = ",",
    decimal: Decimal = ".",
    gaps: Gaps = None,
    encoding: Encoding = "utf-8",
    allow_missing: AllowMissing = False,
    renames: Renames = None,
    artifacts: Artifacts = None,
    allow_unverified: Unverified = False,
    manifest_sha256: ManifestSha256 = None,
) -> None:
    """Score all rows of files.

    \b
    Examples:
      session-scorer score sessions.csv -o scored.csv
      session-scorer score 'week/*.jsonl.gz' -o scored.parquet
      session-scorer score - --format jsonl -o - < sessions.jsonl

    Writes the columns of the input, then those of the verdict. Invalid rows go unchanged to OUTPUT.rejected.jsonl
    (standard-output.rejected.jsonl for standard output), each with the reason. A file with fewer than 8 of the 16 model
    fields is refused before anything is written.
    """
    from consumer.offline.score_files import check_output
    from scoring import Scorer

    options = table_options(allow_missing, renames, csv_dialect(delimiter, decimal, gaps, encoding))
    if sources.count(STANDARD) > 1:
        raise typer.BadParameter("standard input can be read only once", param_hint="INPUT")
    _check_kind(kind, is_needed=STANDARD in sources or output == STANDARD)
    scorer = Scorer.load(artifacts, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256)
    tune_garbage_collector()
    with exit_on_signals(), _inputs(sources, kind) as paths:
        jobs = list(_jobs(paths, output))
        for _, target in jobs:
            check_output(paths, target)
        scored = [_score(scorer, *job, options, kind if output == STANDARD else None) for job in jobs]
        if faults := [fault for fault in scored if fault]:
            raise InputError(". ".join(faults))


def _check_kind(kind: str | None, *, is_needed: bool) -> None:
    kinds = _kinds()
    if kind is not None and kind not in kinds:
        raise typer.BadParameter(f"expected one of {', '.join(kinds)}", param_hint="--format")
    if is_needed and kind is None:
        raise typer.BadParameter(
            f"name the format of standard input or output: {', '.join(kinds)}", param_hint="--format"
        )
    if kind is not None and not is_needed:
        raise typer.BadParameter(
            "is for standard input or output; the ending of a name tells the format of a file", param_hint="--format"
        )


@contextmanager
def _inputs(sources: Sequence[str], kind: str | None) -> Iterator[list[Path]]:
    """Find the files to read; standard input is copied into one, for it is read more than once."""
    from scoring.tables import FileError

    with tempfile.TemporaryDirectory(prefix="session-scorer-") as directory:
        paths: list[Path] = []
        for source in sources:
            if source == STANDARD:
                copy = Path(directory) / f"standard-input.{kind}"
                with copy.open("wb") as file:
                    shutil.copyfileobj(sys.stdin.buffer, file)
                paths.append(copy)
            else:
                paths += _matches(source)
        try:
            yield paths
        except (FileError, InputError) as error:
            raise InputError(str(error).replace(f"{directory}/standard-input.{kind}", "standard input")) from None


def _matches(source: str) -> list[Path]:
    """Return the files that a pattern names; a name without matches is that of one file."""
    if Path(source).exists() or not set("*?[") & set(source):
        return [Path(source)]
    found = sorted(glob(source, recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns, and "**x"
    if not found:
        raise InputError(f"{source}: no file matches")
    return list(map(Path, found))


def _jobs(paths: Sequence[Path], output: str) -> Iterator[tuple[Sequence[Path], Path]]:
    """Yield the files to score together, and the output of each."""
    from scoring.tables import compression

    if output == STANDARD:
        yield paths, Path(output)
        return
    target = Path(output)
    if not output.endswith("/") and not target.is_dir():
        yield paths, target
        return
    names = [path.stem if compression(path) else path.name for path in paths]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{output}: two inputs are named {twice}: score them into two directories")
    if not target.is_dir():
        raise InputError(f"{output}: is no directory: make it first")
    for path, name in zip(paths, names, strict=True):
        yield [path], target / name


def _score(
    scorer: "Scorer", inputs: Sequence[Path], target: Path, options: "TableOptions", stream_kind: str | None
) -> str | None:
    """Score files into one, and say how many rows; return what is wrong when none was scored."""
    from consumer.offline.score_files import Stream, rejected_path, score_files

    source = str(inputs[0]) if len(inputs) == 1 else f"{len(inputs)} files"
    stream = None
    if stream_kind is not None:
        stream, target = Stream(sys.stdout.buffer, stream_kind), Path("standard-output")
    with show_progress(inputs[0].name if len(inputs) == 1 else source) as progress:
        counts = score_files(scorer, inputs, target, Reporting(progress, warn), table=options, stream=stream)
    return _report(counts, source, "standard output" if stream else str(target), rejected_path(target))


def _report(counts: "Counts", source: str, target: str, rejects: Path) -> str | None:
    rejected = f"; {counts.rejected:,} invalid in {rejects}" if counts.rejected else ""
    if not counts.scored:
        return "; ".join([f"{source}: no row was scored{rejected or ': there is none'}", *counts.summary()])
    typer.echo(f"{counts.scored:,} rows scored in {target}{rejected}", err=True)
    for line in counts.summary():
        typer.echo(line, err=True)
    return None
