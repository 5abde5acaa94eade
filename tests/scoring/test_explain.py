"""`Scorer.explain` gives the contributions of all features, whatever the level, and otherwise what `score` gives."""

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import EventLike, InvalidEvent, Scorer, Verdict
from tests.scoring.conftest import Pair, load, quiet
from tests.support.artifacts.sets import random_event, small_set
from tests.support.oracle import scoring
from tests.support.oracle.agreement import TOLERANCE, assert_contributions_agree
from tests.support.strategies import any_bytes, any_events, encoded, events


def total(verdict: Verdict) -> float:
    return verdict.base_rate + sum(each.contribution for each in verdict.contributions)


@given(st.one_of(events(), encoded(events())))
def test_all_contributions_are_those_of_the_oracle(pairs: list[Pair], event: Any) -> None:
    for pair in pairs:
        expected = scoring.judge(pair.model, event)
        assert isinstance(expected, scoring.Verdict)
        by_size = sorted(expected.all_contributions, key=lambda each: -abs(each.contribution))

        explained = pair.scorer.explain(event)

        assert_contributions_agree(explained.contributions, dataclasses.replace(expected, contributions=by_size))
        assert abs(total(explained) - explained.anomaly_score) <= TOLERANCE


@given(st.one_of(any_bytes(), any_events()))
def test_all_else_is_as_scored(pairs: list[Pair], event: EventLike) -> None:
    for pair in pairs:
        (scored,) = pair.scorer.score_many([event])
        if isinstance(scored, InvalidEvent):
            with pytest.raises(InvalidEvent) as refused:
                pair.scorer.explain(event)
            assert (refused.value.code, refused.value.field) == (scored.code, scored.field)
            continue
        explained = pair.scorer.explain(event)
        assert dataclasses.replace(explained, contributions=scored.contributions) == scored


@given(st.lists(st.one_of(any_bytes(), any_events()), max_size=5))
def test_many_are_explained_as_one_is(pairs: list[Pair], sessions: list[EventLike]) -> None:
    for pair in pairs:
        for event, explained in zip(sessions, pair.scorer.score_many(sessions, explain=True), strict=True):
            (alone,) = pair.scorer.score_many([event], explain=True)
            if isinstance(explained, InvalidEvent):
                assert vars(explained) == vars(alone)
            else:
                assert explained == alone == pair.scorer.explain(event)


def test_an_alert_has_the_first_five(pairs: list[Pair]) -> None:
    random = np.random.default_rng(1)
    sessions = [random_event(random) for _ in range(300)]
    for pair in pairs:
        high = [(event, said) for event in sessions if (said := pair.scorer.score(event)).risk_level == "High"]
        assert high
        for event, said in high:
            assert said.contributions == pair.scorer.explain(event).contributions[:5]


def test_every_level_is_explained(all_low: Scorer, all_medium: Scorer, all_high: Scorer) -> None:
    for scorer, level in ((all_low, "Low"), (all_medium, "Medium"), (all_high, "High")):
        explained = scorer.explain(quiet())
        assert explained.risk_level == level
        assert [each.feature for each in explained.contributions] == list(scorer.artifacts.model.feature_names)


def test_repeated_and_unknown_columns_have_a_contribution_each(tmp_path: Path) -> None:
    columns = ["no_such_column", "click_events", "device_type", "click_events", "label", "device_type"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scorer = load(small_set(3, feature_cols=columns), tmp_path).scorer

    explained = scorer.explain(quiet(click_events=31, device_type="toaster"))

    assert sorted(each.feature for each in explained.contributions) == sorted(columns)
    values = {"no_such_column": 0.0, "label": 0.0, "click_events": 31.0, "device_type": "toaster"}
    assert all(each.value == values[each.feature] for each in explained.contributions)
    assert abs(total(explained) - explained.anomaly_score) <= TOLERANCE


@pytest.mark.parametrize("event", [b"{", b"[]", {"click_events": -1}, {"transaction_date": "soon"}, None, 3])
def test_an_invalid_event_raises_as_in_score(pairs_scorer: Scorer, event: Any) -> None:
    with pytest.raises(InvalidEvent) as scored:
        pairs_scorer.score(event)
    with pytest.raises(InvalidEvent) as explained:
        pairs_scorer.explain(event)
    assert vars(explained.value) == vars(scored.value)
    assert str(explained.value) == str(scored.value)
