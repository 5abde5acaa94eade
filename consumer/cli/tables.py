"""What a command is told of a table's columns: the options, and the warnings that come of them."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scoring.tables.checked_source import TableOptions

AllowMissing = Annotated[
    bool,
    typer.Option("--allow-missing", help="Take a table with fewer than 8 of the 16 model fields: the rest is imputed."),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="FIELD=COLUMN", help="Read FIELD from a column of another name. May be given several times."
    ),
]


def table_options(allow_missing: bool, renames: list[str] | None) -> "TableOptions":
    """Read both options. Raises BadParameter."""
    from scoring.tables.checked_source import TableOptions
    from scoring.tables.column_map import parse_renames

    try:
        return TableOptions(allow_missing, parse_renames(renames or ()))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--map") from None


def warn(line: str) -> None:
    """Write a warning to standard error."""
    from consumer.printable import printable

    typer.echo(f"warning: {printable(line)}", err=True)
