"""How a command is told which artifact set to take: the options, and the set loaded by them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scoring import Scorer

Artifacts = Annotated[
    Path | None,
    typer.Option(
        "--artifacts",
        metavar="DIR",
        envvar="SESSION_SCORER_ARTIFACTS",
        help="Directory of the artifact set (default: the one that ships).",
        rich_help_panel="Artifact set",
    ),
]
Unverified = Annotated[
    bool,
    typer.Option(
        "--allow-unverified",
        envvar="SESSION_SCORER_ALLOW_UNVERIFIED",
        help="Take an artifact set without a manifest.",
        rich_help_panel="Artifact set",
    ),
]
Pinned = Annotated[
    str | None,
    typer.Option(
        "--manifest-sha256",
        metavar="HEX",
        envvar="SESSION_SCORER_MANIFEST_SHA256",
        help="SHA-256 that the set's manifest.json must have.",
        rich_help_panel="Artifact set",
    ),
]


def load(directory: Path | None, allow_unverified: bool, manifest_sha256: str | None = None) -> "Scorer":
    """The scorer of the set in `directory`, or of the one that ships."""
    from scoring import Scorer

    return Scorer.load(directory, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256)
