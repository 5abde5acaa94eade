"""`session-scorer model`: its commands. Scoring is imported inside: help and completion need the options alone.

So is what needs the packages for training: they are an extra.
"""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from consumer.cli.help import Command, Group
from consumer.cli.options import (
    AllowDoubtful,
    AllowMissing,
    Decimal,
    Delimiter,
    Encoding,
    Gaps,
    Label,
    ManifestSha256,
    Positive,
    Renames,
    Unverified,
    csv_dialect,
    label_column,
    require_accepted,
    table_options,
    warn,
)
from consumer.offline.progress import Reporting, show_progress
from consumer.printable import json_text

if TYPE_CHECKING:
    from consumer.model.comparison import Comparison
    from scoring import Scorer
    from scoring.tables import TableOptions
    from training.labels import LabelColumn

_HELP: Final = """Verify, show or compare artifact sets.

\b
Examples:
  session-scorer model verify new-set
  session-scorer model diff old-set new-set last-week.jsonl
"""

app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None, help=_HELP)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, in one line.")]
Directory = Annotated[
    Path | None, typer.Argument(metavar="[DIR]", help="Directory of a set (default: the bundled one).")
]


@app.command(cls=Command)
def verify(
    directory: Directory = None,
    write_manifest: Annotated[
        bool, typer.Option("--write-manifest", help="Write the manifest of a five-file set that has none, then verify.")
    ] = False,
    allow_unverified: Unverified = False,
    manifest_sha256: ManifestSha256 = None,
) -> None:
    """Verify hashes, format and golden vectors of a set.

    \b
    Examples:
      session-scorer model verify
      session-scorer model verify my-set --write-manifest
    """
    if write_manifest and directory is None:
        raise typer.BadParameter("needs a directory", param_hint="--write-manifest")
    from consumer.model import card

    for line in card.verify(
        directory, write=write_manifest, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256
    ):
        typer.echo(line)


@app.command(cls=Command)
def show(directory: Directory = None, allow_unverified: Unverified = False, as_json: AsJson = False) -> None:
    """Show the model card: origin, parameters, thresholds, metrics and cautions of a set.

    \b
    Examples:
      session-scorer model show
      session-scorer model show my-set --json
    """
    from consumer.model import card
    from scoring import Scorer

    scorer = Scorer.load(directory, allow_unverified=allow_unverified)
    if as_json:
        typer.echo(json_text(card.card(scorer)))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in card.card_lines(scorer, width):
        typer.echo(line)


@app.command(cls=Command)
def diff(  # noqa: PLR0913, PLR0917 - typer makes options of parameters
    a: Annotated[Path, typer.Argument(metavar="A", help="Directory of a set, e.g. the one in use.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Directory of another set, e.g. a newer one.")],
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv, .jsonl, .ndjson or .parquet file of events.")],
    allow_missing: AllowMissing = False,
    renames: Renames = None,
    delimiter: Delimiter = ",",
    decimal: Decimal = ".",
    gaps: Gaps = None,
    encoding: Encoding = "utf-8",
    allow_unverified: Unverified = False,
    as_json: AsJson = False,
    label: Label = "label",
    positive: Positive = None,
    allow_doubtful: AllowDoubtful = False,
) -> None:
    """Score a file with two sets and show where they disagree.

    \b
    Example:
      session-scorer model diff old-set new-set last-week.jsonl

    Shows which levels and labels change, how far scores move, and the numbers of the rows that move most; never the
    content of a row. Exit status 1 when the file has fewer than 100 rows, when a set was trained from it, or when one
    field alone reveals its labels.
    """
    options = table_options(allow_missing, renames, csv_dialect(delimiter, decimal, gaps, encoding))
    from consumer.model.comparison import compare
    from scoring import Scorer
    from training.data_checks import comparison_doubts

    first, second = (Scorer.load(directory, allow_unverified=allow_unverified) for directory in (a, b))
    leaks = _leaks(source, label_column(label, positive), options)
    with show_progress(source.name) as progress:
        comparison = compare(first, second, source, Reporting(progress, warn), table=options)
    doubts = comparison_doubts(source, comparison.rows, first.artifacts, second.artifacts)
    if as_json:
        versions = {"a": first.artifacts.version, "b": second.artifacts.version}
        typer.echo(json_text(versions | comparison.as_dict()))
    else:
        _print_sheets(comparison, first, second)
    require_accepted((*doubts, *leaks), allow_doubtful)


def _leaks(source: Path, label: "LabelColumn", table: "TableOptions") -> tuple[str, ...]:
    """Return the fields that alone reveal the label; empty without a label, or without the packages for training.

    Warns when the labels cannot be read. Raises TrainingError when the named label is missing.
    """
    from scoring import MissingExtra
    from scoring.tables import first_row
    from training import TrainingError

    if label.name not in first_row(source, table.dialect):
        if label.is_default:
            return ()
        _check_label(source, label, table)
    try:
        from training.evaluation.leakage import leaks_in_file

        return leaks_in_file(source, label, table)
    except MissingExtra:
        return ()
    except TrainingError as error:
        warn(f"not checked for a field that alone reveals the label: {error}")
        return ()


def _check_label(source: Path, label: "LabelColumn", table: "TableOptions") -> None:
    from scoring.tables import open_source
    from training import TrainingError

    try:
        label.check(open_source(source, dialect=table.dialect).columns())
    except TrainingError as error:
        raise TrainingError(f"{source}: {error}") from None


def _print_sheets(comparison: "Comparison", first: "Scorer", second: "Scorer") -> None:
    from rich.console import Console

    from consumer.model.report import sheets

    console = Console()
    for sheet in sheets(comparison, first, second):
        if console.is_terminal:
            sheet.print(console)
        else:
            typer.echo("\n".join(sheet.lines()))
        typer.echo()
