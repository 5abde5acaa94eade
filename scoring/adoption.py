"""Adopt a set of five files: write its manifest with golden vectors, and find what to warn of."""

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from scoring import rules
from scoring.artifacts import (
    MANIFEST_FILE,
    Artifacts,
    Manifest,
    Thresholds,
    Training,
    check_thresholds,
    read_files,
    read_model,
)
from scoring.artifacts.manifest import FORMAT, KINDS, Golden, Schema, sha256, sha256_of_set, version_of
from scoring.contract import CATEGORIES, COUNTS, DATE, NUMERIC
from scoring.decoding import decode_any
from scoring.drift import Baseline
from scoring.model import LEAF, Model
from scoring.preprocessing import Preprocessor
from scoring.scorer import EXACT, Scorer

GOLDEN: Final = 32
_UP_TO: Final = {**dict.fromkeys(COUNTS, 40), "mouse_movement": 2000, "device_motion": 5, "time_on_page": 700}


def write_manifest(  # noqa: PLR0913 - the parts of the manifest
    directory: Path,
    *,
    thresholds: Thresholds | None = None,
    training: Training | None = None,
    versions: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
    baseline: Baseline | None = None,
) -> Manifest:
    """Write manifest.json for the five files in `directory`, golden vectors included, and return it.

    The manifest describes the files, not that they are right: who adopts a set vouches for it. The same set and
    arguments give the same bytes. Raises ArtifactError when the set cannot score.
    """
    files = read_files(directory)
    set_sha256, thresholds, training = sha256_of_set(files), thresholds or Thresholds(), training or Training()
    check_thresholds(thresholds)
    model = read_model(files)
    scorer = Scorer(Artifacts("", set_sha256, thresholds, model, None))
    manifest = Manifest(
        format=FORMAT,
        model_version=version_of(set_sha256, training.newest),
        files={name: sha256(data) for name, data in files.items()},
        schema=Schema(KINDS, list(model.feature_names)),
        versions=dict(versions or {}),
        thresholds=thresholds,
        training=training,
        metrics=dict(metrics or {}),
        golden=[Golden(event, scorer.score(event).anomaly_score) for event in golden_events(model)],
        baseline=baseline,
    )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    part = directory / f".{MANIFEST_FILE}.part"  # renamed when complete, so that a crash leaves no broken manifest
    part.write_bytes(text + b"\n")
    part.replace(directory / MANIFEST_FILE)
    return manifest


def golden_events(model: Model) -> list[dict[str, Any]]:
    """Return events over the model's categories and the usual range of each number, with gaps; always the same."""
    rng = random.Random(0)  # noqa: S311 - any spread will do, as long as it repeats
    events: list[dict[str, Any]] = [{}]
    while len(events) < GOLDEN:
        event: dict[str, Any] = {field: round(rng.uniform(0, _UP_TO.get(field, 20_000)), 2) for field in NUMERIC}
        event.update((field, rng.choice(model.classes[field])) for field in CATEGORIES)
        event[DATE] = f"2026-01-01T{rng.randrange(24):02d}:00"
        events.append({field: value for field, value in event.items() if rng.random() > 0.1})
    return events


def find_cautions(artifacts: Artifacts) -> list[str]:
    """Return what is worth a warning about a set, but no reason to refuse it."""
    return [*find_doubts(artifacts), *_reasons_met_by_gaps(artifacts.model)]


def find_doubts(artifacts: Artifacts) -> list[str]:
    """Return signs of a wrong set: levels that no event can reach, no golden vectors."""
    return [*_unreachable(artifacts.thresholds, artifacts.model), *_unproven(artifacts.manifest)]


def _unreachable(limits: Thresholds, model: Model) -> list[str]:
    """Return the levels and labels that no event can reach."""
    lowest, highest = _score_range(model)
    doubts = [
        f"{name} can never be reached: it begins at {least:g}, and no score is above {highest:.6g}"
        for name, least in (("label 1", limits.label), ("Medium", limits.medium), ("High", limits.high))
        if least > highest
    ]
    if limits.medium == limits.high:
        doubts.append(f"Medium can never be reached: High begins at {limits.high:g}, too")
    doubts += [
        f"{name} can never be reached: {above} begins at {least:g}, and no score is below {lowest:.6g}"
        for name, above, least in (("label 0", "label 1", limits.label), ("Low", "Medium", limits.medium))
        if least <= lowest
    ]
    return doubts


def _score_range(model: Model) -> tuple[float, float]:
    """Return bounds of the score: the means of the trees' lowest and highest leaves, widened for rounding."""
    leaves = [tree.probability[tree.left == LEAF] for tree in model.trees]
    lowest, highest = (math.fsum(map(extreme, leaves)) / len(leaves) for extreme in (np.min, np.max))
    return max(lowest - EXACT, 0.0), highest + EXACT


def _unproven(manifest: Manifest | None) -> list[str]:
    if manifest is None or manifest.golden:
        return []
    return [f"{MANIFEST_FILE} has no golden vectors: nothing shows that the set scores here as where it was made"]


def _reasons_met_by_gaps(model: Model) -> list[str]:
    """Return cautions about reasons that imputed values alone meet."""
    preprocessor = Preprocessor(model.imputation, model.classes, model.feature_names)
    pattern = int(preprocessor.prepare(decode_any([{}]).columns).patterns[0])
    met = [code for i, code in enumerate(rules.RULES) if pattern >> i & 1]
    cautions = [f"imputed values alone meet the reason {code}" for code in met]
    if 1 <= model.imputation.hour <= 3:
        cautions.append(
            f"the imputed hour is {model.imputation.hour}, an odd one: "
            "a large amount without a date reads large_amount_odd_hour"
        )
    return cautions
