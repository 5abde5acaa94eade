"""How a command that reads labelled sessions is told about their label, and that doubtful data is meant."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.reading import LabelColumn

Label = Annotated[str, typer.Option("--label", metavar="COLUMN", help="The column that holds the label.")]
Positive = Annotated[
    list[str] | None,
    typer.Option(
        "--positive",
        metavar="VALUE",
        help="The label of an attack, all others being honest; may be given again (default: labels are 0 and 1).",
    ),
]
AllowDoubtful = Annotated[
    bool,
    typer.Option(
        "--allow-doubtful",
        help="Go on, and exit with 0, where a field alone tells the label, there are fewer than 100 rows, or the set "
        "was trained from this very file.",
    ),
]


def label_column(label: str, positive: list[str] | None) -> "LabelColumn":
    """Return the column that the options name."""
    from training.reading import LabelColumn

    return LabelColumn(label, tuple(positive or ()))


def conclude(doubts: Sequence[str], allow_doubtful: bool) -> None:
    """Print the reasons to doubt what was measured, or end with them, one line, unless the user insists."""
    from training.errors import TrainingError
    from training.guards import INSIST

    if doubts and not allow_doubtful:
        raise TrainingError(f"{'; '.join(doubts)}; {INSIST} takes it all the same")
    for line in doubts:
        typer.echo(line, err=True)
