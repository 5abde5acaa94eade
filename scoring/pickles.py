"""The five files, unpickled into plain arrays; each reason to refuse a set has its message here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, DATE, NUMERIC, UNKNOWN
from scoring.errors import ArtifactError
from scoring.forest import LEAF, MOST_FEATURES, MOST_NODES, Tree
from scoring.localtime import hour_as_written, is_local_time
from scoring.manifest import FILES
from scoring.unpickling import Record, unpickle

RF_MODEL, SCALER, LABEL_ENCODERS, FEATURE_COLS, IMPUTATION_VALUES = FILES
_PER_SECOND: Final = {7: 1, 8: 10**3, 9: 10**6, 10: 10**9}  # numpy's unit codes, as pandas pickles a Timestamp


@dataclass(frozen=True, slots=True)
class Imputation:
    """What fills a gap, field by field in the order of the contract's table."""

    numbers: NDArray[np.float64]  # (9,)
    categories: tuple[str, ...]  # six
    hour: int


@dataclass(frozen=True, slots=True)
class Model:
    """What the five files say."""

    trees: tuple[Tree, ...]
    mean: NDArray[np.float64]  # (features,)
    scale: NDArray[np.float64]
    classes: dict[str, tuple[str, ...]]  # category -> classes, in the order of their codes
    feature_names: tuple[str, ...]
    imputation: Imputation


def read_model(files: Mapping[str, bytes]) -> Model:
    """Unpickle and check the five files. Raises ArtifactError with the file and the reason."""
    objects = {name: unpickle(name, files[name]) for name in FILES}
    try:
        return _read(objects)
    except ArtifactError:
        raise
    except Exception as error:  # noqa: BLE001 - where an array was expected a pickle can hold anything at all
        raise ArtifactError(f"the set is refused: it is not of the kind expected: {type(error).__name__}") from None


def _read(objects: Mapping[str, Any]) -> Model:
    feature_names = _feature_names(objects[FEATURE_COLS])
    mean, scale = _scaling(objects[SCALER], len(feature_names))
    imputation = _imputation(objects[IMPUTATION_VALUES])
    classes = _classes(objects[LABEL_ENCODERS], imputation)
    trees = _forest(objects[RF_MODEL], len(feature_names))
    return Model(trees, mean, scale, classes, feature_names, imputation)


def _refuse(name: str, reason: str) -> ArtifactError:
    return ArtifactError(f"{name}: refused: {reason}")


def _feature_names(found: Any) -> tuple[str, ...]:
    names = tuple(found) if isinstance(found, list | tuple | np.ndarray) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise _refuse(FEATURE_COLS, "expected a list of column names")
    if len(names) > MOST_FEATURES:
        raise _refuse(FEATURE_COLS, f"{len(names)} columns, at most {MOST_FEATURES} can be scored")
    return tuple(map(str, names))


def _record(name: str, found: Any, class_name: str) -> dict[str, Any]:
    if not isinstance(found, Record) or found.class_name != class_name or not isinstance(found.state, dict):
        raise _refuse(name, f"expected a {class_name}")
    return found.state


def _scaling(found: Any, features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    state = _record(SCALER, found, "StandardScaler")
    mean = _floats("mean", state.get("mean_") if state.get("with_mean", True) else np.zeros(features))
    scale = _floats("scale", state.get("scale_") if state.get("with_std", True) else np.ones(features))
    for array in (mean, scale):
        if array.shape != (features,):
            raise _refuse(SCALER, f"scales {array.size} columns, {FEATURE_COLS} names {features}")
    if not scale.all():
        raise _refuse(SCALER, "a scale is zero")
    return mean, scale


def _floats(what: str, found: Any) -> NDArray[np.float64]:
    try:
        array = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        raise _refuse(SCALER, f"a {what} is not a number") from None
    if not np.isfinite(array).all():
        raise _refuse(SCALER, f"a {what} is not finite")
    return array


def _imputation(found: Any) -> Imputation:
    if not isinstance(found, dict):
        raise _refuse(IMPUTATION_VALUES, "expected a dict of column to value")
    missing = [field for field in (*NUMERIC, *CATEGORIES, DATE) if found.get(field) is None]
    if missing:
        raise _refuse(IMPUTATION_VALUES, f"no value for {', '.join(missing)}")
    numbers = np.array([_number(field, found[field]) for field in NUMERIC])
    for field in CATEGORIES:
        if not isinstance(found[field], str):
            raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not a string")
    return Imputation(numbers, tuple(str(found[field]) for field in CATEGORIES), _hour(found[DATE]))


def _number(field: str, value: Any) -> float:
    if not isinstance(value, int | float | np.number) or isinstance(value, complex | np.complexfloating):
        raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not a number")
    if not math.isfinite(value):
        raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not finite")
    return float(value)


def _hour(value: Any) -> int:
    """The hour of an imputed date: a pandas Timestamp without a time zone, a numpy datetime64, or text."""
    if isinstance(value, Record) and value.class_name == "_unpickle_timestamp":
        ticks, zone, unit = value.args[0], value.args[2], value.args[3] if len(value.args) > 3 else 10
        if zone is None and isinstance(ticks, int) and unit in _PER_SECOND:
            return ticks // _PER_SECOND[unit] // 3600 % 24
    elif isinstance(value, np.datetime64 | str) and is_local_time(str(value)):
        return hour_as_written(str(value))
    raise _refuse(IMPUTATION_VALUES, f"the value for {DATE} is no local date")


def _classes(found: Any, imputation: Imputation) -> dict[str, tuple[str, ...]]:
    if not isinstance(found, dict):
        raise _refuse(LABEL_ENCODERS, "expected a dict of column to LabelEncoder")
    missing = [field for field in CATEGORIES if field not in found]
    if missing:
        raise _refuse(LABEL_ENCODERS, f"no encoder for {', '.join(missing)}")
    classes: dict[str, tuple[str, ...]] = {}
    for field, imputed in zip(CATEGORIES, imputation.categories, strict=True):
        known = _record(LABEL_ENCODERS, found[field], "LabelEncoder").get("classes_")
        if not isinstance(known, np.ndarray | list) or not all(isinstance(value, str) for value in known):
            raise _refuse(LABEL_ENCODERS, f"the classes of {field} are not strings")
        classes[field] = tuple(map(str, known))
        if UNKNOWN not in classes[field]:
            raise _refuse(LABEL_ENCODERS, f"the encoder of {field} has no class {UNKNOWN!r}")
        if imputed not in classes[field]:
            raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not among the classes of its encoder")
    return classes


def _forest(found: Any, features: int) -> tuple[Tree, ...]:
    state = _record(RF_MODEL, found, "RandomForestClassifier")
    classes = np.asarray(state.get("classes_"))
    if state.get("n_outputs_") != 1 or classes.shape != (2,) or not (classes == np.array([0, 1])).all():
        raise _refuse(RF_MODEL, "expected a forest of two classes, 0 and 1, and one output")
    if state.get("n_features_in_") != features:
        raise _refuse(RF_MODEL, f"takes {state.get('n_features_in_')} columns, {FEATURE_COLS} names {features}")
    estimators = state.get("estimators_")
    if not isinstance(estimators, list | tuple) or not estimators:
        raise _refuse(RF_MODEL, "the forest has no trees: it was never fitted")
    return tuple(_tree(tree, features) for tree in estimators)


def _tree(estimator: Any, features: int) -> Tree:
    grown = _record(RF_MODEL, estimator, "DecisionTreeClassifier").get("tree_")
    state = _record(RF_MODEL, grown, "Tree")
    try:
        nodes, values = state["nodes"], np.asarray(state["values"], dtype=np.float64)
        left, right = nodes["left_child"].astype(np.int64), nodes["right_child"].astype(np.int64)
        feature, threshold = nodes["feature"].astype(np.int64), nodes["threshold"].astype(np.float64)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise _refuse(RF_MODEL, "a tree has no nodes of the kind that scikit-learn writes") from None
    if left.ndim != 1 or not 0 < len(left) <= MOST_NODES or values.shape != (len(left), 1, 2):
        raise _refuse(RF_MODEL, "a tree is not of two classes and one output, or too large")
    _check_nodes(left, right, feature, threshold, features)
    return Tree(left, right, feature, threshold, _probability(values[:, 0, :]))


def _check_nodes(
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    feature: NDArray[np.int64],
    threshold: NDArray[np.float64],
    features: int,
) -> None:
    """Every walk must end: children come after their parent, and each has one, as scikit-learn grows its trees."""
    inner = left != LEAF
    children = np.concatenate([left[inner], right[inner]])
    parents = np.tile(np.flatnonzero(inner), 2)
    sound = (
        (children > parents).all()
        and (children < len(left)).all()
        and len(np.unique(children)) == len(children)
        and ((feature[inner] >= 0) & (feature[inner] < features)).all()
        and np.isfinite(threshold[inner]).all()
    )
    if not sound:
        raise _refuse(RF_MODEL, "a tree's nodes do not form a tree")


def _probability(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of class 1, (nodes,). scikit-learn < 1.3 stored weighted counts, which it divided by their sum when asked."""
    sums = values.sum(axis=1)
    if not np.isfinite(values).all() or (values < 0).any():
        raise _refuse(RF_MODEL, "a tree's probability is not finite or negative")
    if np.allclose(sums, 1.0, rtol=0, atol=1e-9):
        return np.ascontiguousarray(values[:, 1])
    return values[:, 1] / np.where(sums == 0, 1.0, sums)
