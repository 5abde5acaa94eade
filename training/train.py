"""Training from end to end: data in; five files and the manifest that verifies them out."""

import pickle
import platform
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import track as rich_track

from scoring import MissingExtra, Scorer
from scoring.adoption import write_manifest
from scoring.manifest import FILES, NAME, Manifest, Training
from training.dataset import LATER, STANDARD_ROWS, STANDARD_SEED, generate
from training.errors import TrainingError
from training.evaluate import measure
from training.fitting import FiveFiles, Parameters, Track, attack_weight, fit
from training.reading import Labelled, of_sessions, read

try:
    import sklearn
except ImportError:
    raise MissingExtra("training", "train") from None

PROTOCOL: Final = 4  # of the pickles: what existing sets have
TEST_ROWS: Final = 30_000


def bar(sequence: Sequence[int], description: str) -> Iterable[int]:
    """A progress bar on stderr, and nothing at all where that is no terminal."""
    console = Console(stderr=True)
    return rich_track(sequence, description, console=console, disable=not console.is_terminal, transient=True)


def train(
    data: Path | None,
    out: Path,
    *,
    seed: int = STANDARD_SEED,
    parameters: Parameters | None = None,
    track: Track = bar,
) -> Manifest:
    """Train from the labelled sessions in `data` (CSV, JSON Lines, Parquet) and write the set to the directory `out`.

    Without `data` the standard set is generated from `seed`, and the manifest says how the model does on other
    people's sessions of a later time. The same seed and data give the same bytes, with the same versions.
    Raises TrainingError, one line, when the data is at fault or `out` cannot be written; ArtifactError when what came
    out cannot be scored.
    """
    chosen = parameters or Parameters()
    labelled = read(data) if data is not None else of_sessions(generate(STANDARD_ROWS, seed))
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".training-") as directory:
            made = Path(directory)
            _save(fit(labelled, chosen, seed, track), made)
            metrics = _measure_later(made, seed) if data is None else {}
            manifest = write_manifest(
                made, training=_origin(labelled, chosen, seed), versions=_versions(), metrics=metrics
            )
            # the manifest last: a crash in between leaves a set that is refused, not one that is mixed
            for name in (*FILES, NAME):
                (made / name).replace(out / name)
    except OSError as error:
        raise TrainingError(f"{out}: cannot be written: {error.strerror}") from None
    return manifest


def _save(five: FiveFiles, directory: Path) -> None:
    for name in FILES:
        with (directory / name).open("wb") as file:
            pickle.dump(getattr(five, Path(name).stem), file, protocol=PROTOCOL)


def _measure_later(directory: Path, seed: int) -> dict[str, float]:
    sessions = generate(TEST_ROWS, seed + 1, world=LATER)
    return measure(Scorer.load(directory, allow_unverified=True), sessions)


def _origin(labelled: Labelled, parameters: Parameters, seed: int) -> Training:
    weight = round(attack_weight(labelled.label, parameters.balance), 6)
    return Training(
        data_sha256=labelled.sha256,
        rows=len(labelled),
        newest=labelled.newest,
        seed=seed,
        parameters=asdict(parameters) | {"attack_weight": weight},
    )


def _versions() -> dict[str, str]:
    """What the bytes of the files depend on. Of Python the minor version: pickles are the same for all its patches."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, "numpy": np.__version__, "scikit-learn": sklearn.__version__}
