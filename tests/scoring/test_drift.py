"""Population stability: the index itself, and which bins events are counted in."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring.decoding import decode_any
from scoring.drift import DISTRIBUTIONS, Bins, compute_baseline, psi
from tests.support.artifacts.sets import CLASSES, random_event
from tests.support.oracle.reading import MODEL_FIELDS

Rows = list[dict[str, Any]]

ROWS = [random_event(np.random.default_rng(seed)) for seed in range(500)]
SCORES = np.random.default_rng(0).random(len(ROWS))
BINS = Bins(compute_baseline(decode_any(ROWS).columns, SCORES, CLASSES))
COUNTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=30)


def drift_of(rows: Rows, scores: NDArray[np.float64] = SCORES) -> dict[str, float]:
    return dict(BINS.measure_drift(BINS.count(decode_any(rows).columns, scores, slice(None))))


@given(COUNTS)
def test_of_equal_counts_the_index_is_zero(counts: list[int]) -> None:
    assert psi(np.array(counts), np.array(counts)) == 0


@given(
    st.integers(1, 30).flatmap(
        lambda bins: st.tuples(*[st.lists(st.integers(0, 10**9), min_size=bins, max_size=bins)] * 2)
    )
)
def test_of_others_it_is_positive_finite_and_the_same_both_ways(pair: tuple[list[int], list[int]]) -> None:
    one, other = map(np.array, pair)

    assert 0 <= psi(one, other) < math.inf
    assert psi(one, other) == pytest.approx(psi(other, one), abs=1e-12)


def test_an_example_by_hand() -> None:
    # with half an event more in each bin: 50 and 50 of 100, 25 and 75 of 100
    assert psi(np.array([49.5, 49.5]), np.array([24.5, 74.5])) == pytest.approx(0.25 * math.log(3))


def test_of_events_of_the_same_kind_it_is_by_chance_what_the_docstring_says() -> None:
    random = np.random.default_rng(1)
    found = [psi(np.full(25, 2400), random.multinomial(1000, [1 / 25] * 25)) for _ in range(400)]

    assert np.mean(found) == pytest.approx(24 * (1 / 60_000 + 1 / 1000), rel=0.1)


def test_the_rows_of_the_baseline_are_no_drift() -> None:
    assert list(drift_of(ROWS)) == ["anomaly_score", *MODEL_FIELDS[:9], "transaction_date", *MODEL_FIELDS[9:15]]
    assert drift_of(ROWS) == pytest.approx(dict.fromkeys(DISTRIBUTIONS, 0.0), abs=1e-5)


def test_each_event_is_counted_once_in_each_distribution() -> None:
    counts = BINS.count(decode_any(ROWS).columns, SCORES, slice(3, None, 8))

    assert BINS.count_events(counts) == len(ROWS[3::8])
    assert counts.sum() == len(ROWS[3::8]) * len(DISTRIBUTIONS)
    assert len(counts) == len(BINS)


def test_no_events_are_counted_as_none() -> None:
    assert BINS.count_events(BINS.count(decode_any([]).columns, np.zeros(0), slice(None))) == 0


@pytest.mark.parametrize("field", MODEL_FIELDS)
def test_a_field_that_is_missing_is_drift_of_that_field_alone(field: str) -> None:
    found = drift_of([row | {field: None} for row in ROWS])

    assert found.pop(field) > 0.25
    assert max(found.values()) < 1e-5


@pytest.mark.parametrize("field", MODEL_FIELDS)
def test_a_field_that_has_shifted_is_drift_of_that_field_alone(field: str) -> None:
    value = "2026-01-01T04:00:00" if field == "transaction_date" else "Amiga" if field in CLASSES else 1e12
    found = drift_of([row | {field: value} for row in ROWS])

    assert found.pop(field) > 0.25
    assert max(found.values()) < 1e-5


NEXT_TO_GAPS = {"transaction_date": "2026-01-01", "click_events": 0} | {
    field: classes[-1] for field, classes in CLASSES.items()
}


@pytest.mark.parametrize(("field", "value"), NEXT_TO_GAPS.items())
def test_a_gap_is_counted_with_no_value(field: str, value: object) -> None:
    gone, there = (decode_any([{field: each}]).columns for each in (None, value))

    assert (BINS.count(gone, SCORES[:1], slice(1)) != BINS.count(there, SCORES[:1], slice(1))).sum() == 2


def test_scores_that_have_shifted_are_drift_of_the_score_alone() -> None:
    found = drift_of(ROWS, SCORES / 2)

    assert found.pop("anomaly_score") > 0.25
    assert max(found.values()) < 1e-5


def test_what_an_encoder_has_never_seen_is_counted_with_unknown() -> None:
    strange, unknown = ([row | {"device_type": device} for row in ROWS] for device in ("Amiga", "unknown"))

    assert drift_of(strange) == drift_of(unknown)


def test_the_share_of_gaps_in_training_is_told_by_field() -> None:
    assert set(BINS.gaps) == set(MODEL_FIELDS)
    missing = sum(row.get("language") is None for row in ROWS)
    assert BINS.gaps["language"] == pytest.approx(missing / len(ROWS))
