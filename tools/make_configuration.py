"""Writes the table of docs/configuration.md: `python -m tools.make_configuration`, after a setting has changed."""

import re
from pathlib import Path
from typing import Any

from consumer.cli.help import as_command
from consumer.cli.setting_options import takes_settings
from consumer.config.client_properties import CLIENTS
from consumer.config.settings import PREFIX

DOCUMENT = Path(__file__).parents[1] / "docs" / "configuration.md"
TABLE = re.compile(r"(?<=<!-- settings -->\n).*(?=<!-- /settings -->)", re.DOTALL)


def table() -> str:
    """Return a row for each setting: its option, its variable, its meaning and default, as in `run --help`."""

    @takes_settings()
    def run(cli_settings: dict[str, Any]) -> None:
        """Take the settings, and nothing else."""

    rows = [_row(option) for option in as_command(run).params if not option.hidden]
    return "\n".join(["| option | environment variable | meaning |", "| --- | --- | --- |", *rows, ""])


def _row(option: Any) -> str:
    flags = " / ".join([*option.opts, *option.secondary_opts])
    shown = f"{flags} {option.metavar or ''}".strip()
    variable = f"`{CLIENTS[option.name].prefix}…`" if option.name in CLIENTS else f"`{PREFIX}{option.name.upper()}`"
    cells = (f"`{shown}`", variable, option.help)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(TABLE.sub(lambda _: table(), text), encoding="utf-8")


if __name__ == "__main__":
    main()
