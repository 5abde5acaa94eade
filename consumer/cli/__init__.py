"""The command line: a module for each command, or family of commands."""

from typing import Any, Final

OF_SETTINGS: Final[dict[str, Any]] = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""The context of a command whose options are told apart in options.py, made from the settings themselves."""
