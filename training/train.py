"""Train an artifact set: from labelled sessions to five files and the manifest that verifies them."""

import pickle
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from scoring import ArtifactError, Scorer
from scoring.adoption import write_manifest
from scoring.artifacts import FILES, MANIFEST_FILE, Manifest, Thresholds, Training, read_manifest
from scoring.drift import Baseline, compute_baseline
from training import TrainingError, train_extra
from training.atomic_output import atomic_output
from training.crossvalidation import FOLDS, CrossValidation
from training.data_checks import ALLOW_DOUBTFUL, LEAKS_UNCHECKED, leak_doubts, row_count_doubts
from training.evaluation.leakage import single_field_aucs
from training.evaluation.measures import manifest_metrics
from training.evaluation.scored_sessions import ScoredSessions, score_sessions
from training.fitting import FittedSet, Track, attack_weight, category_classes, constant_fields, fit, no_progress
from training.labelled_sessions import LabelledSessions
from training.reader import ReadActivity, ReadOptions, read_sessions, silent_read
from training.sampling import in_proportion, sample_sessions, sample_users
from training.selection import Grid, Selection, select
from training.splitting import Split, train_test_split, user_groups
from training.synthetic.dataset import SETS, STANDARD_SEED
from training.thresholds import AlertBudget, Costs, ThresholdChoice, choose_thresholds

with train_extra():
    import sklearn

PROTOCOL: Final = 4  # of the pickles: that of existing sets
MOST_ROWS: Final = 1_000_000
SEARCH_ROWS: Final = 30_000  # forests are compared on at most this many


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training. By default the full grid is tried and all rows are trained on."""

    grid: Grid = field(default_factory=Grid)
    split: Split | None = None
    max_rows: int = MOST_ROWS
    budget: AlertBudget | None = None
    costs: Costs | None = None
    read: ReadOptions = field(default_factory=ReadOptions)
    allow_doubtful: bool = False


def _ignore(_note: str) -> None:
    pass


def train(  # noqa: PLR0913 - the request, and three ways to report on it
    data: Path | None,
    out: Path,
    *,
    seed: int = STANDARD_SEED,
    options: TrainingOptions | None = None,
    track: Track = no_progress,
    reading: ReadActivity = silent_read,
    notify: Callable[[str], object] = _ignore,
) -> Manifest:
    """Train from the labelled sessions in `data` (CSV, JSON Lines, Parquet) and write the set to the directory `out`.

    Without `data`, train from the standard set of `seed`. The manifest's metrics are those of the sessions held out
    (`options.split`), of generated people at a later time, or of the cross-validation. `notify` receives notes and
    warnings, a line each. The same seed, data, options and versions give the same bytes on any number of cores.
    Raises TrainingError, one line, for invalid or doubtful data or an `out` that cannot be written; ArtifactError
    when the new set cannot be scored.
    """
    options = options or TrainingOptions()
    sessions = _standard("train", seed) if data is None else read_sessions(data, options.read, reading)
    parts = _split(sessions, options, seed, data)
    for note in (*parts.notes, *_same_data_note(out, sessions.sha256)):
        notify(note)
    # the manifest last: a set torn by a crash is refused
    with atomic_output(out, (*FILES, MANIFEST_FILE)) as directory:
        selection = _select(parts, options, seed, track)
        choice = _choose(selection, options)
        for warning in choice.warnings:
            notify(warning)
        _save(fit(parts.train, selection.parameters, seed, track), directory)
        return write_manifest(
            directory,
            thresholds=choice.thresholds,
            training=_origin(parts, selection, choice, seed),
            versions=_versions(),
            metrics=_metrics(parts, selection, choice.thresholds, directory),
            baseline=_baseline(parts.train, selection),
        )


def _standard(name: str, seed: int) -> LabelledSessions:
    return LabelledSessions.from_synthetic(SETS[name](seed))


def _same_data_note(out: Path, sha256: str) -> tuple[str, ...]:
    """Return a note when a set in `out` was trained from the same data."""
    try:
        existing = read_manifest((out / MANIFEST_FILE).read_bytes())
    except (OSError, ArtifactError):
        return ()
    if existing.training.data_sha256 != sha256:
        return ()
    return (f"{out}: the set in this directory was trained from this very file and is replaced",)


@dataclass(frozen=True)
class _Parts:
    """The sessions by their use."""

    train: LabelledSessions
    search: LabelledSessions  # those of `train` on which forests are compared
    test: LabelledSessions | None  # None: the metrics are those of the cross-validation
    measured_on: str
    notes: tuple[str, ...]


def _split(data: LabelledSessions, options: TrainingOptions, seed: int, path: Path | None) -> _Parts:
    sessions = sample = sample_users(data, options.max_rows, seed)
    test, name, notes = None, f"{FOLDS}-fold cross-validation, whole users left out", sessions.notes
    if not (sessions.users != "").any():
        notes += ("no session has a user_id: every session counts as a user of its own",)
    if options.split is not None:
        split = train_test_split(sessions, options.split, seed)
        test, name, notes = sessions.take(split.test), split.name, notes + split.notes
        sessions = sessions.take(split.train)
    elif path is None:
        test = _standard("test", seed)
        name = "generated sessions of other people at a later time"
    search = sample_sessions(sessions, SEARCH_ROWS, seed)
    notes += search.notes[len(sessions.notes) :] + _constant_field_notes(sessions)
    if path is not None:
        notes += _doubts(path, len(sample), search, options)
    return _Parts(_with_newest(sessions), search, test, name, notes)


def _constant_field_notes(sessions: LabelledSessions) -> tuple[str, ...]:
    return tuple(
        f"no session has a value of {name}: {constant} is imputed, and the model learns nothing from it"
        for name, constant in constant_fields(sessions.columns).items()
    )


def _doubts(path: Path, rows: int, search: LabelledSessions, options: TrainingOptions) -> tuple[str, ...]:
    """Return the reasons to doubt the data. Raises TrainingError with the first unless `allow_doubtful` is set."""
    aucs = single_field_aucs(search.columns, search.label, user_groups(search.users))
    doubts = (*row_count_doubts(path.name, rows), *leak_doubts(path.name, aucs))
    if doubts and not options.allow_doubtful:
        raise TrainingError(f"{doubts[0]}; {ALLOW_DOUBTFUL} trains on it anyway")
    return doubts if aucs else (*doubts, LEAKS_UNCHECKED)


def _with_newest(sessions: LabelledSessions) -> LabelledSessions:
    dates = sessions.dates[~np.isnat(sessions.dates)]
    return replace(sessions, newest=str(dates.max())[:10]) if len(dates) else sessions


def _select(parts: _Parts, options: TrainingOptions, seed: int, track: Track) -> Selection:
    """Select on the search sample; thresholds depend on rare sessions and use the scores of all."""
    selection = select(parts.search, options.grid, seed, track)
    if (options.budget or options.costs) and len(parts.search) < len(parts.train):
        validation = CrossValidation(parts.train, seed, track)
        scores = validation.run([selection.parameters], "scoring all sessions").scores[0]
        return replace(selection, data=parts.train, scores=scores)
    return selection


def _choose(selection: Selection, options: TrainingOptions) -> ThresholdChoice:
    data = selection.data
    return choose_thresholds(data.label, selection.scores, options.budget, options.costs, data.honest_weight)


def _baseline(data: LabelledSessions, selection: Selection) -> Baseline:
    scores = selection.scores[in_proportion(selection.data)]
    return compute_baseline(data.columns.take(in_proportion(data)), scores, category_classes(data.columns))


def _metrics(parts: _Parts, selection: Selection, limits: Thresholds, directory: Path) -> dict[str, float]:
    if parts.test is not None:
        scorer = Scorer.load(directory, allow_unverified=True)
        return manifest_metrics(score_sessions(scorer, parts.test, no_progress), parts.test.weights)
    scores = selection.scores
    levels = (scores >= limits.medium).astype(np.int64) + (scores >= limits.high)
    scored = ScoredSessions.of(selection.data.label, scores, levels, scores >= limits.label)
    return manifest_metrics(scored, selection.data.weights)


def _save(fitted: FittedSet, directory: Path) -> None:
    for name in FILES:
        with (directory / name).open("wb") as file:
            pickle.dump(getattr(fitted, Path(name).stem), file, protocol=PROTOCOL)


def _origin(parts: _Parts, selection: Selection, choice: ThresholdChoice, seed: int) -> Training:
    data, parameters = parts.train, selection.parameters
    weight = attack_weight(data.label, parameters.balance, data.honest_weight)
    return Training(
        data_sha256=data.sha256,
        rows=len(data),
        newest=data.newest or None,
        seed=seed,
        parameters=asdict(parameters) | {"attack_weight": round(weight, 6)},
        selection=selection.table,
        thresholds=choice.origin,
        measured_on=parts.measured_on,
        notes=list(parts.notes + choice.warnings),
    )


def _versions() -> dict[str, str]:
    """Return the versions that the files' bytes depend on; of Python the minor one, as patches pickle alike."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, "numpy": np.__version__, "scikit-learn": sklearn.__version__}
