"""`session-scorer score`."""

from pathlib import Path
from typing import Annotated

import typer

from consumer.cli.main import InputError
from consumer.cli.options import (
    AllowMissing,
    Artifacts,
    ManifestSha256,
    Renames,
    Unverified,
    table_options,
    warn,
)
from consumer.offline.progress import Reporting, show_progress
from consumer.offline.score_file import rejected_path, score_file
from consumer.process import exit_on_signals, tune_garbage_collector
from scoring import Scorer


def score(  # noqa: PLR0913, PLR0917 - typer makes options of parameters
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A .csv, .jsonl, .ndjson or .parquet file.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="File to write; its extension sets the format.")
    ],
    allow_missing: AllowMissing = False,
    renames: Renames = None,
    artifacts: Artifacts = None,
    allow_unverified: Unverified = False,
    manifest_sha256: ManifestSha256 = None,
) -> None:
    """Score all rows of a file.

    \b
    Examples:
      session-scorer score sessions.csv -o scored.csv
      session-scorer score sessions.jsonl.gz -o scored.parquet

    Writes the columns of the input, then those of the verdict. Invalid rows go unchanged to OUTPUT.rejected.jsonl,
    each with the reason. A file with fewer than 8 of the 16 model fields is refused before anything is written.
    """
    options = table_options(allow_missing, renames)
    scorer = Scorer.load(artifacts, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256)
    tune_garbage_collector()
    with exit_on_signals(), show_progress(source.name) as progress:
        counts = score_file(scorer, source, output, Reporting(progress, warn), table=options)
    rejected = f"; {counts.rejected:,} invalid in {rejected_path(output)}" if counts.rejected else ""
    if not counts.scored:
        raise InputError("; ".join([f"{source}: no row was scored{rejected or ': there is none'}", *counts.summary()]))
    typer.echo(f"{counts.scored:,} rows scored in {output}{rejected}", err=True)
    for line in counts.summary():
        typer.echo(line, err=True)
