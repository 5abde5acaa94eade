"""manifest.json: what a set of artifacts must hash to, what it was made from, and what it must answer."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from scoring.errors import ArtifactError

FILES: Final = ("rf_model.pkl", "scaler.pkl", "label_encoders.pkl", "feature_cols.pkl", "imputation_values.pkl")
"""The five files, in the order of the contract."""
NAME: Final = "manifest.json"
FORMAT: Final = 1


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least score of label 1, of Medium and of High."""

    label: float = 0.5
    medium: float = 0.45
    high: float = 0.75


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the set was trained from, as far as it is known."""

    data_sha256: str | None = None
    rows: int | None = None
    newest: str | None = None  # date of the newest row, YYYY-MM-DD
    seed: int | None = None
    parameters: dict[str, Any] = {}
    selection: list[dict[str, float]] = []  # the candidates that were tried by cross-validation, and how they did
    thresholds: dict[str, Any] = {}  # how they were chosen; nothing: they are the defaults
    measured_on: str | None = None  # whose sessions the metrics come from
    notes: list[str] = []  # what was noticed in the data: sampled, left out, repeated


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event and the score that the set must give it."""

    event: dict[str, Any]
    anomaly_score: float


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of manifest.json."""

    format: int
    model_version: str
    files: dict[str, str]  # name -> SHA-256, hex
    versions: dict[str, str]
    thresholds: Thresholds
    training: Training
    metrics: dict[str, float]
    golden: list[Golden]


class _Format(msgspec.Struct):
    format: int


def sha256(data: bytes) -> str:
    """SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_set(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the five files, one after the other in the contract's order."""
    return sha256(b"".join(files[name] for name in FILES))


def version_of(sha256_hex: str, newest: str | None) -> str:
    """`model_version`: date of the newest training row, `-`, first 8 hex of the SHA-256; with no date the hex alone."""
    return f"{newest.replace('-', '.')}-{sha256_hex[:8]}" if newest else sha256_hex[:8]


def read(data: bytes) -> Manifest:
    """Parse manifest.json. Raises ArtifactError for another format, a missing or unknown entry, bad thresholds."""
    try:
        if (found := msgspec.json.decode(data, type=_Format).format) != FORMAT:
            raise ArtifactError(f"{NAME}: format {found} is not known here, only {FORMAT}: upgrade session-scorer")
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"{NAME}: not a manifest: {error}") from None
    check_thresholds(manifest.thresholds)
    return manifest


def check_thresholds(thresholds: Thresholds) -> None:
    """Raise ArtifactError unless the thresholds are finite and in order."""
    values = (thresholds.label, thresholds.medium, thresholds.high)
    if not all(map(math.isfinite, values)) or thresholds.medium > thresholds.high:
        raise ArtifactError(f"{NAME}: thresholds must be finite and in order, medium at most high")


def verify(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Raise ArtifactError naming the first file whose bytes are not those that the manifest was written for."""
    for name in FILES:
        if manifest.files.get(name) != sha256(files[name]):
            raise ArtifactError(
                f"{name}: altered: its SHA-256 is not the one in {NAME}; restore the file, or train the set again"
            )
    if manifest.model_version != version_of(sha256_of_set(files), manifest.training.newest):
        raise ArtifactError(f"{NAME}: altered: model_version is not that of these five files")
