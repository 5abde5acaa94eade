"""`session-scorer evaluate`. Scoring and training are imported inside: training's packages are an extra."""

from pathlib import Path
from typing import Annotated

import typer

from consumer.cli.options import (
    AllowDoubtful,
    AllowMissing,
    Artifacts,
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
)
from consumer.offline.progress import show_activity
from consumer.process import exit_on_signals


def evaluate(  # noqa: PLR0913, PLR0917 - typer makes options of parameters
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Labelled sessions: CSV, JSON Lines or Parquet.")],
    artifacts: Artifacts = None,
    training_data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The set's training data: searched for rows and users that DATA shares."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Directory for results.csv and report.html.")] = Path(
        "evaluation"
    ),
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="Random seed.")] = 42,
    allow_unverified: Unverified = False,
    manifest_sha256: ManifestSha256 = None,
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
    """Measure a set on labelled sessions.

    \b
    Example:
      session-scorer evaluate labelled.csv --artifacts my-set

    Reports metrics with intervals, beside three baselines, by kind of attack and by segment. Exit status 1 when one
    field alone reveals the label, there are fewer than 100 rows, or the set was trained from this very file.
    """
    from scoring import Scorer
    from training.evaluation.evaluate import EvaluationOptions
    from training.evaluation.evaluate import evaluate as evaluate_set
    from training.evaluation.results import write_results
    from training.evaluation.summary import print_summary

    scorer = Scorer.load(artifacts, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256)
    column, table = (
        label_column(label, positive),
        table_options(allow_missing, renames, csv_dialect(delimiter, decimal, gaps, encoding)),
    )
    with exit_on_signals(), show_activity("evaluate") as activity:
        options = EvaluationOptions(seed, track=activity.track, reading=activity.reading, label=column, table=table)
        evaluation = evaluate_set(data, scorer, training_data, options)
        paths = write_results(evaluation, out)
    print_summary(evaluation)
    for path in paths:
        typer.echo(path)
    require_accepted((*evaluation.leaks, *evaluation.doubts), allow_doubtful)
