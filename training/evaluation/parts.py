"""What an evaluation measures, section by section, as functions of the sessions' weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract import MODEL_FIELDS
from scoring.scorer import Scorer
from training.evaluation.baselines import FOREST, Baseline
from training.evaluation.bootstrap import Key, Measured, Part
from training.evaluation.judging import judge, with_field
from training.evaluation.measures import Flags, Judged, at_threshold, bin_name, bins, frequency, measures
from training.evaluation.ranking import Floats, Ranking, of_order
from training.fitting import Track, unseen
from training.reading import Labelled

ALL: Final = "all sessions"
UNSEEN: Final = "users not trained on"
PERSON: Final = "person"  # the kind of an honest session
DIFFERENCE: Final = "forest_minus_"  # before a measure's name: the forest's less the baseline's, of the same sessions


def whole(judged: Judged, subject: str = ALL, rows: Flags | None = None) -> Part:
    """Every measure, of all sessions or of some."""
    if rows is None:
        return _part("overall", judged, lambda weights: _named(subject, measures(judged, weights)))
    some = taken(judged, rows)
    return _part("overall", some, lambda weights: _named(subject, measures(some, weights[rows])))


def _part(section: str, judged: Judged, of: Measured) -> Part:
    return Part(section, len(judged.label), of, int(judged.label.sum()))


def taken(judged: Judged, rows: Flags) -> Judged:
    """Some of the sessions."""
    return Judged.of(judged.label[rows], judged.scores[rows], judged.levels[rows], judged.called[rows])


def reliability(judged: Judged) -> Iterator[Part]:
    """Mean score and share of attacks, bin by bin of the score."""
    place = bins(judged.scores)
    for each in np.unique(place).tolist():
        rows = np.flatnonzero(place == each)
        yield Part("reliability", len(rows), _frequency_of(judged, rows, bin_name(each)))


def _frequency_of(judged: Judged, rows: NDArray[np.int64], name: str) -> Measured:
    label, scores = judged.label[rows], judged.scores[rows]
    return lambda weights: _named(name, frequency(label, scores, weights[rows]))


def kinds(judged: Judged, kind: NDArray[np.object_]) -> Iterator[Part]:
    """Of each kind of attack: how many are found, and average precision among all honest sessions."""
    honest = judged.label == 0
    for name in sorted(set(kind[~honest].tolist())):
        of_kind = ~honest & (kind == name)
        yield Part("kind", int(of_kind.sum()), _found_of(judged, of_kind, honest | of_kind, name or "(not said)"))


def _found_of(judged: Judged, of_kind: Flags, among: Flags, name: str) -> Measured:
    attacks = taken(judged, of_kind)
    ranking = Ranking.of(judged.label[among], judged.scores[among])

    def found(weights: Floats) -> dict[Key, float]:
        weight = weights[of_kind]
        recalls = {
            f"recall{suffix}": at_threshold(suffix, called, attacks.label, weight)[f"recall{suffix}"]
            for suffix, called in (
                ("", attacks.called),
                ("_medium", attacks.levels >= 1),
                ("_high", attacks.levels >= 2),
            )
        }
        precision = ranking.curve(weights[among]).average_precision() if weight.any() else np.nan
        return _named(name, recalls | {"average_precision": precision})

    return found


def comparison(judged: Judged, others: Sequence[Baseline]) -> Part:
    """The forest beside the baselines: what an order is measured by, and the difference on the same sessions."""
    rankings = [(each, Ranking.of(judged.label, each.scores)) for each in others]

    def compare(weights: Floats) -> dict[Key, float]:
        forest = of_order(judged.ranking.curve(weights))
        found: dict[Key, float] = {}
        for baseline, ranking in rankings:
            measured = of_order(ranking.curve(weights))
            found |= _named(baseline.name, measured | _brier(baseline, judged, weights))
            found |= _named(baseline.name, {DIFFERENCE + name: forest[name] - measured[name] for name in forest})
        return found | _named(FOREST, forest | _brier(Baseline(FOREST, judged.scores), judged, weights))

    return _part("baseline", judged, compare)


def _brier(baseline: Baseline, judged: Judged, weights: Floats) -> dict[str, float]:
    if not baseline.share:
        return {}
    return {"brier": float((weights * (baseline.scores - judged.label) ** 2).sum() / weights.sum())}


def importance(scorer: Scorer, data: Labelled, judged: Judged, seed: int, track: Track) -> Part:
    """How far average precision falls when a field's values are dealt out anew among the sessions (Breiman 2001).

    Fields and not the features derived from them: features of one field would stand in for each other. A field that
    others tell of (the screen tells the device) seems less important than it is.
    """
    order = np.random.default_rng(seed).permutation(len(data))
    without = {
        field: judge(scorer, _replaced(data, place, order), unseen).ranking
        for place, field in zip(track(range(len(MODEL_FIELDS)), "weighing fields"), MODEL_FIELDS, strict=True)
    }

    def drops(weights: Floats) -> dict[Key, float]:
        whole_set = judged.ranking.curve(weights).average_precision()
        return {
            (field, "average_precision_drop"): whole_set - ranking.curve(weights).average_precision()
            for field, ranking in without.items()
        }

    return Part("importance", len(data), drops)


def _replaced(data: Labelled, place: int, order: NDArray[np.int64]) -> Labelled:
    return replace(data, columns=with_field(data.columns, place, order))


def _named(subject: str, found: Mapping[str, float]) -> dict[Key, float]:
    return {(subject, measure): value for measure, value in found.items()}
