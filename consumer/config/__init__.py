"""The settings of the consumer, and the version of the program."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_DISTRIBUTION: Final = "session-scorer"
_PYPROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"


def program_version() -> str:
    """Return the version of the installed distribution, or of the checkout, which runs without being installed."""
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return str(tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]["version"])
