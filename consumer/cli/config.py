"""`session-scorer config`: its commands. The Kafka client is imported inside: help and completion do not need it."""

import os
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import typer

from consumer.cli.help import Command, Group
from consumer.cli.main import STANDARD, InputError
from consumer.cli.setting_options import GROUPS, takes_settings
from consumer.config.settings import load_settings, origins
from consumer.config.settings_file import settings_file
from consumer.config.sources import DEFAULT
from consumer.printable import json_text, printable

_HELP: Final = """Write a settings file, or show the settings as resolved.

\b
Examples:
  session-scorer config init -o scorer.toml
  session-scorer config show --config scorer.toml
"""

app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None, help=_HELP)


@app.command("init", cls=Command)
def init(
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="File to write, a new one; - for standard output.")
    ] = STANDARD,
) -> None:
    """Write a settings file that lists every setting with its help and default.

    \b
    Examples:
      session-scorer config init -o scorer.toml
      session-scorer config init | less

    All settings are commented out, so that the file changes nothing until you edit it.
    """
    text = settings_file(GROUPS)
    if output == STANDARD:
        typer.echo(text, nl=False)
        return
    path = Path(output)
    try:
        with path.open("x", encoding="utf-8") as file:
            _write(text, file, path)
    except FileExistsError:
        raise InputError(f"{path}: already exists: name another file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def _write(text: str, file: TextIO, path: Path) -> None:
    """Write the text into a new file; remove it when that fails, as on a full disk."""
    try:
        file.write(text)
        file.flush()
    except OSError:
        path.unlink()
        raise


@app.command("show", cls=Command)
@takes_settings()
def show(
    cli_settings: dict[str, Any],
    changed: Annotated[bool, typer.Option("--changed", help="Leave out the defaults.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show the settings as resolved, each with its origin.

    \b
    Examples:
      session-scorer config show --config scorer.toml
      session-scorer config show --changed --json

    Takes the options of run. Needs no broker. Asterisks replace secrets, and every Kafka property that may hold one.
    """
    from consumer.kafka.config import Connection

    settings = load_settings(cli_settings)
    Connection(settings.bootstrap_servers, settings.kafka)  # raises for properties that `run` refuses
    shown = [each for each in origins(settings, cli_settings, os.environ) if not changed or each.origin != DEFAULT]
    if as_json:
        typer.echo(json_text({"settings": [setting.as_dict() for setting in shown]}))
        return
    for setting in shown:
        typer.echo(printable(str(setting)))
