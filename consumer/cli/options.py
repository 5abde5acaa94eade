"""Options that several commands share: the artifact set, the columns of a table, its label.

Importing this module is fast, for help and for `demo`: scoring and training are imported by the functions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.printable import printable

if TYPE_CHECKING:
    from scoring.tables import Dialect, TableOptions
    from training.labels import LabelColumn

Artifacts = Annotated[
    Path | None,
    typer.Option(
        "--artifacts",
        metavar="DIR",
        envvar="SESSION_SCORER_ARTIFACTS",
        help="Directory of the artifact set (default: the bundled one).",
        rich_help_panel="Artifact set",
    ),
]
Unverified = Annotated[
    bool,
    typer.Option(
        "--allow-unverified",
        envvar="SESSION_SCORER_ALLOW_UNVERIFIED",
        help="Accept an artifact set without a manifest.",
        rich_help_panel="Artifact set",
    ),
]
ManifestSha256 = Annotated[
    str | None,
    typer.Option(
        "--manifest-sha256",
        metavar="HEX",
        envvar="SESSION_SCORER_MANIFEST_SHA256",
        help="Required SHA-256 of the set's manifest.json.",
        rich_help_panel="Artifact set",
    ),
]


def _logins() -> list[str]:
    from consumer.config.settings import Settings
    from consumer.config.sources import choices

    return choices(Settings.model_fields["login"])


Login = Annotated[
    str | None,
    typer.Option(
        metavar="aws-msk-iam|gcp",
        help="Log in to this broker by tokens of AWS IAM or Google Cloud, as `run` does.",
        autocompletion=_logins,
    ),
]
AllowMissing = Annotated[
    bool,
    typer.Option(
        "--allow-missing", help="Accept a table with fewer than 8 of the 16 model fields; missing ones are imputed."
    ),
]
Renames = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=COLUMN", help="Read FIELD from a column of another name. Repeatable."),
]
Delimiter = Annotated[
    str,
    typer.Option(
        "--delimiter", metavar="CHARACTER", help="Character between the cells of CSV, or tab.", rich_help_panel="CSV"
    ),
]
Decimal = Annotated[
    str, typer.Option("--decimal", metavar="SIGN", help="Decimal sign in CSV: . or ,", rich_help_panel="CSV")
]
Gaps = Annotated[
    list[str] | None,
    typer.Option(
        "--na",
        metavar="TEXT",
        help="Cell of CSV that is a missing value, as the empty one always is. Repeatable.",
        rich_help_panel="CSV",
    ),
]
Encoding = Annotated[
    str,
    typer.Option(
        "--encoding", metavar="NAME", help="Encoding of CSV, such as utf-16 or latin-1.", rich_help_panel="CSV"
    ),
]
Label = Annotated[str, typer.Option("--label", metavar="COLUMN", help="Column that holds the label.")]
Positive = Annotated[
    list[str] | None,
    typer.Option(
        "--positive",
        metavar="VALUE",
        help="Label of an attack; all others are honest. Repeatable (default: labels are 0 and 1).",
    ),
]
AllowDoubtful = Annotated[
    bool,
    typer.Option(
        "--allow-doubtful",
        help="Exit with 0 even if one field alone reveals the label, there are fewer than 100 rows, or the set was "
        "trained from this very file.",
    ),
]


def csv_dialect(delimiter: str, decimal: str, gaps: list[str] | None, encoding: str) -> "Dialect":
    """Return the dialect that the options describe. Raises BadParameter."""
    from scoring.tables import Dialect

    try:
        return Dialect(delimiter, decimal, tuple(gaps or ()), encoding)
    except ValueError as error:
        option, _, why = str(error).partition(": ")
        raise typer.BadParameter(why, param_hint=f"--{option}") from None


def table_options(allow_missing: bool, renames: list[str] | None, dialect: "Dialect") -> "TableOptions":
    """Parse the options of a table. Raises BadParameter."""
    from scoring.tables import TableOptions, parse_renames

    try:
        return TableOptions(allow_missing, parse_renames(renames or ()), dialect)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--map") from None


def label_column(label: str, positive: list[str] | None) -> "LabelColumn":
    """Return the column that --label and --positive describe."""
    from training.labels import LabelColumn

    return LabelColumn(label, tuple(positive or ()))


def require_accepted(doubts: Sequence[str], allow_doubtful: bool) -> None:
    """Print the doubts about a measurement; raise TrainingError for them unless the user accepts them."""
    from training import TrainingError
    from training.data_checks import ALLOW_DOUBTFUL

    if doubts and not allow_doubtful:
        raise TrainingError(f"{'; '.join(doubts)}; {ALLOW_DOUBTFUL} accepts it anyway")
    for line in doubts:
        typer.echo(line, err=True)


def warn(line: str) -> None:
    """Write a warning to standard error."""
    typer.echo(f"warning: {printable(line)}", err=True)
