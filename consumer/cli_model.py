"""`session-scorer model`: its commands. Imports stand inside them, as in cli.py."""

from pathlib import Path
from typing import Annotated

import typer

from consumer.cli_sets import Pinned, Unverified, load

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Verify an artifact set, or show what it is.")

Directory = Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Default: the set that ships.")]


@app.command()
def verify(
    directory: Directory = None,
    write_manifest: Annotated[
        bool, typer.Option("--write-manifest", help="First write the manifest of a five-file set that has none.")
    ] = False,
    allow_unverified: Unverified = False,
    manifest_sha256: Pinned = None,
) -> None:
    """Verify hashes, form and golden vectors of a set."""
    from consumer import model as sets

    if write_manifest and directory is None:
        raise typer.BadParameter("needs a directory", param_hint="--write-manifest")
    for line in sets.verify(
        directory, write=write_manifest, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256
    ):
        typer.echo(line)


@app.command()
def show(directory: Directory = None, allow_unverified: Unverified = False) -> None:
    """Show where a set comes from, its thresholds, features and metrics."""
    from consumer import model as sets

    for name, value in sets.card(load(directory, allow_unverified)):
        typer.echo(f"{name + ':':15} {value}")
