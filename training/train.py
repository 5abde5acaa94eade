"""Training from end to end: data in; five files and the manifest that verifies them out."""

import pickle
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import track as rich_track

from scoring import MissingExtra, Scorer
from scoring.adoption import write_manifest
from scoring.baseline import baseline
from scoring.manifest import FILES, NAME, Manifest, Thresholds, Training
from training.crossvalidation import FOLDS, CrossValidation
from training.dataset import SETS, STANDARD_SEED
from training.errors import TrainingError
from training.evaluation.judging import judge
from training.evaluation.measures import measure
from training.fitting import FiveFiles, Track, attack_weight, classes_of, fit, unseen
from training.reading import Labelled, Progress, of_sessions, read, sample_users
from training.selection import Grid, Selection, select
from training.splitting import Split, hold_out
from training.thresholds import Budget, Choice, Costs, choose

try:
    import sklearn
except ImportError:
    raise MissingExtra("training", "train") from None

PROTOCOL: Final = 4  # of the pickles: what existing sets have
MOST_ROWS: Final = 1_000_000
SEARCH_ROWS: Final = 30_000  # forests are compared on so many


@dataclass(frozen=True)
class Wishes:
    """What may be asked of a training. The standard: the whole grid is tried, all rows are trained on."""

    grid: Grid = field(default_factory=Grid)
    split: Split | None = None
    max_rows: int = MOST_ROWS
    budget: Budget | None = None
    costs: Costs | None = None


def bar(sequence: Sequence[int], description: str) -> Iterable[int]:
    """A progress bar on stderr, and nothing at all where that is no terminal."""
    console = Console(stderr=True)
    return rich_track(sequence, description, console=console, disable=not console.is_terminal, transient=True)


def train(  # noqa: PLR0913 - what is asked, and how to tell of it
    data: Path | None,
    out: Path,
    *,
    seed: int = STANDARD_SEED,
    wishes: Wishes | None = None,
    track: Track = bar,
    reading: Callable[[str], AbstractContextManager[Progress]] = lambda _: nullcontext(lambda *_: None),
    say: Callable[[str], object] = lambda _: None,
) -> Manifest:
    """Train from the labelled sessions in `data` (CSV, JSON Lines, Parquet) and write the set to the directory `out`.

    Without `data` the standard set is generated from `seed`. The metrics in the manifest are those of the sessions
    held out (`wishes.split`), or of generated people at a later time, or of the cross-validation. `reading` (given the
    file's name) and `track` show how far it has come; `say` is told, a line each, what is worth knowing on the way.
    The same seed, data and wishes give the same bytes, with the same versions, however many cores there are.
    Raises TrainingError, one line, when the data is at fault or `out` cannot be written; ArtifactError when what came
    out cannot be scored.
    """
    asked = wishes or Wishes()
    if data is None:
        sessions = of_sessions(SETS["train"](seed))
    else:
        with reading(data.name) as progress:
            sessions = read(data, progress)
    parts = _parts(sessions, asked, seed, generated=data is None)
    for line in parts.notes:
        say(line)
    with _written_to(out) as made:
        selection = _select(parts.rest, asked, seed, track)
        choice = choose(selection.label, selection.scores, asked.budget, asked.costs)
        for line in choice.warnings:
            say(line)
        _save(fit(parts.rest, selection.chosen, seed, track), made)
        return write_manifest(
            made,
            thresholds=choice.thresholds,
            training=_origin(parts, selection, choice, seed),
            versions=_versions(),
            metrics=_metrics(parts, selection, choice.thresholds, made),
            baseline=baseline(parts.rest.columns, selection.scores, classes_of(parts.rest.columns)),
        )


@dataclass(frozen=True)
class _Parts:
    """What is trained on, and what is measured on."""

    rest: Labelled
    held: Labelled | None  # None: the cross-validation's scores are measured
    measured_on: str
    notes: tuple[str, ...]


def _parts(whole: Labelled, asked: Wishes, seed: int, *, generated: bool) -> _Parts:
    sessions = sample_users(whole, asked.max_rows, seed)
    held, name, notes = None, f"{FOLDS}-fold cross-validation, whole users left out", sessions.notes
    if not (sessions.users != "").any():
        notes += ("no session has a user_id: each is taken for a user of its own",)
    if asked.split is not None:
        parts = hold_out(sessions, asked.split, seed)
        held, name, notes = sessions.take(parts.held), parts.name, notes + parts.notes
        sessions = sessions.take(parts.rest)
    elif generated:
        held = of_sessions(SETS["test"](seed))
        name = "generated sessions of other people at a later time"
    if len(sessions) > SEARCH_ROWS:
        notes += (f"forests are compared on {SEARCH_ROWS:,} of the sessions, drawn by lot",)
    return _Parts(_dated(sessions), held, name, notes)


def _dated(sessions: Labelled) -> Labelled:
    dates = sessions.dates[~np.isnat(sessions.dates)]
    return replace(sessions, newest=str(dates.max())[:10]) if len(dates) else sessions


def _select(rest: Labelled, asked: Wishes, seed: int, track: Track) -> Selection:
    """By some of the sessions; but thresholds, which rare ones decide, take the scores of all."""
    rows = np.random.default_rng(seed).permutation(len(rest))[:SEARCH_ROWS]
    selection = select(rest.take(np.sort(rows)), asked.grid, seed, track)
    if (asked.budget or asked.costs) and len(rows) < len(rest):
        scores = CrossValidation(rest, seed, track).run([selection.chosen], "scoring all").scores[0]
        return replace(selection, label=rest.label, scores=scores)
    return selection


def _metrics(parts: _Parts, selection: Selection, limits: Thresholds, made: Path) -> dict[str, float]:
    label, scores = selection.label, selection.scores
    if parts.held is not None:
        label = parts.held.label
        scores = judge(Scorer.load(made, allow_unverified=True), parts.held, unseen).scores
    levels = (scores >= limits.medium).astype(np.int64) + (scores >= limits.high)
    return measure(label, scores, levels, scores >= limits.label)


@contextmanager
def _written_to(out: Path) -> Iterator[Path]:
    """A directory to make a set in, which comes to stand in `out` when all is done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".training-") as directory:
            made = Path(directory)
            yield made
            # the manifest last: a crash in between leaves a set that is refused, not one that is mixed
            for name in (*FILES, NAME):
                (made / name).replace(out / name)
    except OSError as error:
        raise TrainingError(f"{out}: cannot be written: {error.strerror}") from None


def _save(five: FiveFiles, directory: Path) -> None:
    for name in FILES:
        with (directory / name).open("wb") as file:
            pickle.dump(getattr(five, Path(name).stem), file, protocol=PROTOCOL)


def _origin(parts: _Parts, selection: Selection, choice: Choice, seed: int) -> Training:
    rest, chosen = parts.rest, selection.chosen
    return Training(
        data_sha256=rest.sha256,
        rows=len(rest),
        newest=rest.newest,
        seed=seed,
        parameters=asdict(chosen) | {"attack_weight": round(attack_weight(rest.label, chosen.balance), 6)},
        selection=selection.table,
        thresholds=choice.how,
        measured_on=parts.measured_on,
        notes=list(parts.notes + choice.warnings),
    )


def _versions() -> dict[str, str]:
    """What the bytes of the files depend on. Of Python the minor version: pickles are the same for all its patches."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, "numpy": np.__version__, "scikit-learn": sklearn.__version__}
