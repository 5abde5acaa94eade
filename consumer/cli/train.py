"""`session-scorer train`. What needs the packages for training is imported inside: they are an extra."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from consumer.cli.options import (
    AllowDoubtful,
    AllowMissing,
    Decimal,
    Delimiter,
    Encoding,
    Gaps,
    Label,
    Positive,
    Renames,
    csv_dialect,
    label_column,
    table_options,
)
from consumer.offline.progress import show_activity
from consumer.process import exit_on_signals

if TYPE_CHECKING:
    from training.thresholds import AlertBudget, Costs


def train(  # noqa: PLR0913, PLR0917 - typer makes options of parameters
    out: Annotated[Path, typer.Option(metavar="DIR", help="Directory for the artifact set.")],
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Labelled sessions: CSV, JSON Lines or Parquet (default: generated ones)."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="Random seed.")] = 42,
    split: Annotated[
        Literal["time", "group"] | None,
        typer.Option(
            metavar="time|group",
            help="Measure on the newest fifth of the sessions, or on a fifth of the users, held out of training.",
        ),
    ] = None,
    max_rows: Annotated[
        int, typer.Option(min=1, metavar="N", help="Train on at most N sessions; beyond that, users are sampled.")
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
            help="Weight of attacks, from 0 (as any session) to 1 (both classes weigh the same; default: by "
            "cross-validation).",
        ),
    ] = None,
    alert_budget: Annotated[
        str | None,
        typer.Option(
            metavar="N/TIME@N/TIME",
            help="Set the threshold of High by alerts: 50/h@1000/s allows 50 an hour at 1,000 events a second.",
        ),
    ] = None,
    cost_false_alert: Annotated[
        float | None,
        typer.Option(metavar="N", help="Cost of a false alert; with --cost-missed it sets the threshold of label 1."),
    ] = None,
    cost_missed: Annotated[
        float | None, typer.Option(metavar="N", help="Cost of a missed attack, in the same unit.")
    ] = None,
    label: Label = "label",
    positive: Positive = None,
    allow_missing: AllowMissing = False,
    renames: Renames = None,
    delimiter: Delimiter = ",",
    decimal: Decimal = ".",
    gaps: Gaps = None,
    encoding: Encoding = "utf-8",
    allow_doubtful: AllowDoubtful = False,
) -> None:
    """Train an artifact set.

    \b
    Examples:
      session-scorer train --out my-set
      session-scorer train --data labelled.parquet --split time --out my-set

    Writes five files and a manifest that verifies them. Cross-validation, with each user on one side only, chooses
    the size and balance of the forest. The same seed and data give the same files.
    """
    budget, costs = _budget(alert_budget), _costs(cost_false_alert, cost_missed)
    table = table_options(allow_missing, renames, csv_dialect(delimiter, decimal, gaps, encoding))
    from training.evaluation.measures import attack_count
    from training.reader import ReadOptions
    from training.selection import Grid
    from training.train import TrainingOptions
    from training.train import train as train_set

    standard = Grid()
    grid = Grid(
        trees=standard.trees if trees is None else (trees,),
        depth=standard.depth if depth is None else (depth,),
        balance=standard.balance if balance is None else (balance,),
    )
    read = ReadOptions(label_column(label, positive), table)
    options = TrainingOptions(grid, split, max_rows, budget, costs, read, allow_doubtful)
    with exit_on_signals(), show_activity("train") as activity:
        manifest = train_set(
            data,
            out,
            seed=seed,
            options=options,
            track=activity.track,
            reading=activity.reading,
            notify=partial(typer.echo, err=True),
        )
    training = manifest.training
    typer.echo(", ".join(f"{name} {training.parameters[name]:g}" for name in ("trees", "depth", "balance")))
    typer.echo(f"measured on {training.measured_on}:")
    attacks = attack_count(manifest.metrics)
    for name, value in manifest.metrics.items():
        typer.echo(f"{name} {value:g}" + ("" if name in ("sessions", "attacks") else f" ({attacks:,} attacks)"))
    typer.echo(f"model version {manifest.model_version} in {out}")


def _budget(text: str | None) -> "AlertBudget | None":
    if text is None:
        return None
    from training.thresholds import AlertBudget

    try:
        return AlertBudget.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--alert-budget") from None


def _costs(false_alert: float | None, missed: float | None) -> "Costs | None":
    if false_alert is None and missed is None:
        return None
    from training.thresholds import Costs

    if false_alert is None or missed is None or not false_alert > 0 or not missed > 0:
        raise typer.BadParameter("both are needed, above 0", param_hint="--cost-false-alert, --cost-missed")
    return Costs(false_alert, missed)
