"""Which sets of artifacts load, whoever wrote them."""

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import LabelEncoder

from scoring import Scorer
from tests.support.artifacts.loading import EVENTS, FILES, SET, refused, scores
from tests.support.artifacts.pickling import respelt, with_trees_rewritten
from tests.support.artifacts.sets import CLASSES, FEATURE_COLS, encoder, small_set
from tests.support.oracle import scoring


@pytest.fixture
def known(tmp_path: Path) -> list[float]:
    """What the set scores when it is written in the usual way."""
    return scores(SET.write(tmp_path / "known"))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("spelling", [bytes, respelt], ids=["numpy._core", "numpy.core"])
def test_every_pickle_protocol_in_both_spellings_of_numpy(
    tmp_path: Path, known: list[float], protocol: int, spelling: Callable[[bytes], bytes]
) -> None:
    SET.write(tmp_path, protocol)
    for name in FILES:
        data = spelling((tmp_path / name).read_bytes())
        (tmp_path / name).write_bytes(data)
        assert (spelling is bytes) or b"numpy._core" not in data

    assert scores(tmp_path) == known


def test_leaves_that_hold_counts_as_scikit_learn_before_1_3_wrote_them(tmp_path: Path, known: list[float]) -> None:
    def count(state: dict[str, Any]) -> None:
        state["values"] = state["values"] * state["nodes"]["weighted_n_node_samples"][:, None, None]

    SET.write(tmp_path)
    (tmp_path / "rf_model.pkl").write_bytes(with_trees_rewritten(SET.rf_model, count))

    assert scores(tmp_path) == pytest.approx(known, abs=1e-12)


def test_nodes_without_missing_go_to_left_and_with_it_set(tmp_path: Path, known: list[float]) -> None:
    def drop(state: dict[str, Any]) -> None:
        state["nodes"] = state["nodes"][
            [name for name in state["nodes"].dtype.names if name != "missing_go_to_left"]
        ].copy()

    def point_left(state: dict[str, Any]) -> None:
        state["nodes"]["missing_go_to_left"] = 1

    for rewrite in (drop, point_left):
        SET.write(tmp_path)
        (tmp_path / "rf_model.pkl").write_bytes(with_trees_rewritten(SET.rf_model, rewrite))
        assert scores(tmp_path) == known


def test_values_of_any_numeric_type_impute(tmp_path: Path) -> None:
    values: dict[str, Any] = {"click_events": np.int64(2), "scroll_events": 3.0, "touch_events": np.float32(1.5)}
    plain = {"click_events": 2, "scroll_events": 3, "touch_events": 1.5}

    said = [
        scores(small_set(0, imputation_values=SET.imputation_values | each).write(tmp_path)) for each in (values, plain)
    ]

    assert said[0] == said[1]


@pytest.mark.parametrize("protocol", range(6))
def test_a_forest_that_keeps_the_generator_it_was_given(tmp_path: Path, known: list[float], protocol: int) -> None:
    forest = pickle.loads(pickle.dumps(SET.rf_model)).set_params(random_state=np.random.RandomState(0))

    assert scores(SET._replace(rf_model=forest).write(tmp_path, protocol)) == known


def test_encoders_fitted_on_objects_and_on_pandas_text(tmp_path: Path, known: list[float]) -> None:
    for dtype in ("object", "str"):
        fitted = {field: LabelEncoder().fit(pd.Series(classes, dtype=dtype)) for field, classes in CLASSES.items()}
        assert scores(SET._replace(label_encoders=fitted).write(tmp_path)) == known


def test_what_serving_does_not_need_may_stand_in_the_files(tmp_path: Path, known: list[float]) -> None:
    more = SET._replace(
        label_encoders=SET.label_encoders | {"user_id": encoder(("unknown", "user_1"))},
        imputation_values=SET.imputation_values
        | {"label": np.float64("nan"), "clicks_per_sec": None, "user_id": "user_1"},
        feature_cols=[np.str_(name) for name in SET.feature_cols],
    )
    assert scores(more.write(tmp_path)) == known


def test_a_forest_trained_on_a_frame_with_parallel_jobs(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    features = pd.DataFrame(random.normal(size=(200, len(FEATURE_COLS))), columns=list(FEATURE_COLS))
    forest = RandomForestClassifier(3, n_jobs=-1, random_state=0, max_depth=3, oob_score=True, bootstrap=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three trees are too few for an out-of-bag score, which is what is wanted here
        forest.fit(features, features["click_events"] > 0)

    files = small_set(0, feature_cols=list(FEATURE_COLS), rf_model=forest)

    assert scores(files.write(tmp_path))


def test_a_name_that_is_no_feature_counts_nought_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Scorer.load(small_set(0, feature_cols=["click_events", "shoe_size"]).write(tmp_path), allow_unverified=True)

    assert "shoe_size" in caplog.text
    assert "click_events" not in caplog.text


def test_a_set_without_a_manifest_needs_to_be_allowed(tmp_path: Path) -> None:
    SET.write(tmp_path)

    message = refused(tmp_path, allow_unverified=False)

    assert "manifest.json" in message
    assert "verify --write-manifest" in message


def test_a_forest_that_was_fitted_with_gaps_splits_them_off_at_infinity(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(300, len(FEATURE_COLS)))
    label = np.isnan(np.where(random.random(300) < 0.3, np.nan, features[:, 0])).astype(int)
    features[label == 1, 0] = np.nan
    forest = RandomForestClassifier(5, max_depth=3, random_state=0, n_jobs=1).fit(features, label)
    assert any(np.isinf(tree.tree_.threshold).any() for tree in forest.estimators_)

    files = small_set(0, feature_cols=list(FEATURE_COLS), rf_model=forest)
    model, event = files.for_oracle(), EVENTS[1]
    row = files.scaler.transform(np.array([scoring.columns(model, event)]))

    assert scores(files.write(tmp_path))[1] == forest.predict_proba(row)[0, 1]
