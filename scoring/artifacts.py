"""A set of artifacts from disk: the bytes verified against the manifest first, unpickled after."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scoring import manifest as manifests
from scoring.errors import ArtifactError
from scoring.manifest import FILES, Manifest, Thresholds
from scoring.pickles import Model, read_model

ADOPT: Final = "session-scorer model verify --write-manifest"


@dataclass(frozen=True, slots=True)
class Artifacts:
    """A verified set: the model, its thresholds, and by what name its scores are traced."""

    version: str
    sha256: str  # over the five files, in the contract's order
    thresholds: Thresholds
    model: Model
    manifest: Manifest | None  # None for a set that was taken unverified


def shipped() -> Path:
    """Where the set that ships stands: inside the installed package, or beside it in a checkout."""
    installed = Path(__file__).with_name("shipped")
    return installed if installed.is_dir() else Path(__file__).parent.with_name("artifacts")


def load(directory: Path, *, allow_unverified: bool = False, manifest_sha256: str | None = None) -> Artifacts:
    """Load the set in `directory`.

    `manifest_sha256` pins the manifest itself, which proves integrity but not origin. `allow_unverified` takes a
    five-file set without a manifest; one that has a manifest is verified all the same.
    Raises ArtifactError, one line, for whatever is missing, altered or not of a kind that can be scored.
    """
    files = read_files(directory)
    described = _read_manifest(directory, manifest_sha256)
    sha256 = manifests.sha256_of_set(files)
    if described is None:
        if not allow_unverified:
            raise ArtifactError(
                f"{directory}: no {manifests.NAME}, so nothing proves these five files: adopt the set with "
                f"`{ADOPT} {directory}`, or take it as it is with --allow-unverified (allow_unverified=True)"
            )
        with _named(directory):
            return Artifacts(f"unverified-{sha256[:8]}", sha256, Thresholds(), read_model(files), None)
    with _named(directory):
        manifests.verify(described, files)
        model = read_model(files)
        manifests.check_features(described.schema, model.feature_names)
    return Artifacts(described.model_version, sha256, described.thresholds, model, described)


def read_files(directory: Path) -> dict[str, bytes]:
    """The five files' bytes. Raises ArtifactError naming one that cannot be read."""
    return {name: _read(directory, name) for name in FILES}


@contextmanager
def _named(directory: Path) -> Iterator[None]:
    """What is wrong inside is said with the directory before the file's name."""
    try:
        yield
    except ArtifactError as error:
        raise ArtifactError(f"{directory}/{error}") from None


def _read(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes()
    except OSError as error:
        raise ArtifactError(f"{directory / name}: cannot be read: {error.strerror}") from None


def _read_manifest(directory: Path, pinned: str | None) -> Manifest | None:
    path = directory / manifests.NAME
    if not path.exists() and pinned is None:
        return None
    data = _read(directory, manifests.NAME)
    if pinned is not None and manifests.sha256(data) != pinned.lower():
        raise ArtifactError(f"{path}: is not the manifest that is pinned: its SHA-256 is {manifests.sha256(data)}")
    with _named(directory):
        return manifests.read(data)
