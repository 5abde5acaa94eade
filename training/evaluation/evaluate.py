"""Evaluate a set on a labelled file: estimates with intervals, overlap with the training data, baselines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring import Scorer
from scoring.tables import AS_IS, TableOptions
from training import TrainingError, data_checks
from training.evaluation import leakage, measure_sets
from training.evaluation.baselines import BaselineScores, fitted_on, out_of_fold, rules_alone
from training.evaluation.bootstrap import RESAMPLES, Estimate, MeasureSet, estimate
from training.evaluation.ranking import Flags
from training.evaluation.scored_sessions import ScoredSessions, prepare, score_sessions
from training.fitting import Track, no_progress
from training.labelled_sessions import LabelledSessions, empty_fields
from training.labels import LabelColumn
from training.reader import ReadActivity, ReadOptions, read_sessions, silent_read
from training.splitting import user_groups

SEED: Final = 42
LEVELS: Final = ("low", "medium", "high")
FIELD: Final = "field"  # the section of single fields


@dataclass(frozen=True)
class Evaluation:
    """The results, and the data of the plots."""

    data: str  # name of the file
    scored: ScoredSessions
    users: int  # with a user_id
    scorer: Scorer
    baselines: tuple[BaselineScores, ...]
    estimates: tuple[Estimate, ...]
    facts: tuple[str, ...]  # the method, a line each
    warnings: tuple[str, ...]  # limits of the estimates, a line each
    leaks: tuple[str, ...]  # a line per field that alone reveals the label
    doubts: tuple[str, ...] = ()  # those of the warnings that question the file

    def find(self, section: str, subject: str, measure: str) -> Estimate | None:
        """Return one estimate, None when it is not defined."""
        key = (section, subject, measure)
        return next((row for row in self.estimates if (row.section, row.subject, row.measure) == key), None)


@dataclass(frozen=True)
class _Notes:
    """Estimates without an interval, and lines for the reader."""

    estimates: tuple[Estimate, ...] = ()
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of an evaluation."""

    seed: int = SEED
    resamples: int = RESAMPLES
    track: Track = no_progress
    reading: ReadActivity = silent_read
    label: LabelColumn = field(default_factory=LabelColumn)
    table: TableOptions = AS_IS


@dataclass(frozen=True)
class _Case:
    """The set and the sessions it is measured on."""

    scorer: Scorer
    data: LabelledSessions
    training: LabelledSessions | None
    scored: ScoredSessions
    groups: NDArray[np.int64]  # (n,): users
    options: EvaluationOptions


def evaluate(
    path: Path, scorer: Scorer, training: Path | None = None, options: EvaluationOptions | None = None
) -> Evaluation:
    """Measure a set on the labelled sessions of `path`: CSV, JSON Lines or Parquet, as `train` reads them.

    `training` is the file that the set was trained from: shared sessions and users are counted, estimates on the
    others are added, and the baselines learn from it. The same files and seed give the same results.
    Raises TrainingError, one line, when a file is invalid.
    """
    options = options or EvaluationOptions()
    data = _read(path, options, to_train=False)
    training_data = _read(training, options, to_train=True) if training is not None else None
    scored = score_sessions(scorer, data, options.track)
    case = _Case(scorer, data, training_data, scored, user_groups(data.users), options)
    unseen, overlap = _overlap(case)
    baselines, fitting = _baselines(case)
    sets = list(_measure_sets(case, baselines, unseen))
    estimates = estimate(sets, case.groups, options.seed, resamples=options.resamples, track=options.track)
    fields, leaks = _single_fields(path.name, case)
    doubts = (
        *data_checks.row_count_doubts(path.name, len(data)),
        *data_checks.training_file_doubts(path.name, data.sha256, scorer.artifacts),
    )
    return Evaluation(
        data=path.name,
        scored=scored,
        users=len(set(data.users.tolist()) - {""}),
        scorer=scorer,
        baselines=baselines,
        estimates=(*_counts(case), *overlap.estimates, *fields, *estimates),
        facts=(_interval_method(data, options), *overlap.facts, *fitting.facts, _leak_check(fields)),
        warnings=(*doubts, *_one_class(data), *data.notes, *_imputed(data), *overlap.warnings, *fitting.warnings),
        leaks=leaks,
        doubts=doubts,
    )


def _read(path: Path, options: EvaluationOptions, *, to_train: bool) -> LabelledSessions:
    return read_sessions(path, ReadOptions(options.label, options.table, to_train), options.reading)


def _imputed(data: LabelledSessions) -> tuple[str, ...]:
    if not (names := empty_fields(data.columns)):
        return ()
    return (f"no session has a value of {', '.join(names)}: the set's imputed values are used",)


def _measure_sets(case: _Case, baselines: Sequence[BaselineScores], unseen: Flags | None) -> Iterator[MeasureSet]:
    scored, data = case.scored, case.data
    yield measure_sets.overall(scored)
    if unseen is not None and unseen.any():
        yield measure_sets.overall(scored, measure_sets.UNSEEN, unseen)
    yield measure_sets.comparison(scored, baselines)
    if data.kinds is not None:
        yield from measure_sets.kinds(scored, data.kinds)
    yield from measure_sets.segments(scored, data)
    yield from measure_sets.reliability(scored)
    if scored.label.any():
        yield measure_sets.importance(case.scorer, data, scored, case.options.seed, case.options.track)


def _baselines(case: _Case) -> tuple[tuple[BaselineScores, ...], _Notes]:
    data, training, options = case.data, case.training, case.options
    rules = rules_alone(prepare(case.scorer, data.columns).patterns)
    if training is None and data.label.min() == data.label.max():
        return (rules,), _Notes()  # another warning reports the single class
    try:
        if training is None:
            fact = "the other baselines were fitted inside the file: five folds, a user in one of them"
            fitted = out_of_fold(data, case.groups, options.seed, options.track)
        else:
            fact = "the other baselines were fitted on the training data"
            fitted = fitted_on(training, data, options.seed, options.track)
    except TrainingError as error:
        return (rules,), _Notes(warnings=(f"no logistic regression, no gradient boosting: {error}",))
    return (rules, *fitted), _Notes(facts=(fact,))


def _overlap(case: _Case) -> tuple[Flags | None, _Notes]:
    """Return the sessions that are not in the training data, None without overlap, and notes on the others."""
    data, training = case.data, case.training
    if training is None:
        warning = "sessions and users shared with the training data were not checked: --training-data names no file"
        return None, _Notes(warnings=(warning,))
    overlap = leakage.find_overlap(data, training)
    rows, sessions = int(overlap.rows.sum()), int(overlap.users.sum())
    users = len(set(data.users[overlap.users].tolist()))
    counts = {"shared sessions": rows, "shared users": users, "sessions of shared users": sessions}
    estimates = tuple(
        Estimate("leakage", subject, "count", float(count), n=len(data)) for subject, count in counts.items()
    )
    warnings = _other_data(training, case.scorer)
    if not rows and not users:
        return None, _Notes(estimates, ("no session and no user is shared with the training data",), warnings)
    rest = int(overlap.unseen.sum())
    warning = (
        f"{rows:,} of {len(data):,} sessions and {users:,} users (with {sessions:,} sessions) are in the training data "
        "too: " + (f"estimates on the other {rest:,} are added" if rest else "no other session is left to measure on")
    )
    return overlap.unseen, _Notes(estimates, (), (warning, *warnings))


def _other_data(training: LabelledSessions, scorer: Scorer) -> tuple[str, ...]:
    manifest = scorer.artifacts.manifest
    expected = manifest.training.data_sha256 if manifest is not None else None
    if expected is None:
        return ("the set does not name its training data: --training-data cannot be checked",)
    if expected != training.sha256:
        return ("--training-data is another file than the set was trained from (its SHA-256 is not the manifest's)",)
    return ()


def _single_fields(name: str, case: _Case) -> tuple[tuple[Estimate, ...], tuple[str, ...]]:
    aucs = leakage.single_field_aucs(case.data.columns, case.data.label, case.groups)
    ordered = sorted(aucs.items(), key=itemgetter(1), reverse=True)
    estimates = tuple(Estimate(FIELD, field, "roc_auc_alone", auc, n=len(case.data)) for field, auc in ordered)
    return estimates, data_checks.leak_doubts(name, aucs)


def _leak_check(fields: Sequence[Estimate]) -> str:
    if fields:
        return f"single fields were checked: one that alone reaches a ROC AUC above {data_checks.LEAK_AUC} is named"
    return data_checks.LEAKS_UNCHECKED


def _counts(case: _Case) -> Iterator[Estimate]:
    scored, n = case.scored, len(case.data)
    limits = case.scorer.artifacts.thresholds
    for name in ("label", "medium", "high"):
        yield Estimate("threshold", name, "score", getattr(limits, name), n=n)
    for label, name in ((0, "honest"), (1, "attack")):
        counts = np.bincount(scored.levels[scored.label == label], minlength=len(LEVELS))
        for level, count in zip(LEVELS, counts.tolist(), strict=True):
            yield Estimate("confusion", name, level, float(count), n=n)
    yield Estimate("overall", measure_sets.ALL, "attacks", float(scored.label.sum()), n=n)


def _interval_method(data: LabelledSessions, options: EvaluationOptions) -> str:
    nameless = int((data.users == "").sum())
    unit = "whole users" if not nameless else "whole users, sessions without user_id one by one"
    if nameless == len(data):
        unit = "sessions one by one, as none has a user_id: intervals are too narrow where people come back"
    return f"intervals: 95 %, by bootstrap, {options.resamples:,} resamples of {unit}; seed {options.seed}"


def _one_class(data: LabelledSessions) -> tuple[str, ...]:
    if not data.label.any():
        return ("no session is an attack: measures that need attacks (average precision, recall, …) are missing",)
    if data.label.all():
        return ("no session is honest: measures that need honest ones (ROC AUC, false positives, …) are missing",)
    return ()
