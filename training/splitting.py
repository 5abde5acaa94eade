"""Split labelled sessions: folds of whole users, and a fifth held out as a test set."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from training import TrainingError, train_extra
from training.labelled_sessions import LabelledSessions

with train_extra():
    import pandas as pd

TEST_SHARE: Final = 0.2
_FOLDS, _USERS = 1, 2  # added to the seed: independent draws of folds and of test users

Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]


Split = Literal["time", "group"]
"""The fifth to hold out: the newest sessions, or those of some users."""


@dataclass(frozen=True)
class TrainTestSplit:
    """Two disjoint parts of n sessions."""

    train: Flags  # (n,)
    test: Flags  # (n,)
    name: str  # of the test set, in words
    notes: tuple[str, ...]


def train_test_split(data: LabelledSessions, split: Split, seed: int) -> TrainTestSplit:
    """Hold out a fifth. Rows without a date (`time`) or a user (`group`) are in neither part; a note counts them.

    Raises TrainingError when no row can be assigned, or a part lacks a class.
    """
    parts = _newest(data) if split == "time" else _some_users(data, seed)
    for name, part in (("the rest of the data", parts.train), (parts.name, parts.test)):
        labels = np.unique(data.label[part])
        if len(labels) < 2:
            fault = f"every label is {labels[0]}" if len(labels) else "there is no session"
            raise TrainingError(f"--split {split}: in {name} {fault}: training and testing need both classes")
    return parts


def _newest(data: LabelledSessions) -> TrainTestSplit:
    dated = ~np.isnat(data.dates)
    if not dated.any():
        raise TrainingError("--split time: no session has a date: use --split group")
    dates = np.sort(data.dates[dated])
    cut = dates[-max(1, int(TEST_SHARE * len(dates)))]
    test, train = dated & (data.dates >= cut), dated & (data.dates < cut)
    notes = _left_out(int((~dated).sum()), "date")
    seen = np.isin(data.users[test], data.users[train]) & (data.users[test] != "")
    if seen.any():
        notes += (f"{seen.sum():,} of the {test.sum():,} sessions held out are of users who are trained on too",)
    return TrainTestSplit(train, test, f"the newest fifth of the sessions, from {cut}", notes)


def _some_users(data: LabelledSessions, seed: int) -> TrainTestSplit:
    has_user = data.users != ""
    if not has_user.any():
        raise TrainingError("--split group: no session has a user_id: use --split time")
    groups, users = pd.factorize(data.users)
    held_out = np.random.default_rng([seed, _USERS]).permutation(len(users)) < TEST_SHARE * len(users)
    test = has_user & held_out[groups]
    notes = _left_out(int((~has_user).sum()), "user_id")
    return TrainTestSplit(has_user & ~test, test, "the sessions of a fifth of the users", notes)


def _left_out(count: int, lacking: str) -> tuple[str, ...]:
    return (f"{count:,} sessions without {lacking} are neither trained on nor measured",) if count else ()


def user_groups(users: NDArray[np.object_]) -> Indices:
    """Return the number of each row's user, (n,); a row without user_id is a user of its own."""
    groups, names = pd.factorize(users)
    alone = np.flatnonzero(users == "")
    groups[alone] = len(names) + np.arange(len(alone))
    return np.asarray(pd.factorize(groups)[0], dtype=np.int64)


def assign_folds(groups: Indices, label: NDArray[np.int64], folds: int, seed: int) -> Indices:
    """Return the fold of each row, (n,): one fold for a user's rows, attacks and sessions spread evenly.

    Users are dealt out to and fro: first those with most attacks, then with most sessions; ties in random order.
    Raises TrainingError when a fold would lack a class.
    """
    _check_classes(groups, label, folds)
    sessions, attacks = np.bincount(groups), np.bincount(groups, weights=label)
    lot = np.random.default_rng([seed, _FOLDS]).permutation(len(sessions))
    order = lot[np.lexsort((-sessions[lot], -attacks[lot]))]
    to_and_fro = np.concatenate([np.arange(folds), np.arange(folds)[::-1]])
    fold = np.empty(len(sessions), dtype=np.int64)
    fold[order] = np.resize(to_and_fro, len(order))
    of_row: Indices = fold[groups]
    if any(len(np.unique(label[of_row == i])) < 2 for i in range(folds)):
        raise TrainingError(
            f"too few users for cross-validation: with {folds} folds of whole users, one has a single class; "
            "add users, or leave user_id empty to assign sessions one by one"
        )
    return of_row


def _check_classes(groups: Indices, label: NDArray[np.int64], folds: int) -> None:
    """Raise TrainingError for a class with fewer sessions, or fewer users, than folds."""
    for value, name in ((1, "attacks"), (0, "honest sessions")):
        sessions, users = int((label == value).sum()), len(np.unique(groups[label == value]))
        if sessions < folds:
            raise TrainingError(f"too few {name} for cross-validation: {sessions}, and {folds} folds need one each")
        if users < folds:
            raise TrainingError(
                f"too few users for cross-validation: the {sessions:,} {name} are of {users}, and {folds} folds need "
                f"{name} of one user each: add {name} of other users, or leave user_id empty"
            )
