"""The version of this program. On its own, because a checkout runs without being installed."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_DISTRIBUTION: Final = "session-scorer"
_PYPROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"


def program_version() -> str:
    """Return the version of the installed distribution, or of the checkout that this is run from."""
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return str(tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]["version"])
