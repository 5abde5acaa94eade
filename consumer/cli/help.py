"""Commands and groups: help as plain text in sections, and modules imported when their command is called."""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, ClassVar, Final, NamedTuple

import typer.main
from typer.core import TyperCommand, TyperGroup

from consumer.printable import printable

CONTEXT: Final[dict[str, Any]] = {"help_option_names": ["--help", "-h"]}


class Command(TyperCommand):
    """A command whose help lists its options in sections, by their `rich_help_panel`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        write_sections(parameter_rows(self.get_params(ctx), ctx), formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the names of options. Their help is escaped: typer takes `[default]` for markup of rich."""
        from rich.markup import escape  # noqa: PLC0415 - slow, and only completion needs it

        items = super().shell_complete(ctx, incomplete)
        for item in items:
            item.help = escape(item.help or "")
        return items


class Group(TyperGroup):
    """A group of commands whose help lists them before its options, both in sections."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the named command; for an unknown one, suggest the nearest name, as typer does from 0.20 on."""
        name, names = args[0], self.list_commands(ctx)
        if not name.startswith("-") and name not in names:
            nearest = ["--help"] if name == "help" else get_close_matches(name.lower(), names, 1)
            hint = f" Did you mean '{nearest[0]}'?" if nearest else ""
            ctx.fail(f"No such command '{printable(name)}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        write_sections(parameter_rows(self.get_params(ctx), ctx), formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        limit = formatter.width - 6 - max(map(len, self.list_commands(ctx)))
        write_sections(self.command_rows(limit), formatter)

    def command_rows(self, limit: int) -> list[tuple[str, "Row"]]:
        """Return the section, name and summary of each command; a summary has at most `limit` characters."""
        return [("Commands", (name, command.get_short_help_str(limit))) for name, command in self.commands.items()]


class LazyCommand(NamedTuple):
    """A command or group by the address of its function or typer app, and what help shows before it is imported."""

    address: str  # MODULE:NAME
    section: str
    summary: str

    def load(self) -> Any:
        """Import the module and return the command that it defines."""
        module, _, name = self.address.partition(":")
        return as_command(getattr(import_module(module), name))


class LazyGroup(Group):
    """A group that imports a command's module only when that command is called: help needs none of them."""

    lazy_commands: ClassVar[Mapping[str, LazyCommand]]

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        return list(self.lazy_commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        if cmd_name in self.lazy_commands and cmd_name not in self.commands:
            self.commands[cmd_name] = self.lazy_commands[cmd_name].load()
        return self.commands.get(cmd_name)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the names of commands, and of options, from what help shows, so that no module is imported."""
        commands = [Command(name, short_help=lazy.summary) for name, lazy in self.lazy_commands.items()]
        group = Group(name=self.name, params=self.params, commands=commands)
        return group.shell_complete(type(ctx)(group, parent=ctx.parent), incomplete)

    def command_rows(self, limit: int) -> list[tuple[str, "Row"]]:  # noqa: ARG002 - the summaries are short
        return [(command.section, (name, command.summary)) for name, command in self.lazy_commands.items()]


def as_command(definition: typer.Typer | Callable[..., None]) -> Any:
    """Return the command that a typer app, or the signature and docstring of a function, define."""
    if isinstance(definition, typer.Typer):
        return typer.main.get_command(definition)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(cls=Command, context_settings=CONTEXT)(definition)
    return typer.main.get_command(app)


Row = tuple[str, str]
_TYPE: Final = re.compile(r" <[\w\[\]|]+>$")  # a type or choices, which typer puts after the name of an argument


def parameter_rows(parameters: Iterable[Any], context: Any) -> list[tuple[str, Row]]:
    """Return the section and the text of each argument and option that is not hidden."""
    rows = []
    for parameter in parameters:
        row = parameter.get_help_record(context)
        if row is not None:
            name, text = row
            default = "Arguments" if parameter.param_type_name == "argument" else "Options"
            panel = getattr(parameter, "rich_help_panel", None)
            rows.append((panel if isinstance(panel, str) else default, (_TYPE.sub("", name), text)))
    return rows


def write_sections(rows: Iterable[tuple[str, Row]], formatter: Any) -> None:
    """Write each section once, in the order of its first row."""
    sections: dict[str, list[Row]] = {}
    for section, row in rows:
        sections.setdefault(section, []).append(row)
    for section, members in sections.items():
        with formatter.section(section):
            formatter.write_dl(members)
