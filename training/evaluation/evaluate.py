"""An evaluation from end to end: a labelled file in; figures with their intervals, results.csv and a report out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.scorer import Scorer
from scoring.tables import AS_IS, TableOptions
from training import guards
from training.errors import TrainingError
from training.evaluation import leakage, parts
from training.evaluation.baselines import Baseline, fitted_on, out_of_fold, rules_alone
from training.evaluation.bootstrap import RESAMPLES, Part, Row, estimate
from training.evaluation.judging import judge, prepare
from training.evaluation.measures import Flags, Judged
from training.evaluation.segments import segments
from training.fitting import Track, unseen
from training.labelled import valueless
from training.reading import LabelColumn, Labelled, Progress, Reading, read
from training.splitting import groups_of

SEED: Final = 42
LEVELS: Final = ("low", "medium", "high")
FIELD: Final = "field"  # the section of what single fields tell


@dataclass(frozen=True)
class Evaluation:
    """What was found, and what the plots are drawn from."""

    data: str  # name of the file
    judged: Judged
    users: int  # that have a name
    scorer: Scorer
    baselines: tuple[Baseline, ...]
    rows: tuple[Row, ...]
    facts: tuple[str, ...]  # how it was measured
    warnings: tuple[str, ...]  # what the reader must know before believing a figure
    leaks: tuple[str, ...]  # a line for each field that alone tells the label
    doubts: tuple[str, ...] = ()  # other reasons not to believe a figure; they are among the warnings, too

    def row(self, section: str, subject: str, measure: str) -> Row | None:
        """One figure, when there is such a one."""
        key = (section, subject, measure)
        return next((row for row in self.rows if (row.section, row.subject, row.measure) == key), None)


@dataclass(frozen=True)
class _Notes:
    """Rows that have no interval, and lines for the reader."""

    rows: tuple[Row, ...] = ()
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class How:
    """What an evaluation depends on beside its files."""

    seed: int = SEED
    resamples: int = RESAMPLES
    track: Track = unseen
    reading: Callable[[str], AbstractContextManager[Progress]] = lambda _: nullcontext(lambda *_: None)
    label: LabelColumn = field(default_factory=LabelColumn)
    table: TableOptions = AS_IS


@dataclass(frozen=True)
class _Case:
    """What is judged, and by what."""

    scorer: Scorer
    data: Labelled
    known: Labelled | None  # the training data
    judged: Judged
    groups: NDArray[np.int64]  # (n,): users


def evaluate(path: Path, scorer: Scorer, training: Path | None = None, how: How | None = None) -> Evaluation:
    """Measure a set on the labelled sessions of `path`: CSV, JSON Lines or Parquet, as `train` takes them.

    `training` is the file that the set was trained from: sessions and users in common are counted, the figures on the
    others stand beside, and the baselines learn from it. The same files and seed give the same figures.
    Raises TrainingError, one line, when a file is at fault.
    """
    how = how or How()
    data = _read(path, how, to_train=False)
    known = _read(training, how, to_train=True) if training is not None else None
    case = _Case(scorer, data, known, judge(scorer, data, how.track), groups_of(data.users))
    unshared, common = _common(case)
    baselines, said = _baselines(case, how)
    found = estimate(
        list(_parts(case, baselines, unshared, how)), case.groups, how.seed, resamples=how.resamples, track=how.track
    )
    alone, leaks = _alone(path.name, case)
    doubts = (
        *guards.too_few(path.name, len(data)),
        *guards.trained_on(path.name, data.sha256, scorer.artifacts),
    )
    return Evaluation(
        data=path.name,
        judged=case.judged,
        users=len(set(data.users.tolist()) - {""}),
        scorer=scorer,
        baselines=baselines,
        rows=(*_counts(case), *common.rows, *alone, *found),
        facts=(*_intervals(data, how), *common.facts, *said.facts, *_unchecked(alone)),
        warnings=(*doubts, *_one_class(data), *data.notes, *_imputed(data), *common.warnings, *said.warnings),
        leaks=leaks,
        doubts=doubts,
    )


def _read(path: Path, how: How, *, to_train: bool) -> Labelled:
    with how.reading(path.name) as progress:
        return read(path, progress, Reading(how.label, how.table, to_train))


def _imputed(data: Labelled) -> tuple[str, ...]:
    if not (names := valueless(data.columns)):
        return ()
    return (f"no session has a value of {', '.join(names)}: what the set imputes stands in each",)


def _parts(case: _Case, baselines: Sequence[Baseline], unshared: Flags | None, how: How) -> Iterator[Part]:
    judged, data = case.judged, case.data
    yield parts.whole(judged)
    if unshared is not None and unshared.any():
        yield parts.whole(judged, parts.UNSEEN, unshared)
    yield parts.comparison(judged, baselines)
    if data.kinds is not None:
        yield from parts.kinds(judged, data.kinds)
    yield from segments(judged, data)
    yield from parts.reliability(judged)
    if judged.label.any():
        yield parts.importance(case.scorer, data, judged, how.seed, how.track)


def _baselines(case: _Case, how: How) -> tuple[tuple[Baseline, ...], _Notes]:
    data, known = case.data, case.known
    rules = rules_alone(prepare(case.scorer, data.columns).patterns)
    if known is None:
        said = "the other baselines were fitted inside the file: five folds, a user in one of them"
    else:
        said = "the other baselines were fitted on the training data"
    if known is None and data.label.min() == data.label.max():
        return (rules,), _Notes()  # that there is one class only is said already
    try:
        learned = (
            out_of_fold(data, case.groups, how.seed, how.track)
            if known is None
            else fitted_on(known, data, how.seed, how.track)
        )
    except TrainingError as error:
        return (rules,), _Notes(warnings=(f"no logistic regression, no gradient boosting: {error}",))
    return (rules, *learned), _Notes(facts=(said,))


def _common(case: _Case) -> tuple[Flags | None, _Notes]:
    """Which sessions the training data does not know; what is said of the others."""
    data, known = case.data, case.known
    if known is None:
        said = "sessions and users shared with the training data were not checked: --training-data names no file"
        return None, _Notes(warnings=(said,))
    both = leakage.shared(data, known)
    rows, sessions = int(both.rows.sum()), int(both.users.sum())
    users = len(set(data.users[both.users].tolist()))
    counted = tuple(
        Row("leakage", subject, "count", float(count), n=len(data))
        for subject, count in (
            ("shared sessions", rows),
            ("shared users", users),
            ("sessions of shared users", sessions),
        )
    )
    share = f"{rows:,} of {len(data):,} sessions and {users:,} users (with {sessions:,} sessions)"
    other = _other_data(known, case.scorer)
    if not rows and not users:
        return None, _Notes(counted, ("no session and no user is shared with the training data",), other)
    rest = int(both.unseen.sum())
    beside = f"the figures on the other {rest:,} stand beside" if rest else "no session is left to judge by"
    return both.unseen, _Notes(counted, (), (f"{share} stand in the training data too: {beside}", *other))


def _other_data(known: Labelled, scorer: Scorer) -> tuple[str, ...]:
    manifest = scorer.artifacts.manifest
    expected = manifest.training.data_sha256 if manifest is not None else None
    if expected is None:
        return ("the set does not say what it was trained from: that --training-data is it cannot be checked",)
    if expected != known.sha256:
        return ("--training-data is another file than the set was trained from (its SHA-256 is not the manifest's)",)
    return ()


def _alone(name: str, case: _Case) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    found = leakage.single_fields(case.data.columns, case.data.label, case.groups)
    ordered = sorted(found.items(), key=lambda item: -item[1])
    rows = tuple(Row(FIELD, each, "roc_auc_alone", auc, n=len(case.data)) for each, auc in ordered)
    return rows, guards.leaks(name, found)


def _unchecked(alone: Sequence[Row]) -> tuple[str, ...]:
    if alone:
        return (f"single fields were checked: one that alone reaches a ROC AUC above {guards.LEAK} is named",)
    return (guards.UNCHECKED,)


def _counts(case: _Case) -> Iterator[Row]:
    judged, n = case.judged, len(case.data)
    limits = case.scorer.artifacts.thresholds
    for name in ("label", "medium", "high"):
        yield Row("threshold", name, "score", getattr(limits, name), n=n)
    for label, name in ((0, "honest"), (1, "attack")):
        counts = np.bincount(judged.levels[judged.label == label], minlength=len(LEVELS))
        for level, count in zip(LEVELS, counts.tolist(), strict=True):
            yield Row("confusion", name, level, float(count), n=n)
    yield Row("overall", parts.ALL, "attacks", float(judged.label.sum()), n=n)


def _intervals(data: Labelled, how: How) -> Iterator[str]:
    nameless = int((data.users == "").sum())
    by = "whole users" if not nameless else "whole users, sessions without user_id one by one"
    if nameless == len(data):
        by = "sessions one by one, for none has a user_id: intervals are too narrow where people come back"
    yield f"intervals: 95 %, by bootstrap, {how.resamples:,} resamples of {by}; seed {how.seed}"


def _one_class(data: Labelled) -> tuple[str, ...]:
    if not data.label.any():
        return ("no attack among the sessions: nothing that needs one (average precision, recall, …) is given",)
    if data.label.all():
        return ("no honest session: nothing that needs one (ROC AUC, false positives, …) is given",)
    return ()
