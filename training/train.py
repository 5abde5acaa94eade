"""Training from end to end: data in; five files and the manifest that verifies them out."""

import pickle
import platform
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from scoring import ArtifactError, MissingExtra, Scorer
from scoring.adoption import write_manifest
from scoring.artifacts.manifest import FILES, NAME, Manifest, Thresholds, Training
from scoring.artifacts.manifest import read as read_manifest
from scoring.drift import compute_baseline
from training import guards
from training.crossvalidation import FOLDS, CrossValidation
from training.errors import TrainingError
from training.evaluation.judging import judge
from training.evaluation.leakage import single_fields
from training.evaluation.measures import Judged, measure
from training.fitting import FiveFiles, Track, attack_weight, classes_of, constants, fit, unseen
from training.output import written_to
from training.reading import Labelled, Progress, Reading, of_sessions, read
from training.sampling import in_proportion, sample_sessions, sample_users
from training.selection import Grid, Selection, select
from training.splitting import Split, groups_of, hold_out
from training.synthetic.dataset import SETS, STANDARD_SEED
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
    reading: Reading = field(default_factory=Reading)
    allow_doubtful: bool = False  # train from data that there is reason to doubt


def train(  # noqa: PLR0913 - what is asked, and how to tell of it
    data: Path | None,
    out: Path,
    *,
    seed: int = STANDARD_SEED,
    wishes: Wishes | None = None,
    track: Track = unseen,
    reading: Callable[[str], AbstractContextManager[Progress]] = lambda _: nullcontext(lambda *_: None),
    say: Callable[[str], object] = lambda _: None,
) -> Manifest:
    """Train from the labelled sessions in `data` (CSV, JSON Lines, Parquet) and write the set to the directory `out`.

    Without `data` the standard set is generated from `seed`. The metrics in the manifest are those of the sessions
    held out (`wishes.split`), or of generated people at a later time, or of the cross-validation. `reading` (given the
    file's name) and `track` show how far it has come; `say` is told, a line each, what is worth knowing on the way.
    The same seed, data and wishes give the same bytes, with the same versions, however many cores there are.
    Raises TrainingError, one line, when the data is at fault or doubtful, or `out` cannot be written; ArtifactError
    when what came out cannot be scored.
    """
    asked = wishes or Wishes()
    if data is None:
        sessions = of_sessions(SETS["train"](seed))
    else:
        with reading(data.name) as progress:
            sessions = read(data, progress, asked.reading)
    parts = _parts(sessions, asked, seed, data)
    for line in (*parts.notes, *_trained_before(out, sessions.sha256)):
        say(line)
    with written_to(out, (*FILES, NAME)) as made:  # the manifest last: a crash in between leaves a set that is refused
        selection = _select(parts, asked, seed, track)
        weight = selection.data.honest_weight
        choice = choose(selection.data.label, selection.scores, asked.budget, asked.costs, weight)
        for line in choice.warnings:
            say(line)
        _save(fit(parts.rest, selection.chosen, seed, track), made)
        columns = parts.rest.columns.take(in_proportion(parts.rest))
        return write_manifest(
            made,
            thresholds=choice.thresholds,
            training=_origin(parts, selection, choice, seed),
            versions=_versions(),
            metrics=_metrics(parts, selection, choice.thresholds, made),
            baseline=compute_baseline(
                columns, selection.scores[in_proportion(selection.data)], classes_of(parts.rest.columns)
            ),
        )


def _trained_before(out: Path, sha256: str) -> tuple[str, ...]:
    """Say that the set in `out`, if there is one, was trained from the same data."""
    try:
        before = read_manifest((out / NAME).read_bytes())
    except (OSError, ArtifactError):
        return ()
    if before.training.data_sha256 != sha256:
        return ()
    return (f"{out}: the set there was trained from this very file: it is replaced",)


@dataclass(frozen=True)
class _Parts:
    """What is trained on, and what is measured on."""

    rest: Labelled
    search: Labelled  # those of the rest that forests are compared on
    held: Labelled | None  # None: the cross-validation's scores are measured
    measured_on: str
    notes: tuple[str, ...]


def _parts(whole: Labelled, asked: Wishes, seed: int, data: Path | None) -> _Parts:
    sessions = drawn = sample_users(whole, asked.max_rows, seed)
    held, name, notes = None, f"{FOLDS}-fold cross-validation, whole users left out", sessions.notes
    if not (sessions.users != "").any():
        notes += ("no session has a user_id: each is taken for a user of its own",)
    if asked.split is not None:
        parts = hold_out(sessions, asked.split, seed)
        held, name, notes = sessions.take(parts.held), parts.name, notes + parts.notes
        sessions = sessions.take(parts.rest)
    elif data is None:
        held = of_sessions(SETS["test"](seed))
        name = "generated sessions of other people at a later time"
    search = sample_sessions(sessions, SEARCH_ROWS, seed)
    notes += search.notes[len(sessions.notes) :] + _constants(sessions)
    if data is not None:
        notes += _doubts(data, len(drawn), search, asked)
    return _Parts(_dated(sessions), search, held, name, notes)


def _constants(sessions: Labelled) -> tuple[str, ...]:
    return tuple(
        f"no session has a value of {name}: {constant} stands in its place, and the model learns nothing from it"
        for name, constant in constants(sessions.columns).items()
    )


def _doubts(data: Path, rows: int, search: Labelled, asked: Wishes) -> tuple[str, ...]:
    """Return why the data is doubtful, a line each. Raises TrainingError with the first unless the user insists."""
    alone = single_fields(search.columns, search.label, groups_of(search.users))
    found = (*guards.too_few(data.name, rows), *guards.leaks(data.name, alone))
    if found and not asked.allow_doubtful:
        raise TrainingError(f"{found[0]}; {guards.INSIST} trains from it all the same")
    return found if alone else (*found, guards.UNCHECKED)


def _dated(sessions: Labelled) -> Labelled:
    dates = sessions.dates[~np.isnat(sessions.dates)]
    return replace(sessions, newest=str(dates.max())[:10]) if len(dates) else sessions


def _select(parts: _Parts, asked: Wishes, seed: int, track: Track) -> Selection:
    """By some of the sessions; but thresholds, which rare ones decide, take the scores of all."""
    selection, rest = select(parts.search, asked.grid, seed, track), parts.rest
    if (asked.budget or asked.costs) and len(parts.search) < len(rest):
        scores = CrossValidation(rest, seed, track).run([selection.chosen], "scoring all").scores[0]
        return replace(selection, data=rest, scores=scores)
    return selection


def _metrics(parts: _Parts, selection: Selection, limits: Thresholds, made: Path) -> dict[str, float]:
    if parts.held is not None:
        return measure(judge(Scorer.load(made, allow_unverified=True), parts.held, unseen), parts.held.weights)
    scores = selection.scores
    levels = (scores >= limits.medium).astype(np.int64) + (scores >= limits.high)
    judged = Judged.of(selection.data.label, scores, levels, scores >= limits.label)
    return measure(judged, selection.data.weights)


def _save(five: FiveFiles, directory: Path) -> None:
    for name in FILES:
        with (directory / name).open("wb") as file:
            pickle.dump(getattr(five, Path(name).stem), file, protocol=PROTOCOL)


def _origin(parts: _Parts, selection: Selection, choice: Choice, seed: int) -> Training:
    rest, chosen = parts.rest, selection.chosen
    weight = attack_weight(rest.label, chosen.balance, rest.honest_weight)
    return Training(
        data_sha256=rest.sha256,
        rows=len(rest),
        newest=rest.newest or None,
        seed=seed,
        parameters=asdict(chosen) | {"attack_weight": round(weight, 6)},
        selection=selection.table,
        thresholds=choice.how,
        measured_on=parts.measured_on,
        notes=list(parts.notes + choice.warnings),
    )


def _versions() -> dict[str, str]:
    """What the bytes of the files depend on. Of Python the minor version: pickles are the same for all its patches."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, "numpy": np.__version__, "scikit-learn": sklearn.__version__}
