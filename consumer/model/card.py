"""Verify an artifact set, and describe it in a model card."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

import msgspec

from consumer.model.report import Sheet
from consumer.printable import printable
from scoring import ArtifactError, Scorer
from scoring.adoption import find_cautions, write_manifest
from scoring.artifacts import FILES, MANIFEST_FILE, Thresholds, Training

INDENT: Final = 17  # of the values of a card


def verify(
    directory: Path | None, *, write: bool = False, allow_unverified: bool = False, manifest_sha256: str | None = None
) -> Iterator[str]:
    """Yield a line for each check, beginning with `ok` or `warning`. Raises ArtifactError at the first failure.

    `write` first writes the manifest of a five-file set that has none.
    """
    if write and directory is not None:
        _adopt(directory)
        yield f"ok {MANIFEST_FILE}: written"
    scorer = Scorer.load(directory, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256)
    manifest = scorer.artifacts.manifest
    for name in FILES:
        yield f"ok {name}: " + (f"SHA-256 {manifest.files[name]}" if manifest else "readable")
    if manifest is None:
        yield f"warning {MANIFEST_FILE}: there is none, so nothing proves that these files are the right ones"
    elif manifest.golden:
        yield f"ok {MANIFEST_FILE}: {len(manifest.golden)} golden vectors score as they must"
    yield from (f"warning {caution}" for caution in find_cautions(scorer.artifacts))
    yield f"ok model version {scorer.artifacts.version}"


def _adopt(directory: Path) -> None:
    if (directory / MANIFEST_FILE).exists():
        raise ArtifactError(f"{directory / MANIFEST_FILE}: already exists; remove it to adopt the set again")
    Scorer.load(directory, allow_unverified=True)  # raises the clearest error
    try:
        write_manifest(directory)
    except OSError as error:
        raise ArtifactError(f"{directory / MANIFEST_FILE}: cannot be written: {error.strerror}") from None


def card(scorer: Scorer) -> dict[str, Any]:
    """Describe the set as JSON values; unknown ones are None, or an empty list."""
    artifacts = scorer.artifacts
    manifest = artifacts.manifest
    training = manifest.training if manifest else Training()
    baseline = manifest.baseline if manifest else None
    return {
        "model_version": artifacts.version,
        "sha256": artifacts.sha256,
        "verified": manifest is not None,
        "training": msgspec.to_builtins(training),
        "thresholds": msgspec.to_builtins(artifacts.thresholds),
        "metrics": manifest.metrics if manifest else {},
        "versions": manifest.versions if manifest else {},
        "trees": len(artifacts.model.trees),
        "features": list(artifacts.model.feature_names),
        "golden_vectors": len(manifest.golden) if manifest else 0,
        "baseline_rows": baseline.rows if baseline else None,
        "cautions": find_cautions(artifacts),
    }


def card_lines(scorer: Scorer, width: int | None = None) -> Iterator[str]:
    """Yield the card as text, without control codes that a manifest may hold.

    `width` folds long lines; without it each entry is one line.
    """
    for name, value in _entries(card(scorer)):
        line = f"{name + ':':{INDENT}}{printable(value)}".rstrip()
        yield from wrap(line, max(width, 2 * INDENT), subsequent_indent=" " * INDENT) if width else [line]


def _entries(card: dict[str, Any]) -> Iterator[tuple[str, str]]:
    training, limits = card["training"], card["thresholds"]
    yield "model version", card["model_version"]
    yield "sha256", card["sha256"]
    if not card["verified"]:
        yield "origin", f"not known: there is no {MANIFEST_FILE}"
    else:
        yield from _origin(training)
    yield "thresholds", "label 1 from {label:g}, Medium from {medium:g}, High from {high:g}".format(**limits)
    yield "chosen by", _chosen_by(training.get("thresholds"), limits)
    if card["verified"]:
        yield "metrics", _listed(card["metrics"]) or "not known"
        yield "measured on", training.get("measured_on") or "not known"
        yield "versions", _listed(card["versions"]) or "not known"
    yield "trees", f"{card['trees']}"
    yield "features", f"{len(card['features'])}: {', '.join(card['features'])}"
    yield "golden vectors", f"{card['golden_vectors']}" if card["golden_vectors"] else "none"
    rows = card["baseline_rows"]
    yield "baseline", f"of {rows:,} rows" if rows else "none: drift cannot be measured"
    yield from (("caution", caution) for caution in card["cautions"])


def _chosen_by(how: dict[str, Any] | None, limits: dict[str, float]) -> str:
    if how:
        return _listed(how)
    return "default values" if limits == msgspec.to_builtins(Thresholds()) else "not known"


def _origin(training: dict[str, Any]) -> Iterator[tuple[str, str]]:
    rows, seed = training.get("rows"), training.get("seed")
    yield "newest row", training.get("newest") or "not known"
    yield "training rows", "not known" if rows is None else f"{rows:,}"
    yield "training data", f"SHA-256 {training['data_sha256']}" if training.get("data_sha256") else "not known"
    yield from (("note", note) for note in training.get("notes", ()))
    yield "seed", "not known" if seed is None else str(seed)
    yield "parameters", _listed(training.get("parameters", {})) or "not known"
    tried = training.get("selection", ())
    if tried:
        heads = list(tried[0])
        lines = Sheet(heads, [[f"{row.get(head, 0):g}" for head in heads] for row in tried]).lines()
        yield from (("selection", line) for line in lines)


def _listed(table: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return f"({_listed(value)})"
    return f"{value:g}" if isinstance(value, float) else str(value)
