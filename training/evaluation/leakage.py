"""What makes figures too good: sessions or users of the training data, and fields that alone tell the label."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns
from scoring.contract import CATEGORIES, DATE, NUMERIC
from scoring.errors import MissingExtra
from scoring.local_time import NO_HOUR
from scoring.tables import Renames, TableOptions
from training import guards
from training.duplicates import by_field
from training.evaluation.measures import Flags
from training.evaluation.ranking import Floats, Labels, Ranking
from training.guards import LEAST_USERS
from training.reading import LabelColumn, Labelled, Reading, read
from training.splitting import groups_of

try:
    import pandas as pd
except ImportError:
    raise MissingExtra("training", "train") from None

SEARCHED: Final = 30_000  # rows of a file that is not read for its labels
QUANTILES: Final = 64  # a number is read in so many classes

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Shared:
    """What a file has in common with the training data."""

    rows: Flags  # (n,): all fields of the contract are those of a training row; ids and label apart
    users: Flags  # (n,): the user is one of the training data's

    @property
    def unseen(self) -> Flags:
        """The sessions that are neither."""
        return ~(self.rows | self.users)


def shared(data: Labelled, training: Labelled) -> Shared:
    """Which sessions of `data` the training data knows."""
    known = pd.unique(training.users[training.users != ""])
    return Shared(np.isin(_hashes(data), _hashes(training)), pd.Series(data.users).isin(known).to_numpy())


def _hashes(data: Labelled) -> NDArray[np.uint64]:
    """(n,): one number for what a session holds in the fields of the contract, its date to the second."""
    frame = pd.DataFrame({**by_field(data.columns), DATE: data.dates.astype(np.int64)})
    return np.asarray(pd.util.hash_pandas_object(frame, index=False), dtype=np.uint64)


def single_fields(columns: Columns, label: Labels, groups: Places) -> dict[str, float]:
    """How well each field alone tells attacks from honest sessions: the best ROC AUC that was found for it.

    Tried are the values of a number in their order, and the share of attacks among other users' sessions of the same
    value (numbers in 64 classes of equal size), once with gaps as a value, once without. Empty with fewer than five
    users of a class: then any field may tell the label by chance.
    """
    if not _enough(label, groups):
        return {}
    found = {name: _of_number(values, label, groups) for name, values in zip(NUMERIC, columns.numbers, strict=True)}
    for name, codes in zip(CATEGORIES, columns.codes.astype(np.int64), strict=True):  # GAP is -1
        found[name] = _of_classes(codes, label, groups)
    hours = columns.hours
    found[DATE] = _of_classes(np.where(hours == NO_HOUR, -1, hours), label, groups)
    return found


def leaks_of_file(path: Path, label: LabelColumn, renames: Renames) -> tuple[str, ...]:
    """Name each field that alone tells the label in the first rows of a file. Raises TrainingError as `read` does."""
    table = TableOptions(allow_missing=True, renames=renames)
    data = read(path, how=Reading(label, table, to_train=False, most_rows=SEARCHED))
    return guards.leaks(path.name, single_fields(data.columns, data.label, groups_of(data.users)))


def _enough(label: Labels, groups: Places) -> bool:
    return all(len(np.unique(groups[label == each])) >= LEAST_USERS for each in (0, 1))


def _of_number(values: Floats, label: Labels, groups: Places) -> float:
    known = ~np.isnan(values)
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, QUANTILES + 1))) if known.any() else values[:0]
    classes = np.where(known, np.searchsorted(edges, values), -1)
    found = _of_classes(classes, label, groups)
    if _enough(label[known], groups[known]):
        auc = Ranking.of(label[known], values[known]).curve().roc_auc()
        found = max(found, auc, 1 - auc)
    return found


def _of_classes(classes: Places, label: Labels, groups: Places) -> float:
    """The better of two: a gap, -1, is a class of its own, or is left out."""
    found = _by_others(classes + 1, label, groups)
    known = classes >= 0
    if known.all() or not _enough(label[known], groups[known]):
        return found
    return max(found, _by_others(classes[known], label[known], groups[known]))


def _by_others(classes: Places, label: Labels, groups: Places) -> float:
    """ROC AUC of the share of attacks that a class has among the other half of the users."""
    scores = np.empty(len(label))
    for half in (0, 1):
        here = groups % 2 == half
        every = np.bincount(classes[~here], minlength=classes.max() + 1)
        attacks = np.bincount(classes[~here], weights=label[~here], minlength=len(every))
        scores[here] = ((attacks + label.mean()) / (every + 1))[classes[here]]
    return Ranking.of(label, scores).curve().roc_auc()
