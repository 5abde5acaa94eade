"""Find leakage: sessions or users shared with the training data, and fields that alone reveal the label."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from scoring.columns import Columns
from scoring.contract import CATEGORIES, DATE, NUMERIC
from scoring.local_time import NO_HOUR
from scoring.tables import TableOptions
from training import train_extra
from training.data_checks import MIN_USERS, leak_doubts
from training.duplicates import fingerprints
from training.evaluation.ranking import Flags, Floats, Labels, Ranking
from training.labelled_sessions import LabelledSessions
from training.labels import LabelColumn
from training.reader import ReadOptions, read_sessions
from training.splitting import Indices, user_groups

with train_extra():
    import pandas as pd

SEARCHED: Final = 30_000  # rows of a file that is not read for its labels
QUANTILES: Final = 64  # classes of a number


@dataclass(frozen=True)
class Overlap:
    """Rows of a file that the training data has too."""

    rows: Flags  # (n,): all fields of the contract equal those of a training row; ids and label apart
    users: Flags  # (n,): the user is in the training data

    @property
    def unseen(self) -> Flags:
        """Return the rows that are neither."""
        return ~(self.rows | self.users)


def find_overlap(data: LabelledSessions, training: LabelledSessions) -> Overlap:
    """Compare the rows and users of `data` with the training data."""
    rows = np.isin(fingerprints(data.columns, data.dates), fingerprints(training.columns, training.dates))
    users = pd.unique(training.users[training.users != ""])
    return Overlap(rows, pd.Series(data.users).isin(users).to_numpy())


def single_field_aucs(columns: Columns, label: Labels, groups: Indices) -> dict[str, float]:
    """Return the best ROC AUC that each field reaches by itself.

    Candidates are the values of a number in their order, and the share of attacks among other users' sessions of the
    same value (numbers in 64 classes of equal size), with gaps as a value and without. Empty with fewer than five
    users of a class: then any field may reveal the label by chance.
    """
    if not _enough(label, groups):
        return {}
    aucs = {name: _number_auc(values, label, groups) for name, values in zip(NUMERIC, columns.numbers, strict=True)}
    for name, codes in zip(CATEGORIES, columns.codes.astype(np.int64), strict=True):  # GAP is -1
        aucs[name] = _class_auc(codes, label, groups)
    hours = columns.hours
    aucs[DATE] = _class_auc(np.where(hours == NO_HOUR, -1, hours), label, groups)
    return aucs


def leaks_in_file(path: Path, label: LabelColumn, table: TableOptions) -> tuple[str, ...]:
    """Return a line per field that alone reveals the label, by a file's first rows.

    Raises TrainingError as `read_sessions` does.
    """
    options = ReadOptions(label, replace(table, allow_missing=True), to_train=False, most_rows=SEARCHED)
    data = read_sessions(path, options)
    return leak_doubts(path.name, single_field_aucs(data.columns, data.label, user_groups(data.users)))


def _enough(label: Labels, groups: Indices) -> bool:
    return all(len(np.unique(groups[label == value])) >= MIN_USERS for value in (0, 1))


def _number_auc(values: Floats, label: Labels, groups: Indices) -> float:
    present = ~np.isnan(values)
    edges = np.unique(np.quantile(values[present], np.linspace(0, 1, QUANTILES + 1))) if present.any() else values[:0]
    auc = _class_auc(np.where(present, np.searchsorted(edges, values), -1), label, groups)
    if _enough(label[present], groups[present]):
        ordered = Ranking.of(label[present], values[present]).curve().roc_auc()
        auc = max(auc, ordered, 1 - ordered)
    return auc


def _class_auc(classes: Indices, label: Labels, groups: Indices) -> float:
    """Return the better of two: a gap, -1, as a class of its own, or left out."""
    auc = _auc_by_others(classes + 1, label, groups)
    present = classes >= 0
    if present.all() or not _enough(label[present], groups[present]):
        return auc
    return max(auc, _auc_by_others(classes[present], label[present], groups[present]))


def _auc_by_others(classes: Indices, label: Labels, groups: Indices) -> float:
    """Return the ROC AUC of the share of attacks that a class has among the other half of the users."""
    scores = np.empty(len(label))
    for half in (0, 1):
        rows = groups % 2 == half
        total = np.bincount(classes[~rows], minlength=classes.max() + 1)
        attacks = np.bincount(classes[~rows], weights=label[~rows], minlength=len(total))
        scores[rows] = ((attacks + label.mean()) / (total + 1))[classes[rows]]
    return Ranking.of(label, scores).curve().roc_auc()
