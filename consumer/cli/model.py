"""`session-scorer model`: its commands. Imports stand inside them, as in main.py."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from consumer.cli.artifacts import Pinned, Unverified, load
from consumer.cli.help import Command, Group
from consumer.cli.labels import AllowDoubtful, Label, Positive, conclude, label_column
from consumer.cli.tables import AllowMissing, Map, table_options, warn

if TYPE_CHECKING:
    from consumer.model.comparison import Disagreement
    from scoring import Scorer
    from scoring.tables.checked_source import TableOptions
    from training.labels import LabelColumn

_HELP: Final = """Verify artifact sets, show or compare them.

\b
Examples:
  session-scorer model verify new-set
  session-scorer model diff old-set new-set last-week.jsonl
"""

app = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None, help=_HELP)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, in one line.")]
Directory = Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Default: the set that ships.")]


@app.command(cls=Command)
def verify(
    directory: Directory = None,
    write_manifest: Annotated[
        bool, typer.Option("--write-manifest", help="First write the manifest of a five-file set that has none.")
    ] = False,
    allow_unverified: Unverified = False,
    manifest_sha256: Pinned = None,
) -> None:
    """Verify hashes, form and golden vectors of a set.

    \b
    Examples:
      session-scorer model verify
      session-scorer model verify my-set --write-manifest
    """
    from consumer.model import card as sets

    if write_manifest and directory is None:
        raise typer.BadParameter("needs a directory", param_hint="--write-manifest")
    for line in sets.verify(
        directory, write=write_manifest, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256
    ):
        typer.echo(line)


@app.command(cls=Command)
def show(directory: Directory = None, allow_unverified: Unverified = False, as_json: AsJson = False) -> None:
    """Show the model card: where a set comes from, how it was chosen, its thresholds, metrics and cautions.

    \b
    Examples:
      session-scorer model show
      session-scorer model show my-set --json
    """
    from consumer.model import card as sets

    scorer = load(directory, allow_unverified)
    if as_json:
        from consumer.printable import json_text

        typer.echo(json_text(sets.card(scorer)))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in sets.card_lines(scorer, width):
        typer.echo(line)


@app.command(cls=Command)
def diff(  # noqa: PLR0913, PLR0917 - typer takes the parameters for the command's options
    a: Annotated[Path, typer.Argument(metavar="A", help="Directory of a set, such as the one in use.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Directory of another, such as a newer one.")],
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv, .jsonl, .ndjson or .parquet file of events.")],
    allow_missing: AllowMissing = False,
    renames: Map = None,
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

    Which levels and labels change, how far scores move, and the rows that move most, by their numbers. Nothing of
    the rows themselves is shown. Exit status 1 when the file has fewer than 100 rows, is the one that a set was trained
    from, or has labels and a field that alone tells them.
    """
    options = table_options(allow_missing, renames)
    from consumer.model.comparison import compare
    from consumer.offline.progress import Reporting, shown_progress
    from training.guards import doubts_of_comparison

    first, second = (load(directory, allow_unverified) for directory in (a, b))
    leaks = _leaks(source, label_column(label, positive), options)
    with shown_progress(source.name) as progress:
        found = compare(first, second, source, Reporting(progress, warn), table=options)
    doubts = doubts_of_comparison(source, found.rows, first.artifacts, second.artifacts)
    if as_json:
        from consumer.printable import json_text

        versions = {"a": first.artifacts.version, "b": second.artifacts.version}
        typer.echo(json_text(versions | found.as_dict()))
    else:
        _print_sheets(found, first, second)
    conclude((*doubts, *leaks), allow_doubtful)


def _leaks(source: Path, label: "LabelColumn", table: "TableOptions") -> tuple[str, ...]:
    """Name the fields that alone tell the label, where the file has one and the packages for training are there.

    A warning says that the labels cannot be read. Raises TrainingError when a label is asked for that is not there.
    """
    from scoring import MissingExtra
    from scoring.tables.readers import first_row
    from training.errors import TrainingError

    if label.name not in first_row(source):
        if label.is_default:
            return ()
        _check_label(source, label)
    try:
        from training.evaluation.leakage import leaks_of_file

        return leaks_of_file(source, label, table.renames)
    except MissingExtra:
        return ()
    except TrainingError as error:
        warn(f"not checked for a field that alone tells the label: {error}")
        return ()


def _check_label(source: Path, label: "LabelColumn") -> None:
    from scoring.tables.readers import open_source
    from training.errors import TrainingError

    try:
        label.check(open_source(source).columns())
    except TrainingError as error:
        raise TrainingError(f"{source}: {error}") from None


def _print_sheets(found: "Disagreement", first: "Scorer", second: "Scorer") -> None:
    from rich.console import Console

    from consumer.model.report import sheets

    console = Console()
    for sheet in sheets(found, first, second):
        if console.is_terminal:
            sheet.print(console)
        else:
            typer.echo("\n".join(sheet.lines()))
        typer.echo()
