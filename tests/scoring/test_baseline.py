"""The distributions that drift is measured against: what they say of the rows they were made from."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import Scorer
from scoring.adoption import write_manifest
from scoring.columns import Columns
from scoring.decoding import decode_any
from scoring.drift import Baseline, ClassShares, Histogram, compute_baseline
from tests.scoring.conftest import quiet
from tests.support.artifacts.loading import SET, refused
from tests.support.artifacts.sets import CLASSES, random_event
from tests.support.oracle.reading import CATEGORIES, MODEL_FIELDS

ROWS = [random_event(np.random.default_rng(seed)) for seed in range(200)]


def of(events: list[dict[str, Any]], scores: list[float] | None = None) -> Baseline:
    columns: Columns = decode_any(events).columns
    return compute_baseline(columns, np.array(scores or [0.5] * len(events)), CLASSES)


def counted(spread: Histogram, values: list[float | None]) -> list[float]:
    """The shares that the docstring promises, counted one by one."""
    bounds = [-np.inf, *spread.edges, np.inf]
    pairs = itertools.pairwise(bounds)
    return [sum(v is not None and low < v <= high for v in values) / len(values) for low, high in pairs]


@given(st.lists(st.none() | st.floats(0, 1e12) | st.integers(0, 3).map(float), min_size=1))
def test_a_bins_share_is_that_of_the_values_above_its_lower_and_up_to_its_upper_edge(
    values: list[float | None],
) -> None:
    spread = of([{"time_on_page": value} for value in values]).numbers["time_on_page"]

    assert spread.shares == pytest.approx(counted(spread, values), abs=1e-6)
    assert spread.gaps == pytest.approx(values.count(None) / len(values), abs=1e-6)
    assert spread.edges == sorted(set(spread.edges))


def test_bins_hold_a_tenth_each_of_values_that_do_not_repeat() -> None:
    spread = of([{"transaction_amount": float(amount)} for amount in range(1000)]).numbers["transaction_amount"]

    assert spread.shares == pytest.approx([0.1] * 10, abs=0.002)


def test_of_a_value_that_most_rows_share_there_is_a_bin_of_its_own() -> None:
    spread = of([{"touch_events": count} for count in [0] * 95 + [1, 2, 3, 4, 5]]).numbers["touch_events"]

    assert (spread.edges, spread.shares) == ([0], [0.95, 0.05])


def test_hours_are_counted_one_by_one_and_scores_in_twentieths() -> None:
    made = of([quiet(transaction_date=f"2026-01-01T{hour:02}:59") for hour in (0, 3, 3, 23)], [0.0, 0.05, 0.75, 1.0])

    hours = made.numbers["transaction_date"].shares
    assert (len(hours), hours[0], hours[3], hours[23]) == (24, 0.25, 0.5, 0.25)
    assert (len(made.score.shares), made.score.shares[0], made.score.shares[14], made.score.shares[19]) == (
        20, 0.5, 0.25, 0.25,
    )  # fmt: skip


def test_what_an_encoder_has_never_seen_counts_as_unknown() -> None:
    devices = ["Mobile", "Amiga", "unknown", None]
    mix = of([{"device_type": device} for device in devices]).categories["device_type"]

    assert mix == ClassShares(shares={"Mobile": 0.25, "PC": 0.0, "unknown": 0.5}, gaps=0.25)


def test_every_field_of_the_model_is_in_it_and_it_stays_small() -> None:
    made = of(ROWS)

    assert [*made.numbers, *made.categories] == [*MODEL_FIELDS[:9], "transaction_date", *CATEGORIES]
    assert len(msgspec.json.encode(made)) < 6_000


def test_the_same_rows_in_another_order_make_the_same_text() -> None:
    scores = np.random.default_rng(0).random(len(ROWS)).tolist()

    assert msgspec.json.encode(of(ROWS, scores)) == msgspec.json.encode(of(ROWS[::-1], scores[::-1]))


def test_a_manifest_carries_it_there_and_back(tmp_path: Path) -> None:
    made = of(ROWS)
    write_manifest(SET.write(tmp_path), baseline=made)

    manifest = Scorer.load(tmp_path).artifacts.manifest

    assert manifest is not None
    assert manifest.baseline == made


SPOILT: dict[str, Callable[[Any], object]] = {
    "an edge less": lambda found: found["score"]["edges"].pop(),
    "edges out of order": lambda found: found["score"]["edges"].reverse(),
    "a share above 1": lambda found: found["score"]["shares"].__setitem__(0, 1.5),
    "shares that do not make 1": lambda found: found["numbers"]["time_on_page"].update(gaps=0.5),
    "classes that do not make 1": lambda found: found["categories"]["language"].update(shares={}),
    "no class for what was never seen": lambda found: found["categories"]["language"].update(
        shares={"english": 1}, gaps=0
    ),
    "no rows": lambda found: found.update(rows=0),
    "a field less": lambda found: found["numbers"].pop("click_events"),
    "a category less": lambda found: found["categories"].pop("language"),
    "no score": lambda found: found.pop("score"),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_one_that_nothing_can_be_measured_against_is_refused(tmp_path: Path, fault: str) -> None:
    write_manifest(SET.write(tmp_path), baseline=of(ROWS))
    path = tmp_path / "manifest.json"
    manifest = json.loads(path.read_text())
    SPOILT[fault](manifest["baseline"])
    path.write_text(json.dumps(manifest))

    assert "manifest.json" in refused(tmp_path)
