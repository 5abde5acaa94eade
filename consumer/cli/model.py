"""`session-scorer model`: its commands. Imports stand inside them, as in main.py."""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from consumer.cli.help import Command, Group
from consumer.cli.sets import Pinned, Unverified, load
from consumer.cli.tables import AllowMissing, Map, table_options, warn

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
    from consumer import model as sets

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
    from consumer import model as sets

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
) -> None:
    """Score a file with two sets and show where they disagree.

    \b
    Example:
      session-scorer model diff old-set new-set last-week.jsonl

    Which levels and labels change, how far scores move, and the rows that move most, by their numbers. Nothing of
    the rows themselves is shown.
    """
    options = table_options(allow_missing, renames)
    from consumer.comparing import compare
    from consumer.progress import Reporting, shown_progress

    first, second = (load(directory, allow_unverified) for directory in (a, b))
    with shown_progress(source.name) as progress:
        found = compare(first, second, source, Reporting(progress, warn), table=options)
    if as_json:
        from consumer.printable import json_text

        versions = {"a": first.artifacts.version, "b": second.artifacts.version}
        typer.echo(json_text(versions | found.as_dict()))
        return
    from rich.console import Console

    from consumer.model_shown import sheets

    console = Console()
    for sheet in sheets(found, first, second):
        if console.is_terminal:
            sheet.print(console)
        else:
            typer.echo("\n".join(sheet.lines()))
        typer.echo()
