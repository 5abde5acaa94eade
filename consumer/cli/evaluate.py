"""`session-scorer evaluate`. Imports stand inside the command, as in main.py."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.sets import Artifacts, Pinned, Unverified, load

if TYPE_CHECKING:
    from training.evaluation.evaluate import Evaluation


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
) -> None:
    """Measure a set on labelled sessions.

    \b
    Example:
      session-scorer evaluate labelled.csv --artifacts my-set

    With intervals, beside three baselines, by kind of attack and by segment; results.csv and report.html have it
    all. Exit status 1 when a field alone tells the label.
    """
    from training.evaluation.evaluate import How
    from training.evaluation.evaluate import evaluate as evaluate_set
    from training.evaluation.summary import show
    from training.evaluation.writing import write
    from training.train import bar

    scorer = load(artifacts, allow_unverified, manifest_sha256)
    evaluation = evaluate_set(data, scorer, training_data, How(seed, track=bar))
    written = write(evaluation, out)
    show(evaluation)
    for path in written:
        typer.echo(path)
    _refuse_leaks(evaluation)


def _refuse_leaks(evaluation: "Evaluation") -> None:
    from training.errors import TrainingError

    if evaluation.leaks:
        raise TrainingError(evaluation.leaks[0])
