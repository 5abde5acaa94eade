"""manifest.json: what a set of artifacts must hash to, what it was made from, and what it must answer."""

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
NAME: Final = "manifest.json"
FORMAT: Final = 1
KINDS: Final = (
    dict.fromkeys(NUMERIC, "number") | dict.fromkeys(COUNTS, "count") | dict.fromkeys(CATEGORIES, "category")
) | {DATE: "local time"}
"""What a session event's fields are, by name, in the order of the contract's table."""

_DEEPEST: Final = 16  # the deepest of our own: baseline.numbers.FIELD.edges
_MOST_PLACE: Final = 100  # characters of the place of a number, as it is shown

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
Day = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10)]


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least score of label 1, of Medium and of High."""

    label: float = 0.5
    medium: float = 0.45
    high: float = 0.75


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the set was trained from, as far as it is known."""

    data_sha256: Sha256 | None = None
    rows: Annotated[int, Meta(ge=0)] | None = None
    newest: Day | None = None  # date of the newest row, YYYY-MM-DD
    seed: int | None = None
    parameters: dict[str, Any] = {}
    selection: list[dict[str, float]] = []  # the candidates that were tried by cross-validation, and how they did
    thresholds: dict[str, Any] = {}  # how they were chosen; nothing: they are the defaults
    measured_on: str | None = None  # whose sessions the metrics come from
    notes: list[str] = []  # what was noticed in the data: sampled, left out, repeated


class Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the set was made for."""

    fields: dict[str, str]  # of an event, name -> kind: those of the contract that it was trained by
    features: list[str]  # the forest's columns, in order


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event and the score that the set must give it."""

    event: dict[str, Any]
    anomaly_score: float


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole of manifest.json."""

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
        _check_numbers(msgspec.json.decode(data))
        if (found := msgspec.json.decode(data, type=_Format).format) != FORMAT:
            raise ArtifactError(f"{NAME}: format {found} is not known here, only {FORMAT}: upgrade session-scorer")
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"{NAME}: not a manifest: {error}; restore it, or train the set again") from None
    check_thresholds(manifest.thresholds)
    _check_fields(manifest.schema.fields)
    if manifest.baseline is not None:
        try:
            check_baseline(manifest.baseline)
        except ArtifactError as error:
            raise ArtifactError(f"{NAME}: {error}") from None
    return manifest


def _check_numbers(found: object) -> None:
    """Raise ArtifactError naming the first number that 64 bits do not hold, or what is nested too deep."""
    waiting = [("", found, 0)]
    while waiting:
        place, value, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ArtifactError(
                f"{NAME}: {place.lstrip('.')}: nested deeper than {_DEEPEST}; restore it, or train the set again"
            )
        if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            raise ArtifactError(
                f"{NAME}: {place.lstrip('.')}: a number of more than 64 bits; restore it, or train the set again"
            )
        if isinstance(value, dict):
            waiting += [
                (f"{place}.{name[:_MOST_PLACE]}"[-_MOST_PLACE:], each, depth + 1) for name, each in value.items()
            ]
        elif isinstance(value, list):
            waiting += [(place, each, depth + 1) for each in value]


def _check_fields(fields: Mapping[str, str]) -> None:
    stranger = next((name for name in (*fields, *KINDS) if fields.get(name) != KINDS.get(name)), None)
    if stranger is not None:
        raise ArtifactError(
            f"{NAME}: made for another contract: there {stranger} is {fields.get(stranger, 'no field')}, "
            f"here {KINDS.get(stranger, 'no field')}; train the set again"
        )


def check_features(schema: Schema, names: Sequence[str]) -> None:
    """Raise ArtifactError unless the forest's columns, as feature_cols.pkl names them, are those of the schema."""
    if tuple(schema.features) != tuple(names):
        raise ArtifactError(
            f"{NAME}: its schema names other features than feature_cols.pkl, or in another order; "
            "restore both files, or train the set again"
        )


def check_thresholds(thresholds: Thresholds) -> None:
    """Raise ArtifactError unless the thresholds are finite and in order."""
    values = (thresholds.label, thresholds.medium, thresholds.high)
    if not all(map(math.isfinite, values)) or thresholds.medium > thresholds.high:
        raise ArtifactError(f"{NAME}: thresholds must be finite and in order, medium at most high; correct them")


def verify(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Raise ArtifactError naming the first file whose bytes are not those that the manifest was written for."""
    if manifest.files.keys() != set(FILES):
        raise ArtifactError(f"{NAME}: its files are not the five of a set; restore it, or train the set again")
    for name in FILES:
        if manifest.files.get(name) != sha256(files[name]):
            raise ArtifactError(
                f"{name}: altered: its SHA-256 is not the one in {NAME}; restore the file, or train the set again"
            )
    if manifest.model_version != version_of(sha256_of_set(files), manifest.training.newest):
        raise ArtifactError(f"{NAME}: altered: model_version is not that of these five files; restore it")
