"""What `model` says of an artifact set: that it is sound, or what it is."""

from collections.abc import Iterator
from pathlib import Path

from scoring import ArtifactError, Scorer
from scoring.adoption import cautions, write_manifest
from scoring.manifest import FILES, NAME, Manifest


def verify(
    directory: Path | None, *, write: bool = False, allow_unverified: bool = False, manifest_sha256: str | None = None
) -> Iterator[str]:
    """A line for each thing that was checked, `ok` or `warning` first. Raises ArtifactError at the first that is wrong.

    `write` makes the manifest of a five-file set that has none.
    """
    if write and directory is not None:
        _adopt(directory)
        yield f"ok {NAME}: written"
    scorer = Scorer.load(directory, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256)
    manifest = scorer.artifacts.manifest
    for name in FILES:
        yield f"ok {name}: " + (f"SHA-256 {manifest.files[name]}" if manifest else "readable")
    if manifest is None:
        yield f"warning {NAME}: there is none, so nothing proves that these files are the right ones"
    else:
        yield f"ok {NAME}: {len(manifest.golden)} golden vectors score as they must"
    yield from (f"warning {caution}" for caution in cautions(scorer.artifacts.model))
    yield f"ok model version {scorer.artifacts.version}"


def _adopt(directory: Path) -> None:
    if (directory / NAME).exists():
        raise ArtifactError(f"{directory / NAME}: is there already; remove it to adopt the set anew")
    Scorer.load(directory, allow_unverified=True)  # says best what is wrong with a set
    try:
        write_manifest(directory)
    except OSError as error:
        raise ArtifactError(f"{directory / NAME}: cannot be written: {error.strerror}") from None


def card(scorer: Scorer) -> Iterator[tuple[str, str]]:
    """What the set is, as names and values."""
    artifacts = scorer.artifacts
    model, limits = artifacts.model, artifacts.thresholds
    yield "model version", artifacts.version
    yield "sha256", artifacts.sha256
    yield from _origin(artifacts.manifest)
    yield "thresholds", f"label 1 from {limits.label:g}, Medium from {limits.medium:g}, High from {limits.high:g}"
    yield "trees", f"{len(model.trees)}"
    yield "features", f"{len(model.feature_names)}: {', '.join(model.feature_names)}"


def _origin(manifest: Manifest | None) -> Iterator[tuple[str, str]]:
    if manifest is None:
        yield "origin", f"not known: there is no {NAME}"
        return
    training = manifest.training
    yield "newest row", training.newest or "not known"
    yield "training rows", "not known" if training.rows is None else f"{training.rows:,}"
    yield "training data", f"SHA-256 {training.data_sha256}" if training.data_sha256 else "not known"
    yield "seed", "not known" if training.seed is None else str(training.seed)
    for title, table in (
        ("parameters", training.parameters),
        ("versions", manifest.versions),
        ("metrics", manifest.metrics),
    ):
        yield title, ", ".join(f"{name} {value}" for name, value in table.items()) or "not known"
