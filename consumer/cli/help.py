"""Help in groups, as plain text: readable in 80 columns and in a pipe."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

from typer.core import TyperCommand, TyperGroup

from consumer.printable import printable

CONTEXT: Final[dict[str, Any]] = {"help_option_names": ["--help", "-h"]}


class Command(TyperCommand):
    """A command whose options stand in the groups that their `rich_help_panel` names."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options, a section for each group."""
        write_sections(parameter_rows(self.get_params(ctx), ctx), formatter)


class Group(TyperGroup):
    """A family of commands; these stand in groups too, before the options."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that is named; where there is none, name the nearest, which typer does from 0.20 on."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            nearest = ["--help"] if name == "help" else get_close_matches(name.lower(), self.list_commands(ctx), 1)
            ctx.fail(f"No such command '{printable(name)}'." + "".join(f" Did you mean '{each}'?" for each in nearest))
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options."""
        self.format_commands(ctx, formatter)
        write_sections(parameter_rows(self.get_params(ctx), ctx), formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, a section for each group."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        shown = {name: command for name, command in commands.items() if command is not None and not command.hidden}
        limit = formatter.width - 6 - max(map(len, shown), default=0)
        rows = [
            (_group(command, "Commands"), (name, command.get_short_help_str(limit))) for name, command in shown.items()
        ]
        write_sections(rows, formatter)


Row = tuple[str, str]
_TYPE: Final = re.compile(r" <[\w\[\]]+>$")  # a type of Python, which typer puts after the name of an argument


def parameter_rows(parameters: Iterable[Any], context: Any) -> list[tuple[str, Row]]:
    """Return the group and the text of each argument and option that is not hidden."""
    rows = []
    for parameter in parameters:
        row = parameter.get_help_record(context)
        if row is not None:
            name, text = row
            kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
            rows.append((_group(parameter, kind), (_TYPE.sub("", name), text)))
    return rows


def write_sections(rows: Iterable[tuple[str, Row]], formatter: Any) -> None:
    """Write a section for each group, in the order in which they first come."""
    groups: dict[str, list[Row]] = {}
    for group, row in rows:
        groups.setdefault(group, []).append(row)
    for group, members in groups.items():
        with formatter.section(group):
            formatter.write_dl(members)


def _group(item: Any, default: str) -> str:
    group = getattr(item, "rich_help_panel", None)
    return group if isinstance(group, str) else default
