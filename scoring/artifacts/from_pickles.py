"""Read the five files into a Model. All reasons to refuse a set have their messages here."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.artifacts.compression import Content, decompress
from scoring.artifacts.imputed_hour import hour_of
from scoring.artifacts.manifest import FILES
from scoring.artifacts.pandas_types import names_of
from scoring.artifacts.pickle_types import Record
from scoring.artifacts.unpickler import unpickle
from scoring.contract import CATEGORIES, DATE, NUMERIC, UNKNOWN, expected
from scoring.errors import ArtifactError, UnreadableFileError
from scoring.model import LEAF, MOST_FEATURES, MOST_NODES, Imputation, Model, Tree
from scoring.validation import find_value_fault

RF_MODEL, SCALER, LABEL_ENCODERS, FEATURE_COLS, IMPUTATION_VALUES = FILES
Numbers = NDArray[np.float64]

_NODE: Final = {"left_child": "i", "right_child": "i", "feature": "i", "threshold": "f"}  # numpy's kinds
_MOST_NAME: Final = 200  # characters of a column's name
_MOST: Final = 1e300  # weight at a node: two can be added
_OLDEST: Final = "0.23"  # of scikit-learn: the first whose forests say how many columns they take


def read_model(files: Mapping[str, bytes]) -> Model:
    """Decompress, unpickle and check the five files. Raises ArtifactError with the file and the reason."""
    contents = {name: _content(name, files[name]) for name in FILES}
    with _reading(FEATURE_COLS, contents) as content:
        feature_names = _feature_names(names_of(content))
    with _reading(SCALER, contents) as content:
        mean, scale = _scaling(content, len(feature_names))
    with _reading(IMPUTATION_VALUES, contents) as content:
        imputation = _imputation(content)
    with _reading(LABEL_ENCODERS, contents) as content:
        classes = _classes(content, imputation)
    with _reading(RF_MODEL, contents) as content:
        trees = _forest(content, len(feature_names), len(contents[RF_MODEL].data))
    return Model(trees, mean, scale, classes, feature_names, imputation)


def _content(name: str, data: bytes) -> Content:
    with _refusing(name):
        return decompress(data)


@contextmanager
def _reading(name: str, contents: Mapping[str, Content]) -> Iterator[Any]:
    """Yield the content of a file. Any error inside the block refuses the file."""
    with _refusing(name):
        yield unpickle(name, contents[name])


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Turn any error inside the block into an ArtifactError that names the file."""
    try:
        yield
    except ArtifactError:
        raise
    except UnreadableFileError as error:
        raise _refuse(name, error.reason, error.remedy) from None
    except Exception as error:  # noqa: BLE001 - a pickle can hold any object where an array is expected
        raise _refuse(name, f"it is not of the kind expected ({type(error).__name__})") from None


def _refuse(
    name: str, reason: str, remedy: str = "restore the five files of one set, or train it again"
) -> ArtifactError:
    return ArtifactError(f"{name}: refused: {reason}; {remedy}")


def _is_text(value: Any) -> bool:
    """Return True for text that a manifest can hold: without a lone surrogate."""
    return isinstance(value, str) and bool(value.encode(errors="ignore") == value.encode(errors="replace"))


def _is_column(name: Any) -> bool:
    """Return True for the name of a column, which logs will contain."""
    return isinstance(name, str) and len(name) <= _MOST_NAME and name.isprintable()


def _are_distinct(values: Any) -> bool:
    """Return True when no value is repeated; else one long text could be read millions of times."""
    if isinstance(values, np.ndarray):
        return len(np.unique(values)) == len(values)
    return len(set(values)) == len(values)


def _integer(value: Any) -> int | None:
    return int(value) if isinstance(value, int | np.integer) and abs(int(value)) < 1 << 31 else None


def _feature_names(content: Any) -> tuple[str, ...]:
    names = tuple(content) if isinstance(content, list | tuple | np.ndarray) else ()
    if len(names) > MOST_FEATURES:
        raise _refuse(FEATURE_COLS, f"{len(names)} columns, at most {MOST_FEATURES} can be scored")
    if not names or not all(map(_is_column, names)):
        raise _refuse(FEATURE_COLS, "expected a list of column names")
    return tuple(map(str, names))


def _record(name: str, content: Any, class_name: str) -> dict[str, Any]:
    if not isinstance(content, Record) or content.class_name != class_name or not isinstance(content.state, dict):
        raise _refuse(name, f"expected a {class_name}")
    version = content.state.get("_sklearn_version")
    if isinstance(version, str) and _is_before(version, _OLDEST):
        raise _refuse(name, f"written by scikit-learn {version[:20]}", f"train the set again with {_OLDEST} or newer")
    return content.state


def _is_before(version: str, oldest: str) -> bool:
    """Return True when a version is older, by its first two numbers."""
    numbers = re.match(r"(\d{1,4})\.(\d{1,4})", version)
    return numbers is not None and tuple(map(int, numbers.groups())) < tuple(map(int, oldest.split(".")))


def _scaling(content: Any, features: int) -> tuple[Numbers, Numbers]:
    state = _record(SCALER, content, "StandardScaler")
    mean = _numbers("mean", state.get("mean_"), features) if state.get("with_mean", True) else np.zeros(features)
    scale = _numbers("scale", state.get("scale_"), features) if state.get("with_std", True) else np.ones(features)
    if not scale.all():
        raise _refuse(SCALER, "a scale is zero")
    return mean, scale


def _numbers(name: str, content: Any, features: int) -> Numbers:
    if not isinstance(content, np.ndarray) or content.dtype.kind not in "fiu":
        raise _refuse(SCALER, f"it has no {name} for each column: it was never fitted")
    if content.shape != (features,):
        raise _refuse(SCALER, f"it scales {content.size} columns, {FEATURE_COLS} names {features}")
    if not np.isfinite(content).all():
        raise _refuse(SCALER, f"a {name} is not finite")
    return content.astype(np.float64)


def _imputation(content: Any) -> Imputation:
    if not isinstance(content, dict):
        raise _refuse(IMPUTATION_VALUES, "expected a dict of column to value")
    missing = [field for field in (*NUMERIC, *CATEGORIES, DATE) if content.get(field) is None]
    if missing:
        raise _refuse(IMPUTATION_VALUES, f"no value for {', '.join(missing)}")
    numbers = np.array([_number(field, content[field]) for field in NUMERIC])
    for field in CATEGORIES:
        if not isinstance(content[field], str):
            raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not a string")
    return Imputation(numbers, tuple(str(content[field]) for field in CATEGORIES), _hour(content[DATE]))


def _number(field: str, value: Any) -> float:
    if isinstance(value, bool | np.bool_ | complex) or not isinstance(value, int | float | np.number):
        raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not a number")
    if isinstance(value, float | np.floating) and not math.isfinite(value):
        raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not finite")
    if find_value_fault(field, value.item() if isinstance(value, np.number) else value) is not None:
        # filling a gap with a value that no event may have would bring NaN to the forest
        raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not {expected(field)}")
    return float(value)


def _hour(value: Any) -> int:
    hour = hour_of(value)
    if hour is None:
        raise _refuse(IMPUTATION_VALUES, f"the value for {DATE} is no local date")
    return hour


def _classes(content: Any, imputation: Imputation) -> dict[str, tuple[str, ...]]:
    if not isinstance(content, dict):
        raise _refuse(LABEL_ENCODERS, "expected a dict of column to LabelEncoder")
    missing = [field for field in CATEGORIES if field not in content]
    if missing:
        raise _refuse(LABEL_ENCODERS, f"no encoder for {', '.join(missing)}")
    classes: dict[str, tuple[str, ...]] = {}
    for field, imputed in zip(CATEGORIES, imputation.categories, strict=True):
        labels = _record(LABEL_ENCODERS, content[field], "LabelEncoder").get("classes_")
        if not isinstance(labels, np.ndarray | list) or not _are_distinct(labels) or not all(map(_is_text, labels)):
            raise _refuse(LABEL_ENCODERS, f"the classes of {field} are not strings, each once")
        classes[field] = tuple(map(str, labels))
        if UNKNOWN not in classes[field]:
            raise _refuse(LABEL_ENCODERS, f"the encoder of {field} has no class {UNKNOWN!r}")
        if imputed not in classes[field]:
            raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not among the classes of its encoder")
    return classes


def _forest(content: Any, features: int, size: int) -> tuple[Tree, ...]:
    state = _record(RF_MODEL, content, "RandomForestClassifier")
    classes = state.get("classes_")
    if _integer(state.get("n_outputs_")) != 1 or not _are_two(classes):
        raise _refuse(RF_MODEL, "expected a forest of two classes, 0 and 1, and one output")
    if (expects := _integer(state.get("n_features_in_"))) != features:
        columns = "no number of columns" if expects is None else f"{expects} columns"
        raise _refuse(RF_MODEL, f"it takes {columns}, {FEATURE_COLS} names {features}")
    estimators = state.get("estimators_")
    if not isinstance(estimators, list | tuple) or not estimators:
        raise _refuse(RF_MODEL, "the forest has no trees: it was never fitted")
    if len(set(map(id, estimators))) != len(estimators):
        raise _refuse(RF_MODEL, "trees are listed twice, as in no forest")
    grown = [_grown(estimator) for estimator in estimators]
    if sum(nodes.nbytes + values.nbytes for nodes, values in grown) > size:
        raise _refuse(RF_MODEL, "trees share their nodes, as no forest's do")
    return tuple(_tree(nodes, values, features) for nodes, values in grown)


def _are_two(classes: Any) -> bool:
    listed = classes.tolist() if isinstance(classes, np.ndarray) else classes
    return isinstance(listed, list) and listed == [0, 1]


def _grown(estimator: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the nodes of a tree and the classes of their samples, without a copy."""
    tree = _record(RF_MODEL, estimator, "DecisionTreeClassifier").get("tree_")
    state = _record(RF_MODEL, tree, "Tree")
    nodes, values = state.get("nodes"), state.get("values")
    if not isinstance(nodes, np.ndarray) or not isinstance(values, np.ndarray) or not _are_nodes(nodes.dtype):
        raise _refuse(RF_MODEL, "a tree has no nodes of the kind that scikit-learn writes")
    if nodes.ndim != 1 or not 0 < len(nodes) <= MOST_NODES or values.shape != (len(nodes), 1, 2):
        raise _refuse(RF_MODEL, "a tree is not of two classes and one output, or too large")
    return nodes, values


def _are_nodes(dtype: np.dtype[Any]) -> bool:
    fields: Mapping[str, tuple[Any, ...]] = dtype.fields or {}
    return all(name in fields and fields[name][0].kind == kind for name, kind in _NODE.items())


def _tree(nodes: NDArray[Any], values: NDArray[Any], features: int) -> Tree:
    left, right, feature = (nodes[name].astype(np.int64) for name in ("left_child", "right_child", "feature"))
    threshold = nodes["threshold"].astype(np.float64)
    _check_nodes(left, right, feature, threshold, features)
    return Tree(left, right, feature, threshold, _probability(values[:, 0, :].astype(np.float64)))


def _check_nodes(
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    feature: NDArray[np.int64],
    threshold: Numbers,
    features: int,
) -> None:
    """Check that every walk ends: children come after their only parent, as scikit-learn grows its trees.

    A threshold may be infinite: a forest that was fitted with gaps separates them so.
    """
    inner = left != LEAF
    children = np.concatenate([left[inner], right[inner]])
    parents = np.tile(np.flatnonzero(inner), 2)
    sound = (
        (children > parents).all()
        and (children < len(left)).all()
        and len(np.unique(children)) == len(children)
        and ((feature[inner] >= 0) & (feature[inner] < features)).all()
        and not np.isnan(threshold[inner]).any()
    )
    if not sound:
        raise _refuse(RF_MODEL, "a tree's nodes do not form a tree")


def _probability(values: Numbers) -> Numbers:
    """Return the probability of class 1, (nodes,). scikit-learn < 1.3 stored weighted counts, which are normalised."""
    if not np.isfinite(values).all() or (values < 0).any() or (values > _MOST).any():
        raise _refuse(RF_MODEL, "a tree's probability is not finite, or negative")
    sums = values.sum(axis=1)
    if not np.allclose(sums, 1.0, rtol=0, atol=1e-9):
        return np.asarray(values[:, 1] / np.where(sums == 0, 1.0, sums))
    if (values > 1).any():
        raise _refuse(RF_MODEL, "a tree's probability is above 1")
    return np.ascontiguousarray(values[:, 1])
