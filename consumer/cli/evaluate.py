"""`session-scorer evaluate`. Imports stand inside the command, as in main.py."""

from pathlib import Path
from typing import Annotated

import typer

from consumer.cli.artifacts import Artifacts, Pinned, Unverified, load
from consumer.cli.labels import AllowDoubtful, Label, Positive, conclude, label_column
from consumer.cli.tables import AllowMissing, Map, table_options


def evaluate(  # noqa: PLR0913, PLR0917 - typer takes the parameters for the command's options
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Labelled sessions: CSV, JSON Lines or Parquet.")],
    artifacts: Artifacts = None,
    training_data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What the set was trained from: looked through for what it shares with DATA."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write results.csv and report.html.")] = Path(
        "evaluation"
    ),
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="Of all that is random.")] = 42,
    allow_unverified: Unverified = False,
    manifest_sha256: Pinned = None,
    label: Label = "label",
    positive: Positive = None,
    allow_missing: AllowMissing = False,
    renames: Map = None,
    allow_doubtful: AllowDoubtful = False,
) -> None:
    """Measure a set on labelled sessions.

    \b
    Example:
      session-scorer evaluate labelled.csv --artifacts my-set

    With intervals, beside three baselines, by kind of attack and by segment; results.csv and report.html have it
    all. Exit status 1 when a field alone tells the label, there are fewer than 100 rows, or the set was trained from
    this very file.
    """
    from consumer.offline.progress import shown_activity
    from consumer.process import exit_on_signals
    from training.evaluation.evaluate import How
    from training.evaluation.evaluate import evaluate as evaluate_set
    from training.evaluation.summary import show
    from training.evaluation.writing import write

    scorer = load(artifacts, allow_unverified, manifest_sha256)
    column, options = label_column(label, positive), table_options(allow_missing, renames)
    with exit_on_signals(), shown_activity("evaluate") as activity:
        how = How(seed, track=activity.track, reading=activity.reading, label=column, table=options)
        evaluation = evaluate_set(data, scorer, training_data, how)
        written = write(evaluation, out)
    show(evaluation)
    for path in written:
        typer.echo(path)
    conclude((*evaluation.leaks, *evaluation.doubts), allow_doubtful)
