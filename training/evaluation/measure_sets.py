"""Define an evaluation's measures, section by section, as functions of the sessions' weights."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring import Scorer
from scoring.contract import CATEGORIES, MODEL_FIELDS
from training.evaluation.baselines import FOREST, BaselineScores
from training.evaluation.bootstrap import Compute, Key, MeasureSet
from training.evaluation.measures import all_measures, bin_measures, bin_name, bin_of, threshold_measures
from training.evaluation.ranking import Flags, Floats, Ranking, ranking_measures
from training.evaluation.scored_sessions import ScoredSessions, permute_field, score_sessions
from training.fitting import Track, no_progress
from training.labelled_sessions import LabelledSessions

ALL: Final = "all sessions"
UNSEEN: Final = "users not trained on"
DIFFERENCE: Final = "forest_minus_"  # prefix of a measure: the forest's less the baseline's, of the same sessions

SEGMENT_FIELDS: Final = ("device_type", "geolocation_city")
MOST_SEGMENTS: Final = 20  # of a field
MIN_SESSIONS: Final = 200  # of a segment
MIN_ATTACKS: Final = 10  # with fewer, average precision and recall are chance
GAP: Final = "(gap)"
REST: Final = "(all others)"


def overall(scored: ScoredSessions, subject: str = ALL, rows: Flags | None = None) -> MeasureSet:
    """Return every measure, of all sessions or of some."""
    some = scored if rows is None else scored.take(rows)

    def compute(weights: Floats) -> dict[Key, float]:
        return _keyed(subject, all_measures(some, weights if rows is None else weights[rows]))

    return _of_both_classes("overall", some, compute)


def _of_both_classes(section: str, scored: ScoredSessions, compute: Compute) -> MeasureSet:
    return MeasureSet(section, len(scored.label), compute, int(scored.label.sum()))


def reliability(scored: ScoredSessions) -> Iterator[MeasureSet]:
    """Yield mean score and share of attacks for each bin of the score."""
    bins = bin_of(scored.scores)
    for index in np.unique(bins).tolist():
        rows = np.flatnonzero(bins == index)
        yield MeasureSet("reliability", len(rows), _bin_compute(scored, rows, bin_name(index)))


def _bin_compute(scored: ScoredSessions, rows: NDArray[np.int64], name: str) -> Compute:
    label, scores = scored.label[rows], scored.scores[rows]

    def compute(weights: Floats) -> dict[Key, float]:
        return _keyed(name, bin_measures(label, scores, weights[rows]))

    return compute


def kinds(scored: ScoredSessions, kind: NDArray[np.object_]) -> Iterator[MeasureSet]:
    """Yield recall of each kind of attack, and its average precision among all honest sessions."""
    honest = scored.label == 0
    for name in sorted(set(kind[~honest].tolist())):
        rows = ~honest & (kind == name)
        compute = _kind_compute(scored, rows, honest | rows, name or "(not said)")
        yield MeasureSet("kind", int(rows.sum()), compute)


def _kind_compute(scored: ScoredSessions, rows: Flags, with_honest: Flags, name: str) -> Compute:
    attacks = scored.take(rows)
    ranking = Ranking.of(scored.label[with_honest], scored.scores[with_honest])
    thresholds = (("", attacks.predicted), ("_medium", attacks.levels >= 1), ("_high", attacks.levels >= 2))

    def compute(weights: Floats) -> dict[Key, float]:
        weight = weights[rows]
        measures = {
            f"recall{suffix}": threshold_measures(suffix, reached, attacks.label, weight)[f"recall{suffix}"]
            for suffix, reached in thresholds
        }
        curve = ranking.curve(weights[with_honest])
        measures["average_precision"] = curve.average_precision() if weight.any() else np.nan
        return _keyed(name, measures)

    return compute


def segments(scored: ScoredSessions, data: LabelledSessions) -> Iterator[MeasureSet]:
    """Yield each device type and city with 200 sessions or more, the largest first; the smaller ones as one."""
    for field in SEGMENT_FIELDS:
        column = data.columns.category_column(CATEGORIES.index(field))
        values = np.array([GAP if value is None else value for value in column], dtype=object)
        ranked = sorted((-count, value) for value, count in Counter(values.tolist()).items() if count >= MIN_SESSIONS)
        large = [value for _, value in ranked[:MOST_SEGMENTS]]
        for value in large:
            yield _segment(scored, values == value, f"{field}={value}")
        rest = ~np.isin(values.astype(str), np.array(large, dtype=str))
        if rest.any():
            yield _segment(scored, rest, f"{field}={REST}")


def _segment(scored: ScoredSessions, rows: Flags, name: str) -> MeasureSet:
    some = scored.take(rows)
    indices = np.flatnonzero(rows)
    enough = int(some.label.sum()) >= MIN_ATTACKS

    def compute(weights: Floats) -> dict[Key, float]:
        weight = weights[indices]
        total = float(weight.sum())
        if not total:
            names = ("prevalence", "average_precision", "recall", "false_positive_rate")
            return _keyed(name, dict.fromkeys(names, np.nan))
        measures = threshold_measures("", some.predicted, some.label, weight)
        return _keyed(
            name,
            {
                "prevalence": float((weight * some.label).sum() / total),
                "average_precision": some.ranking.curve(weight).average_precision() if enough else np.nan,
                "recall": measures["recall"] if enough else np.nan,
                "false_positive_rate": measures["false_positive_rate"],
            },
        )

    return MeasureSet("segment", len(some.label), compute)


def comparison(scored: ScoredSessions, baselines: Sequence[BaselineScores]) -> MeasureSet:
    """Return the ranking measures of the forest and the baselines, and their differences on the same sessions."""
    rankings = [(baseline, Ranking.of(scored.label, baseline.scores)) for baseline in baselines]

    def compute(weights: Floats) -> dict[Key, float]:
        forest = ranking_measures(scored.ranking.curve(weights))
        measures: dict[Key, float] = {}
        for baseline, ranking in rankings:
            own = ranking_measures(ranking.curve(weights))
            measures |= _keyed(baseline.name, own | _brier(baseline, scored, weights))
            measures |= _keyed(baseline.name, {DIFFERENCE + name: forest[name] - own[name] for name in forest})
        return measures | _keyed(FOREST, forest | _brier(BaselineScores(FOREST, scored.scores), scored, weights))

    return _of_both_classes("baseline", scored, compute)


def _brier(baseline: BaselineScores, scored: ScoredSessions, weights: Floats) -> dict[str, float]:
    if not baseline.is_share:
        return {}
    return {"brier": float((weights * (baseline.scores - scored.label) ** 2).sum() / weights.sum())}


def importance(scorer: Scorer, data: LabelledSessions, scored: ScoredSessions, seed: int, track: Track) -> MeasureSet:
    """Return the loss of average precision when a field's values are permuted among the sessions (Breiman 2001).

    Fields and not the features derived from them: features of one field would stand in for each other. A field that
    correlates with others (the screen with the device) seems less important than it is.
    """
    order = np.random.default_rng(seed).permutation(len(data))
    permuted: dict[str, Ranking] = {}
    for i in track(range(len(MODEL_FIELDS)), "permuting fields"):
        changed = replace(data, columns=permute_field(data.columns, i, order))
        permuted[MODEL_FIELDS[i]] = score_sessions(scorer, changed, no_progress).ranking

    def compute(weights: Floats) -> dict[Key, float]:
        full = scored.ranking.curve(weights).average_precision()
        return {
            (field, "average_precision_drop"): full - ranking.curve(weights).average_precision()
            for field, ranking in permuted.items()
        }

    return MeasureSet("importance", len(data), compute)


def _keyed(subject: str, measures: Mapping[str, float]) -> dict[Key, float]:
    return {(subject, name): value for name, value in measures.items()}
