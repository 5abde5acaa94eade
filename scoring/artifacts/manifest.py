"""The manifest of a set: hashes of its files, its origin, and golden vectors that it must score right."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from scoring.contract import CATEGORIES, COUNTS, DATE, NUMERIC
from scoring.drift import Baseline, check_baseline
from scoring.errors import ArtifactError

FILES: Final = ("rf_model.pkl", "scaler.pkl", "label_encoders.pkl", "feature_cols.pkl", "imputation_values.pkl")
"""The five files, in the order of the contract."""
MANIFEST_FILE: Final = "manifest.json"
FORMAT: Final = 1
KINDS: Final = (
    dict.fromkeys(NUMERIC, "number") | dict.fromkeys(COUNTS, "count") | dict.fromkeys(CATEGORIES, "category")
) | {DATE: "local time"}
"""The kind of each field of a session event, in the order of the contract."""

_DEEPEST: Final = 16  # a valid manifest has four levels: baseline.numbers.FIELD.edges
_LONGEST_PATH: Final = 100  # characters of the path to a number in a message

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
Day = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10)]


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least score of label 1, of Medium and of High."""

    label: float = 0.5
    medium: float = 0.45
    high: float = 0.75


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The origin of a set, as far as it is known."""

    data_sha256: Sha256 | None = None
    rows: Annotated[int, Meta(ge=0)] | None = None
    newest: Day | None = None  # date of the newest row, YYYY-MM-DD
    seed: int | None = None
    parameters: dict[str, Any] = {}
    selection: list[dict[str, float]] = []  # candidates of the cross-validation, and their results
    thresholds: dict[str, Any] = {}  # how they were selected; empty: the defaults
    measured_on: str | None = None  # whose sessions the metrics come from
    notes: list[str] = []  # remarks on the data: sampled, left out, repeated


class Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields and features that a set was made for."""

    fields: dict[str, str]  # name -> kind, by the contract of its training
    features: list[str]  # the forest's columns, in order


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event and its score by the set."""

    event: dict[str, Any]
    anomaly_score: float


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The content of manifest.json."""

    format: int
    model_version: str
    files: dict[str, Sha256]
    schema: Schema
    versions: dict[str, str]
    thresholds: Thresholds
    training: Training
    metrics: dict[str, float]
    golden: list[Golden]
    baseline: Baseline | None = None  # an adopted set has none


class _Format(msgspec.Struct):
    format: int


def _refuse(reason: str) -> ArtifactError:
    return ArtifactError(f"{MANIFEST_FILE}: {reason}")


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_set(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 over the five files, joined in the contract's order."""
    return sha256(b"".join(files[name] for name in FILES))


def version_of(sha256_hex: str, newest: str | None) -> str:
    """Return the model version: date of the newest training row, `-`, 8 hex digits of the SHA-256; or those alone."""
    return f"{newest.replace('-', '.')}-{sha256_hex[:8]}" if newest else sha256_hex[:8]


def read_manifest(data: bytes) -> Manifest:
    """Parse manifest.json. Raises ArtifactError for another format, a missing or unknown entry, bad thresholds."""
    try:
        _check_numbers(msgspec.json.decode(data))
        if (number := msgspec.json.decode(data, type=_Format).format) != FORMAT:
            raise _refuse(f"format {number} is not known here, only {FORMAT}: upgrade session-scorer")
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refuse(f"not a manifest: {error}; restore it, or train the set again") from None
    check_thresholds(manifest.thresholds)
    _check_fields(manifest.schema.fields)
    if manifest.baseline is not None:
        try:
            check_baseline(manifest.baseline)
        except ArtifactError as error:
            raise _refuse(str(error)) from None
    return manifest


def _check_numbers(content: object) -> None:
    """Raise ArtifactError naming the first number that 64 bits do not hold, or a value that is nested too deep."""
    pending = [("", content, 0)]
    while pending:
        path, value, depth = pending.pop()
        if depth > _DEEPEST:
            raise _refuse(f"{path.lstrip('.')}: nested deeper than {_DEEPEST}; restore it, or train the set again")
        if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            raise _refuse(f"{path.lstrip('.')}: a number of more than 64 bits; restore it, or train the set again")
        if isinstance(value, dict):
            pending += [
                (f"{path}.{name[:_LONGEST_PATH]}"[-_LONGEST_PATH:], entry, depth + 1) for name, entry in value.items()
            ]
        elif isinstance(value, list):
            pending += [(path, entry, depth + 1) for entry in value]


def _check_fields(fields: Mapping[str, str]) -> None:
    name = next((name for name in (*fields, *KINDS) if fields.get(name) != KINDS.get(name)), None)
    if name is not None:
        raise _refuse(
            f"made for another contract: there {name} is {fields.get(name, 'no field')}, "
            f"here {KINDS.get(name, 'no field')}; train the set again"
        )


def check_features(schema: Schema, names: Sequence[str]) -> None:
    """Raise ArtifactError unless the forest's columns, as feature_cols.pkl names them, are those of the schema."""
    if tuple(schema.features) != tuple(names):
        raise _refuse(
            "its schema names other features than feature_cols.pkl, or in another order; "
            "restore both files, or train the set again"
        )


def check_thresholds(thresholds: Thresholds) -> None:
    """Raise ArtifactError unless the thresholds are finite and in order."""
    values = (thresholds.label, thresholds.medium, thresholds.high)
    if not all(map(math.isfinite, values)) or thresholds.medium > thresholds.high:
        raise _refuse("thresholds must be finite and in order, medium at most high; correct them")


def verify(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Raise ArtifactError naming the first file whose bytes the manifest was not written for."""
    if manifest.files.keys() != set(FILES):
        raise _refuse("its files are not the five of a set; restore it, or train the set again")
    for name in FILES:
        if manifest.files.get(name) != sha256(files[name]):
            raise ArtifactError(
                f"{name}: altered: its SHA-256 is not the one in the manifest; restore the file, or train the set again"
            )
    if manifest.model_version != version_of(sha256_of_set(files), manifest.training.newest):
        raise _refuse("altered: model_version is not that of these five files; restore it")
