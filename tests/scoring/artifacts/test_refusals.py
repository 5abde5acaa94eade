"""Which sets of artifacts are refused, for what reason, in one line that names the file."""

import pathlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.preprocessing import LabelEncoder, MinMaxScaler

from tests.support.artifacts.loading import FILES, SET, refused
from tests.support.artifacts.pickling import with_trees_rewritten
from tests.support.artifacts.sets import CLASSES, FEATURE_COLS, FiveFiles, encoder
from tests.support.oracle.reading import CATEGORIES, DATE, MODEL_FIELDS, NUMBERS


def without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def forest_of(labels: Any, kind: Any = RandomForestClassifier, columns: int = len(FEATURE_COLS)) -> Any:
    random = np.random.default_rng(0)
    return kind(2, random_state=0, max_depth=2).fit(random.normal(size=(60, columns)), labels)


def changed(scaler: Any, **attributes: Any) -> Any:
    again = pickle.loads(pickle.dumps(scaler))
    vars(again).update(attributes)
    return again


def one_changed(array: Any, value: float) -> Any:
    again = np.array(array)
    again[3] = value
    return again


def imputing(**values: Any) -> FiveFiles:
    return SET._replace(imputation_values=SET.imputation_values | values)


REFUSED: dict[str, tuple[FiveFiles, str]] = {
    **{
        f"no class unknown for {field}": (
            SET._replace(
                label_encoders=SET.label_encoders | {field: encoder(tuple(c for c in CLASSES[field] if c != "unknown"))}
            ),
            field,
        )
        for field in CATEGORIES
    },
    **{
        f"no imputation value for {field}": (
            SET._replace(imputation_values=without(SET.imputation_values, field)),
            field,
        )
        for field in MODEL_FIELDS
    },
    **{f"{field} imputed by a class unheard of": (imputing(**{field: "Amiga"}), field) for field in CATEGORIES},
    **{f"{field} imputed by NaN": (imputing(**{field: float("nan")}), field) for field in NUMBERS},
    "imputed by infinity": (imputing(time_on_page=np.float64("inf")), "time_on_page"),
    "imputed by a huge integer": (imputing(time_on_page=10**400), "time_on_page"),
    "imputed by more than an event may hold": (imputing(time_on_page=1e13), "time_on_page"),
    "a count imputed by less than nought": (imputing(click_events=-1), "click_events"),
    "a number imputed by true": (imputing(click_events=True), "click_events"),
    "a number imputed by text": (imputing(click_events="0"), "click_events"),
    "a category imputed by a number": (imputing(device_type=0), "device_type"),
    "a category imputed by nothing": (imputing(device_type=None), "device_type"),
    "a date imputed by what is none": (imputing(transaction_date="yesterday"), DATE),
    "a date imputed by NaT": (imputing(transaction_date=pd.NaT), "imputation_values"),
    "a date imputed by a number": (imputing(transaction_date=3.0), DATE),
    "an encoder less": (SET._replace(label_encoders=without(SET.label_encoders, "language")), "language"),
    "an encoder of numbers": (
        SET._replace(label_encoders=SET.label_encoders | {"language": LabelEncoder().fit([1, 2])}),
        "language",
    ),
    "a column less": (SET._replace(feature_cols=SET.feature_cols[1:]), str(len(FEATURE_COLS) - 1)),
    "a column more": (SET._replace(feature_cols=[*SET.feature_cols, "label"]), str(len(FEATURE_COLS) + 1)),
    "no columns": (SET._replace(feature_cols=[]), "feature_cols"),
    "columns that are no names": (SET._replace(feature_cols=list(range(len(FEATURE_COLS)))), "feature_cols"),
    "a scaler of fewer columns": (
        SET._replace(scaler=changed(SET.scaler, mean_=SET.scaler.mean_[1:], scale_=SET.scaler.scale_[1:])),
        "scaler",
    ),
    "a mean that is NaN": (
        SET._replace(scaler=changed(SET.scaler, mean_=one_changed(SET.scaler.mean_, np.nan))),
        "mean",
    ),
    "a scale that is infinite": (
        SET._replace(scaler=changed(SET.scaler, scale_=one_changed(SET.scaler.scale_, np.inf))),
        "scale",
    ),
    "a scale of nought": (SET._replace(scaler=changed(SET.scaler, scale_=one_changed(SET.scaler.scale_, 0))), "scale"),
    "another scaler": (SET._replace(scaler=MinMaxScaler().fit(np.zeros((2, len(FEATURE_COLS))))), "scaler"),
    "a forest of other columns": (SET._replace(rf_model=forest_of(np.arange(60) % 2, columns=7)), "7"),
    "three classes": (SET._replace(rf_model=forest_of(np.arange(60) % 3)), "class"),
    "one class": (SET._replace(rf_model=forest_of(np.zeros(60))), "class"),
    "two outputs": (SET._replace(rf_model=forest_of(np.arange(120).reshape(60, 2) % 4 // 2)), "class"),
    "classes by other names": (SET._replace(rf_model=forest_of(np.where(np.arange(60) % 2, "fraud", "fair"))), "class"),
    "trees that share their nodes": (
        SET._replace(rf_model=changed(SET.rf_model, estimators_=SET.rf_model.estimators_[:1] * 50)),
        "rf_model",
    ),
    "an object of another class in a file": (SET._replace(imputation_values={"a": pathlib.PurePosixPath()}), "pathlib"),
    "no fitted forest": (SET._replace(rf_model=RandomForestClassifier()), "rf_model"),
    "a forest of another kind": (SET._replace(rf_model=forest_of(np.arange(60) % 2, ExtraTreesClassifier)), "rf_model"),
    "a regressor": (SET._replace(rf_model=forest_of(np.arange(60) % 2, RandomForestRegressor)), "rf_model"),
    "files changed about": (FiveFiles(*SET[::-1]), "feature_cols"),
    "a list for a dict": (SET._replace(imputation_values=[1, 2]), "imputation_values"),
    "None for a dict": (SET._replace(label_encoders=None), "label_encoders"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_set_is_refused_with_the_reason(tmp_path: Path, reason: str) -> None:
    files, named = REFUSED[reason]

    assert named in refused(files.write(tmp_path)).replace(str(tmp_path), "")


def rewritten(field: str, value: float, nodes: slice = slice(None)) -> Callable[[dict[str, Any]], None]:
    def rewrite(state: dict[str, Any]) -> None:
        state["nodes"] = state["nodes"].copy()
        state["nodes"][field][nodes] = value

    return rewrite


def leaves_of(value: float | tuple[float, float]) -> Callable[[dict[str, Any]], None]:
    def rewrite(state: dict[str, Any]) -> None:
        state["values"] = np.full_like(state["values"], value)

    return rewrite


TREES = {
    "a child beyond the tree": rewritten("left_child", 10**6, slice(0, 1)),
    "a child before the tree": rewritten("right_child", -5, slice(0, 1)),
    "a node that is its own child": rewritten("left_child", 0, slice(0, 1)),
    "a walk that never ends": rewritten("right_child", 0, slice(1, 2)),
    "a feature beyond the last": rewritten("feature", len(FEATURE_COLS), slice(0, 1)),
    "a feature before the first": rewritten("feature", -1, slice(0, 1)),
    "a threshold that is NaN": rewritten("threshold", np.nan, slice(0, 1)),
    "leaves that are NaN": leaves_of(np.nan),
    "leaves that are more than certain": leaves_of((0.0, 1 + 5e-10)),
    "leaves too heavy to add": leaves_of(1.7e308),
    "leaves that are infinite": leaves_of(np.inf),
    "leaves below nought": leaves_of(-1.0),
    "no nodes": lambda state: state.update(nodes=state["nodes"][:0], values=state["values"][:0]),
    "fewer values than nodes": lambda state: state.update(values=state["values"][:-1]),
    "nodes of another kind": lambda state: state.update(nodes=np.zeros(3)),
    "values of text": lambda state: state.update(values=np.array(["a"])),
}


@pytest.mark.parametrize("fault", TREES)
def test_a_forest_that_could_not_be_walked_is_refused(tmp_path: Path, fault: str) -> None:
    SET.write(tmp_path)
    (tmp_path / "rf_model.pkl").write_bytes(with_trees_rewritten(SET.rf_model, TREES[fault]))

    assert "rf_model" in refused(tmp_path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "data", [b"", b"not a pickle", b"\x80\x04", b"\x80\xff.", b"(((((", b"{}", b"\x80\x04N.", b"]."]
)
def test_what_is_no_pickle_of_the_kind_is_refused_naming_the_file(tmp_path: Path, name: str, data: bytes) -> None:
    SET.write(tmp_path)
    (tmp_path / name).write_bytes(data)

    assert name in refused(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_or_missing_is_named(tmp_path: Path, name: str) -> None:
    SET.write(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-20])
    assert name in refused(tmp_path)

    (tmp_path / name).unlink()
    assert name in refused(tmp_path)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "nowhere" in refused(tmp_path / "nowhere")
