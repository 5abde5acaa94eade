"""`session-scorer train`.

Imports stand inside the command, as in main.py.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from consumer.cli.labels import AllowDoubtful, Label, Positive, label_column
from consumer.cli.tables import AllowMissing, Map, table_options

if TYPE_CHECKING:
    from training.thresholds import Budget, Costs


def train(  # noqa: PLR0913, PLR0917 - typer takes the parameters for the command's options
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write the artifact set.")],
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Labelled sessions: CSV, JSON Lines or Parquet (default: generated ones)."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="Of all that is random.")] = 42,
    split: Annotated[
        Literal["time", "group"] | None,
        typer.Option(
            metavar="time|group",
            help="Hold out the newest fifth of the sessions, or a fifth of the users, and measure on it.",
        ),
    ] = None,
    max_rows: Annotated[
        int, typer.Option(min=1, metavar="N", help="Train on at most so many sessions; of more, whole users are drawn.")
    ] = 1_000_000,
    trees: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of trees (default: by cross-validation).")
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Depth of a tree (default: by cross-validation).")
    ] = None,
    balance: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="N",
            help="What an attack weighs: 0 as much as any session, 1 as much as makes both classes equal "
            "(default: by cross-validation).",
        ),
    ] = None,
    alert_budget: Annotated[
        str | None,
        typer.Option(
            metavar="N/TIME@N/TIME",
            help="Choose the threshold of High: 50/h@1000/s is at most 50 alerts an hour at 1,000 events a second.",
        ),
    ] = None,
    cost_false_alert: Annotated[
        float | None, typer.Option(metavar="N", help="With --cost-missed: choose the threshold of label 1.")
    ] = None,
    cost_missed: Annotated[
        float | None, typer.Option(metavar="N", help="What an attack that is missed costs, in the same unit.")
    ] = None,
    label: Label = "label",
    positive: Positive = None,
    allow_missing: AllowMissing = False,
    renames: Map = None,
    allow_doubtful: AllowDoubtful = False,
) -> None:
    """Train an artifact set.

    \b
    Examples:
      session-scorer train --out my-set
      session-scorer train --data labelled.parquet --split time --out my-set

    Five files, and the manifest that verifies them. Size and balance of the forest are chosen by cross-validation
    in which no user is on both sides; the same seed and data give the same files.
    """
    budget, costs = _budget(alert_budget), _costs(cost_false_alert, cost_missed)
    options = table_options(allow_missing, renames)
    from consumer.offline.progress import shown_activity
    from consumer.process import exit_on_signals
    from training.evaluation.measures import attacks_behind
    from training.reading import Reading
    from training.selection import Grid
    from training.train import Wishes
    from training.train import train as train_set

    standard = Grid()
    grid = Grid(
        trees=standard.trees if trees is None else (trees,),
        depth=standard.depth if depth is None else (depth,),
        balance=standard.balance if balance is None else (balance,),
    )
    reading = Reading(label_column(label, positive), options)
    wishes = Wishes(grid, split, max_rows, budget, costs, reading, allow_doubtful)
    with exit_on_signals(), shown_activity("train") as activity:
        manifest = train_set(
            data,
            out,
            seed=seed,
            wishes=wishes,
            track=activity.track,
            reading=activity.reading,
            say=lambda line: typer.echo(line, err=True),
        )
    described = manifest.training
    typer.echo(", ".join(f"{name} {described.parameters[name]:g}" for name in ("trees", "depth", "balance")))
    typer.echo(f"measured on {described.measured_on}:")
    attacks = attacks_behind(manifest.metrics)
    for name, value in manifest.metrics.items():
        typer.echo(f"{name} {value:g}" + ("" if name in ("sessions", "attacks") else f" ({attacks:,} attacks)"))
    typer.echo(f"model version {manifest.model_version} in {out}")


def _budget(text: str | None) -> "Budget | None":
    if text is None:
        return None
    from training.thresholds import Budget

    try:
        return Budget.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--alert-budget") from None


def _costs(false_alert: float | None, missed: float | None) -> "Costs | None":
    if false_alert is None and missed is None:
        return None
    from training.thresholds import Costs

    if false_alert is None or missed is None or not false_alert > 0 or not missed > 0:
        raise typer.BadParameter("both are needed, above 0", param_hint="--cost-false-alert, --cost-missed")
    return Costs(false_alert, missed)
