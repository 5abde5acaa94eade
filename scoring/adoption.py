"""Making a five-file set one that can be verified: its manifest, its golden vectors, and what to be warned of."""

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from scoring import rules
from scoring.artifacts import loading, manifest
from scoring.artifacts.from_pickles import read_model
from scoring.artifacts.loading import Artifacts
from scoring.artifacts.manifest import KINDS, Golden, Manifest, Schema, Thresholds, Training
from scoring.contract import CATEGORIES, COUNTS, DATE, NUMERIC
from scoring.decoding import decode_any
from scoring.drift import Baseline
from scoring.model import LEAF, Model
from scoring.preprocessing import Preprocessor
from scoring.scorer import EXACT, Scorer

GOLDEN: Final = 32
_UP_TO: Final = {**dict.fromkeys(COUNTS, 40), "mouse_movement": 2000, "device_motion": 5, "time_on_page": 700}


def write_manifest(  # noqa: PLR0913 - each is a part of the manifest
    directory: Path,
    *,
    thresholds: Thresholds | None = None,
    training: Training | None = None,
    versions: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
    baseline: Baseline | None = None,
) -> Manifest:
    """Write manifest.json for the five files in `directory`, golden vectors included, and return it.

    Says what was found, not that it is right: whoever adopts a set vouches for it. The same set and arguments give
    the same bytes. Raises ArtifactError when the set cannot be scored.
    """
    files = loading.read_files(directory)
    sha256, trained = manifest.sha256_of_set(files), training or Training()
    limits = thresholds or Thresholds()
    manifest.check_thresholds(limits)
    model = read_model(files)
    scorer = Scorer(Artifacts("", sha256, limits, model, None))
    described = Manifest(
        format=manifest.FORMAT,
        model_version=manifest.version_of(sha256, trained.newest),
        files={name: manifest.sha256(data) for name, data in files.items()},
        schema=Schema(KINDS, list(model.feature_names)),
        versions=dict(versions or {}),
        thresholds=limits,
        training=trained,
        metrics=dict(metrics or {}),
        golden=[Golden(event, scorer.score(event).anomaly_score) for event in golden_events(model)],
        baseline=baseline,
    )
    text = msgspec.json.format(msgspec.json.encode(described), indent=1)
    made = directory / f".{manifest.NAME}.part"  # whole or not at all, however it ends
    made.write_bytes(text + b"\n")
    made.replace(directory / manifest.NAME)
    return described


def golden_events(model: Model) -> list[dict[str, Any]]:
    """Events over all of the model's categories and the usual range of each number, gaps included; always the same."""
    rng = random.Random(0)  # noqa: S311 - any spread will do, as long as it is the same again
    events: list[dict[str, Any]] = [{}]
    while len(events) < GOLDEN:
        event: dict[str, Any] = {field: round(rng.uniform(0, _UP_TO.get(field, 20_000)), 2) for field in NUMERIC}
        event.update((field, rng.choice(model.classes[field])) for field in CATEGORIES)
        event[DATE] = f"2026-01-01T{rng.randrange(24):02d}:00"
        events.append({field: value for field, value in event.items() if rng.random() > 0.1})
    return events


def cautions(found: Artifacts) -> list[str]:
    """List what is no reason to refuse a set, but worth a warning."""
    return [*doubts(found), *_met_by_gaps(found.model)]


def doubts(found: Artifacts) -> list[str]:
    """List what makes it likely that a set is not what was meant: levels that no event can get, nothing proven."""
    return [*_unreachable(found.thresholds, found.model), *_unproven(found.manifest)]


def _unreachable(limits: Thresholds, model: Model) -> list[str]:
    """Levels and labels that no event can get, whatever is in it."""
    lowest, highest = _range(model)
    found = [
        f"{name} can never be reached: it begins at {least:g}, and no score is above {highest:.6g}"
        for name, least in (("label 1", limits.label), ("Medium", limits.medium), ("High", limits.high))
        if least > highest
    ]
    if limits.medium == limits.high:
        found.append(f"Medium can never be reached: High begins at {limits.high:g}, too")
    found += [
        f"{name} can never be reached: {next_one} begins at {least:g}, and no score is below {lowest:.6g}"
        for name, next_one, least in (("label 0", "label 1", limits.label), ("Low", "Medium", limits.medium))
        if least <= lowest
    ]
    return found


def _range(model: Model) -> tuple[float, float]:
    """The least and the greatest score, were every tree to give its own: none is beyond, by more than rounding."""
    leaves = [tree.probability[tree.left == LEAF] for tree in model.trees]
    lowest, highest = (math.fsum(of(each) for each in leaves) / len(leaves) for of in (np.min, np.max))
    return max(lowest - EXACT, 0.0), highest + EXACT


def _unproven(described: Manifest | None) -> list[str]:
    if described is None or described.golden:
        return []
    return [f"{manifest.NAME} has no golden vectors: nothing shows that the set scores here as where it was made"]


def _met_by_gaps(model: Model) -> list[str]:
    """Reasons that imputed values alone meet."""
    preprocessor = Preprocessor(model.imputation, model.classes, model.feature_names)
    pattern = int(preprocessor.prepare(decode_any([{}]).columns).patterns[0])
    met = [code for i, code in enumerate(rules.RULES) if pattern >> i & 1]
    found = [f"imputed values alone meet the reason {code}" for code in met]
    if 1 <= model.imputation.hour <= 3:
        found.append(
            f"the imputed hour is {model.imputation.hour}, an odd one: "
            "a large amount without a date reads large_amount_odd_hour"
        )
    return found
