"""Writes the table of docs/configuration.md: `python -m tools.make_configuration`, after a setting has changed."""

import re
from pathlib import Path
from typing import Any

import typer

from consumer.cli.options import takes_settings
from consumer.config.settings import PREFIX

DOCUMENT = Path(__file__).parents[1] / "docs" / "configuration.md"
TABLE = re.compile(r"(?<=<!-- settings -->\n).*(?=<!-- /settings -->)", re.DOTALL)


def table() -> str:
    """Each setting of the consumer: its option, its variable, what it is, its default, as `run --help` says it."""

    def run(given: dict[str, Any]) -> None:
        """Takes the settings, and nothing else."""

    app = typer.Typer(add_completion=False)
    app.command()(takes_settings(run))
    rows = [_row(option) for option in typer.main.get_command(app).params]
    return "\n".join(["| option | in the environment | what |", "| --- | --- | --- |", *rows, ""])


def _row(option: Any) -> str:
    flags = " / ".join([*option.opts, *option.secondary_opts])
    shown = f"{flags} {option.metavar or ''}".strip()
    variable = "`KAFKA_…`" if option.name == "kafka" else f"`{PREFIX}{option.name.upper()}`"
    cells = (f"`{shown}`", variable, option.help)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(TABLE.sub(lambda _: table(), text), encoding="utf-8")


if __name__ == "__main__":
    main()
