"""Bootstrap intervals over users."""

import numpy as np
import pytest

from training.evaluation.bootstrap import Compute, Estimate, MeasureSet, estimate
from training.evaluation.ranking import Floats


def mean_of(values: Floats, name: str = "mean") -> Compute:
    return lambda weights: {("all", name): float((weights * values).sum() / weights.sum())}


def one(rows: list[Estimate]) -> Estimate:
    (row,) = rows
    return row


def test_the_interval_covers_the_mean_in_95_percent() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for trial in range(200):
        values = rng.normal(size=60)
        row = one(estimate([MeasureSet("s", 60, mean_of(values))], np.arange(60), trial, resamples=200))
        held += row.low <= 0 <= row.high
    assert 0.89 <= held / 200 <= 0.99  # 4 standard errors around .94, what 60 of a normal leave of .95


def test_sessions_of_a_user_count_as_one_draw() -> None:
    rng = np.random.default_rng(6)
    of_user = np.repeat(rng.normal(size=40), 25)  # a user's sessions are all alike
    by_user = one(estimate([MeasureSet("s", 1000, mean_of(of_user))], np.repeat(np.arange(40), 25), 1, resamples=300))
    by_session = one(estimate([MeasureSet("s", 1000, mean_of(of_user))], np.arange(1000), 1, resamples=300))
    assert (by_user.high - by_user.low) == pytest.approx(5 * (by_session.high - by_session.low), rel=0.35)


def test_an_interval_contains_the_measure_of_all_sessions() -> None:
    values = np.array([1.0, 2.0, 3.0, 6.0])
    row = one(estimate([MeasureSet("s", 4, mean_of(values))], np.arange(4), 1, resamples=200))
    assert (row.section, row.subject, row.measure, row.n) == ("s", "all", "mean", 4)
    assert row.low < row.value == 3.0 < row.high


def test_all_parts_see_the_same_draws() -> None:
    values = np.random.default_rng(2).normal(size=50)
    rows = estimate([MeasureSet("a", 50, mean_of(values)), MeasureSet("b", 50, mean_of(values + 1))], np.arange(50), 3)
    assert rows[1].low - rows[0].low == pytest.approx(1)
    assert rows[1].high - rows[0].high == pytest.approx(1)


def test_the_same_seed_draws_the_same_users() -> None:
    part = MeasureSet("s", 30, mean_of(np.random.default_rng(2).normal(size=30)))
    first, again, other = (estimate([part], np.arange(30), seed, resamples=50) for seed in (1, 1, 2))
    assert first == again != other


def test_undefined_measures_are_omitted_rarely_defined_lack_intervals() -> None:
    def rate_limit(weights: Floats) -> dict[tuple[str, str], float]:
        return {("all", "never"): np.nan, ("all", "seldom"): 1.0 if weights[0] else np.nan}

    row = one(estimate([MeasureSet("s", 10, rate_limit)], np.arange(10), 1, resamples=100))
    assert (row.measure, row.value) == ("seldom", 1.0)
    assert np.isnan([row.low, row.high]).all()


def test_when_all_draws_agree_there_is_no_interval() -> None:
    row = one(estimate([MeasureSet("s", 10, mean_of(np.zeros(10)))], np.arange(10), 1, resamples=50))
    assert row.value == 0
    assert np.isnan([row.low, row.high]).all()
