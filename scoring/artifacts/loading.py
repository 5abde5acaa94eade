"""Load a set of artifacts from disk: verify the bytes against the manifest, then unpickle them."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scoring.artifacts import manifest as manifests
from scoring.artifacts.from_pickles import read_model
from scoring.artifacts.manifest import FILES, MANIFEST_FILE, Manifest, Thresholds, read_manifest
from scoring.drift import Baseline
from scoring.errors import ArtifactError
from scoring.model import Model

ADOPT: Final = "session-scorer model verify --write-manifest"
_MOST_MIB: Final = {"rf_model.pkl": 2048, "label_encoders.pkl": 16, MANIFEST_FILE: 16}
_SUFFIXES: Final = (".joblib", ".pickle", ".sav", ".model", ".pkl.gz", ".pkl.xz", ".pkl.bz2", ".pkl.z")
_MOST_MIB_ELSE: Final = 1  # the other files of the set that ships have 2 KiB at most


@dataclass(frozen=True, slots=True)
class Artifacts:
    """A verified set: the model, its thresholds, and the version that its scores carry."""

    version: str
    sha256: str  # over the five files, in the contract's order
    thresholds: Thresholds
    model: Model
    manifest: Manifest | None  # None for a set that is loaded unverified
    directory: Path | None = None

    @property
    def baseline(self) -> Baseline | None:
        """The distributions of training; None for a set that was adopted, or is loaded unverified."""
        return None if self.manifest is None else self.manifest.baseline


def shipped() -> Path:
    """Return the directory of the set that ships: inside the installed package, or next to it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "shipped"
    return installed if installed.is_dir() else package.with_name("artifacts")


def load(
    path: str | Path | None = None, *, allow_unverified: bool = False, manifest_sha256: str | None = None
) -> Artifacts:
    """Load the set in the directory `path`, or the one that ships.

    `manifest_sha256` pins the manifest itself, which proves integrity but not origin. `allow_unverified` takes a
    five-file set without a manifest; one that has a manifest is verified all the same.
    Raises ArtifactError, one line, for a file that is missing, altered or of a kind that cannot be scored.
    """
    directory = shipped() if path is None else Path(path)
    files = read_files(directory)
    described = _read_manifest(directory, manifest_sha256)
    sha256 = manifests.sha256_of_set(files)
    if described is None:
        if not allow_unverified:
            raise ArtifactError(
                f"{directory}: no {MANIFEST_FILE}, so nothing proves these five files: adopt the set with "
                f"`{ADOPT} {directory}`, or take it as it is with --allow-unverified (allow_unverified=True)"
            )
        with _named(directory):
            return Artifacts(f"unverified-{sha256[:8]}", sha256, Thresholds(), read_model(files), None, directory)
    with _named(directory):
        manifests.verify(described, files)
        model = read_model(files)
        manifests.check_features(described.schema, model.feature_names)
    return Artifacts(described.model_version, sha256, described.thresholds, model, described, directory)


def read_files(directory: Path) -> dict[str, bytes]:
    """Return the bytes of the five files. Raises ArtifactError naming one that cannot be read."""
    return {name: _read(directory, name) for name in FILES}


@contextmanager
def _named(directory: Path) -> Iterator[None]:
    """Put the directory before the file's name in errors."""
    try:
        yield
    except ArtifactError as error:
        raise ArtifactError(f"{directory}/{error}") from None


def _read(directory: Path, name: str) -> bytes:
    """Read a file once, so that the verified bytes are unpickled. Links are followed: mounts have them."""
    path, most = directory / name, _MOST_MIB.get(name, _MOST_MIB_ELSE)
    try:
        with open(path, "rb", opener=_open_nonblocking) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ArtifactError(f"{path}: is no regular file: put the set's own file in its place")
            if status.st_size > most << 20:
                raise ArtifactError(f"{path}: is larger than {most:,} MiB, which no set's is: put the set's own there")
            return file.read(status.st_size)
    except OSError as error:
        remedy = _by_another_name(path) or "restore it, or name another set"
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}; {remedy}") from None


def _by_another_name(path: Path) -> str | None:
    """Return what to rename when the file is there as `.joblib`, `.sav` or the like."""
    other = next((other for suffix in _SUFFIXES if (other := path.with_suffix(suffix)).is_file()), None)
    return None if other is None else f"rename {other.name} to {path.name}: its content is recognised, not its name"


def _open_nonblocking(path: str, flags: int) -> int:
    """Open without blocking: a plain open of a pipe without a writer waits forever."""
    return os.open(path, flags | os.O_NONBLOCK)


def _read_manifest(directory: Path, pinned: str | None) -> Manifest | None:
    path = directory / MANIFEST_FILE
    if pinned is None and not os.path.lexists(path):  # a broken link is a manifest that was lost
        return None
    data = _read(directory, MANIFEST_FILE)
    if pinned is not None and manifests.sha256(data) != pinned.lower():
        raise ArtifactError(
            f"{path}: is not the manifest that is pinned: its SHA-256 is {manifests.sha256(data)}; "
            "restore the pinned set, or pin this one"
        )
    with _named(directory):
        return read_manifest(data)
