"""The loops from columns to scores: the same compiled and as plain Python, for whatever a set or a batch holds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import Scorer
from scoring.columns import Columns
from scoring.decoding import decode_any
from scoring.forest import Forest
from scoring.kernels.attribution import ATTRIBUTE
from scoring.kernels.compiled import Kernels
from scoring.kernels.features import OWN_VALUES, PREPARE
from scoring.kernels.forest import BLOCKS, WALK, WIDTH
from scoring.model import FEATURES, Tree
from tests.scoring.conftest import Pair, load, quiet
from tests.support.artifacts.sets import CLASSES, encoder, random_event, small_set
from tests.support.oracle import scoring
from tests.support.oracle.agreement import assert_agrees
from tests.support.strategies import events

PLAIN = Kernels(PREPARE.function, WALK.function, ATTRIBUTE.function)
CITIES = [f"{number:05d} {'x' * 193}é" for number in range(10_000)]  # 200 bytes and one more


def bits(scorer: Scorer, columns: Columns) -> tuple[Any, ...]:
    """All that is said of some events, to the bit."""
    with np.errstate(over="ignore"):  # plain functions warn of a rate over next to no time
        scored = scorer.score_columns(columns)
        raw = scorer._preprocessor.prepare(columns).raw
    said = (scored.scores, scored.levels, scored.rules, scored.gap_bits, scored.unseen_bits, raw)
    return (*(each.tobytes() for each in said), repr(scored.contributions))


@given(st.lists(events(), max_size=WIDTH + 2))
def test_compiled_and_plain_kernels_say_the_same(all_high: Scorer, pairs: list[Pair], batch: list[Any]) -> None:
    columns = decode_any(batch).columns
    for scorer in (all_high, *(pair.scorer for pair in pairs)):
        with pytest.MonkeyPatch.context() as patch:
            said = bits(scorer, columns)
            for part in (scorer._preprocessor, scorer._forest):
                patch.setattr(part, "_kernels", PLAIN)
            assert bits(scorer, columns) == said


@pytest.mark.parametrize("n", [0, 1, WIDTH - 1, WIDTH, WIDTH + 1, WIDTH * BLOCKS, WIDTH * BLOCKS + 1, 300])
def test_an_event_scores_the_same_in_a_batch_of_any_size(pairs: list[Pair], n: int) -> None:
    batch = [random_event(np.random.default_rng([n, row])) for row in range(n)]
    for pair in pairs:
        together = pair.scorer.score_columns(decode_any(batch).columns)
        alone = [pair.scorer.score(event) for event in batch]
        assert [together.verdict(row) for row in range(n)] == alone


def test_thousands_of_cities_with_long_names_are_told_apart(tmp_path: Path) -> None:
    classes = {**CLASSES, "geolocation_city": (*CITIES, "unknown", "Mumbai")}
    files = small_set(4, label_encoders={field: encoder(each) for field, each in classes.items()})
    pair = load(files, tmp_path)
    batch = [quiet(geolocation_city=city, click_events=i % 40) for i, city in enumerate([*CITIES, CITIES[0] + "x", ""])]

    columns = decode_any(batch).columns
    raw = pair.scorer._preprocessor.prepare(columns).raw
    places = {str(name): place for place, name in enumerate(files.label_encoders["geolocation_city"].classes_)}

    expected = [places.get(event["geolocation_city"], places["unknown"]) for event in batch]
    assert raw[files.feature_cols.index("geolocation_city")].tolist() == expected
    for row in (0, 1, 9_999, 10_000, 10_001):
        assert_agrees(pair.scorer.score_columns(columns).verdict(row), scoring.judge(pair.model, batch[row]))


def test_of_equal_contributions_the_first_features_are_shown() -> None:
    zeros = np.zeros((1, 4))
    inner = Tree(
        np.array([1, 3, -1, -1, -1]),
        np.array([2, 4, -1, -1, -1]),
        np.array([3, 1, 0, 0, 0]),
        np.zeros(5),
        np.array([0.5, 0.25, 0, 0.5, 0]),
    )

    moved, largest = Forest([inner], np.zeros(4), np.ones(4)).contributions(zeros.T.copy(), np.array([0]), 3)

    assert moved.tolist() == [[0.0, 0.25, 0.0, -0.25]]
    assert largest.tolist() == [[1, 3, 0]]


def test_every_feature_has_its_place() -> None:
    assert len(FEATURES) == OWN_VALUES - 1
