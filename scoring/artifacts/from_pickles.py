"""The five files, unpickled into plain arrays; each reason to refuse a set has its message here."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.artifacts.compression import Content, content_of
from scoring.artifacts.imputed_hour import hour_of
from scoring.artifacts.manifest import FILES
from scoring.artifacts.pandas_types import names_of
from scoring.artifacts.pickle_types import Record
from scoring.artifacts.unpickler import unpickle
from scoring.contract import CATEGORIES, DATE, NUMERIC, UNKNOWN, expected
from scoring.errors import ArtifactError, Unreadable
from scoring.model import LEAF, MOST_FEATURES, MOST_NODES, Imputation, Model, Tree
from scoring.validation import find_value_fault

RF_MODEL, SCALER, LABEL_ENCODERS, FEATURE_COLS, IMPUTATION_VALUES = FILES
Numbers = NDArray[np.float64]

_NODE: Final = {"left_child": "i", "right_child": "i", "feature": "i", "threshold": "f"}  # numpy's kinds
_MOST_NAME: Final = 200  # characters of a column's name
_MOST: Final = 1e300  # weight at a node: two of them can be added
_OLDEST: Final = "0.23"  # of scikit-learn: the first whose forests say how many columns they take


def read_model(files: Mapping[str, bytes]) -> Model:
    """Decompress, unpickle and check the five files. Raises ArtifactError with the file and the reason."""
    contents = {name: _content(name, files[name]) for name in FILES}
    with _reading(FEATURE_COLS, contents) as found:
        feature_names = _feature_names(names_of(found))
    with _reading(SCALER, contents) as found:
        mean, scale = _scaling(found, len(feature_names))
    with _reading(IMPUTATION_VALUES, contents) as found:
        imputation = _imputation(found)
    with _reading(LABEL_ENCODERS, contents) as found:
        classes = _classes(found, imputation)
    with _reading(RF_MODEL, contents) as found:
        trees = _forest(found, len(feature_names), len(contents[RF_MODEL].data))
    return Model(trees, mean, scale, classes, feature_names, imputation)


def _content(name: str, data: bytes) -> Content:
    with _refusing(name):
        return content_of(data)


@contextmanager
def _reading(name: str, contents: Mapping[str, Content]) -> Iterator[Any]:
    """Yield what the file holds. Whatever else goes wrong inside is the file's fault, too."""
    with _refusing(name):
        yield unpickle(name, contents[name])


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into an ArtifactError that names the file."""
    try:
        yield
    except ArtifactError:
        raise
    except Unreadable as error:
        raise _refuse(name, error.reason, error.remedy) from None
    except Exception as error:  # noqa: BLE001 - where an array was expected a pickle can hold anything at all
        raise _refuse(name, f"it is not of the kind expected ({type(error).__name__})") from None


def _refuse(
    name: str, reason: str, remedy: str = "restore the five files of one set, or train it again"
) -> ArtifactError:
    return ArtifactError(f"{name}: refused: {reason}; {remedy}")


def _is_text(value: Any) -> bool:
    """Whether it can be looked up, and written into a manifest: a lone surrogate could not."""
    return isinstance(value, str) and bool(value.encode(errors="ignore") == value.encode(errors="replace"))


def _is_column(name: Any) -> bool:
    """Whether it can be the name of a column, which a log will show."""
    return isinstance(name, str) and len(name) <= _MOST_NAME and name.isprintable()


def _are_distinct(values: Any) -> bool:
    """Whether no value is listed twice, as in no encoder; else one long text could be read millions of times."""
    if isinstance(values, np.ndarray):
        return len(np.unique(values)) == len(values)
    return len(set(values)) == len(values)


def _integer(value: Any) -> int | None:
    return int(value) if isinstance(value, int | np.integer) and abs(int(value)) < 1 << 31 else None


def _feature_names(found: Any) -> tuple[str, ...]:
    names = tuple(found) if isinstance(found, list | tuple | np.ndarray) else ()
    if len(names) > MOST_FEATURES:
        raise _refuse(FEATURE_COLS, f"{len(names)} columns, at most {MOST_FEATURES} can be scored")
    if not names or not all(map(_is_column, names)):
        raise _refuse(FEATURE_COLS, "expected a list of column names")
    return tuple(map(str, names))


def _record(name: str, found: Any, class_name: str) -> dict[str, Any]:
    if not isinstance(found, Record) or found.class_name != class_name or not isinstance(found.state, dict):
        raise _refuse(name, f"expected a {class_name}")
    version = found.state.get("_sklearn_version")
    if isinstance(version, str) and _is_before(version, _OLDEST):
        raise _refuse(name, f"written by scikit-learn {version[:20]}", f"train the set again with {_OLDEST} or newer")
    return found.state


def _is_before(version: str, oldest: str) -> bool:
    """Whether a version is older, by its first two numbers."""
    numbers = re.match(r"(\d{1,4})\.(\d{1,4})", version)
    return numbers is not None and tuple(map(int, numbers.groups())) < tuple(map(int, oldest.split(".")))


def _scaling(found: Any, features: int) -> tuple[Numbers, Numbers]:
    state = _record(SCALER, found, "StandardScaler")
    mean = _numbers("mean", state.get("mean_"), features) if state.get("with_mean", True) else np.zeros(features)
    scale = _numbers("scale", state.get("scale_"), features) if state.get("with_std", True) else np.ones(features)
    if not scale.all():
        raise _refuse(SCALER, "a scale is zero")
    return mean, scale


def _numbers(what: str, found: Any, features: int) -> Numbers:
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
        raise _refuse(SCALER, f"it has no {what} for each column: it was never fitted")
    if found.shape != (features,):
        raise _refuse(SCALER, f"it scales {found.size} columns, {FEATURE_COLS} names {features}")
    if not np.isfinite(found).all():
        raise _refuse(SCALER, f"a {what} is not finite")
    return found.astype(np.float64)


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
    if isinstance(value, bool | np.bool_ | complex) or not isinstance(value, int | float | np.number):
        raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not a number")
    if isinstance(value, float | np.floating) and not math.isfinite(value):
        raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not finite")
    if find_value_fault(field, value.item() if isinstance(value, np.number) else value) is not None:
        # a gap filled with what no event may hold would bring NaN before the forest
        raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not {expected(field)}")
    return float(value)


def _hour(value: Any) -> int:
    hour = hour_of(value)
    if hour is None:
        raise _refuse(IMPUTATION_VALUES, f"the value for {DATE} is no local date")
    return hour


def _classes(found: Any, imputation: Imputation) -> dict[str, tuple[str, ...]]:
    if not isinstance(found, dict):
        raise _refuse(LABEL_ENCODERS, "expected a dict of column to LabelEncoder")
    missing = [field for field in CATEGORIES if field not in found]
    if missing:
        raise _refuse(LABEL_ENCODERS, f"no encoder for {', '.join(missing)}")
    classes: dict[str, tuple[str, ...]] = {}
    for field, imputed in zip(CATEGORIES, imputation.categories, strict=True):
        known = _record(LABEL_ENCODERS, found[field], "LabelEncoder").get("classes_")
        if not isinstance(known, np.ndarray | list) or not _are_distinct(known) or not all(map(_is_text, known)):
            raise _refuse(LABEL_ENCODERS, f"the classes of {field} are not strings, each once")
        classes[field] = tuple(map(str, known))
        if UNKNOWN not in classes[field]:
            raise _refuse(LABEL_ENCODERS, f"the encoder of {field} has no class {UNKNOWN!r}")
        if imputed not in classes[field]:
            raise _refuse(IMPUTATION_VALUES, f"the value for {field} is not among the classes of its encoder")
    return classes


def _forest(found: Any, features: int, size: int) -> tuple[Tree, ...]:
    state = _record(RF_MODEL, found, "RandomForestClassifier")
    classes = state.get("classes_")
    if _integer(state.get("n_outputs_")) != 1 or not _are_two(classes):
        raise _refuse(RF_MODEL, "expected a forest of two classes, 0 and 1, and one output")
    if (taken := _integer(state.get("n_features_in_"))) != features:
        columns = "no number of columns" if taken is None else f"{taken} columns"
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
    """The nodes of a tree and what their samples were, uncopied."""
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
    """Every walk must end: children come after their parent, and each has one, as scikit-learn grows its trees.

    A threshold may be infinite: a forest that was fitted with gaps parts them from all else so.
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
    """Of class 1, (nodes,). scikit-learn < 1.3 stored weighted counts, which it divided by their sum when asked."""
    if not np.isfinite(values).all() or (values < 0).any() or (values > _MOST).any():
        raise _refuse(RF_MODEL, "a tree's probability is not finite, or negative")
    sums = values.sum(axis=1)
    if not np.allclose(sums, 1.0, rtol=0, atol=1e-9):
        return np.asarray(values[:, 1] / np.where(sums == 0, 1.0, sums))
    if (values > 1).any():
        raise _refuse(RF_MODEL, "a tree's probability is above 1")
    return np.ascontiguousarray(values[:, 1])
