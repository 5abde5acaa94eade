"""`session-scorer train`.

Imports stand inside the command, as in cli.py.
"""

from pathlib import Path
from typing import Annotated

import typer


def train(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write the artifact set.")],
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Labelled sessions: CSV, JSON Lines or Parquet (default: generated ones)."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of all that is random.")] = None,
) -> None:
    """Train an artifact set.

    Five files, and the manifest that verifies them.
    """
    from training.train import train as train_set

    manifest = train_set(data, out) if seed is None else train_set(data, out, seed=seed)
    for name, value in manifest.metrics.items():
        typer.echo(f"{name} {value:g}")
    typer.echo(f"model version {manifest.model_version} in {out}")
