"""Who is trained on and who is kept for judging: folds that keep a user together, and a held-out fifth."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from scoring.errors import MissingExtra
from training.errors import TrainingError
from training.reading import Labelled

try:
    import pandas as pd
except ImportError:
    raise MissingExtra("training", "train") from None

HELD_OUT: Final = 0.2
_FOLDS, _USERS = 1, 2  # what a generator draws for, beside the seed

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]


Split = Literal["time", "group"]
"""How the fifth that is held out is chosen: the newest sessions, or some of the users."""


@dataclass(frozen=True)
class HeldOut:
    """Two parts of a set that share no row."""

    rest: Flags  # (n,): trained on
    held: Flags  # (n,): measured on
    name: str  # what was held out, in words
    notes: tuple[str, ...]


def hold_out(data: Labelled, split: Split, seed: int) -> HeldOut:
    """Keep a fifth for judging. Rows that cannot be placed (no date, no user) are in neither part, and counted.

    Raises TrainingError when nothing can be placed, or one of the parts lacks a class.
    """
    parts = _newest(data) if split == "time" else _some_users(data, seed)
    for what, part in (("the rest of the data", parts.rest), (parts.name, parts.held)):
        labels = np.unique(data.label[part])
        if len(labels) < 2:
            said = f"every label is {labels[0]}" if len(labels) else "there is no session"
            raise TrainingError(f"--split {split}: in {what} {said}: both classes are needed to train and to judge")
    return parts


def _newest(data: Labelled) -> HeldOut:
    dated = ~np.isnat(data.dates)
    if not dated.any():
        raise TrainingError("--split time: no session has a date: use --split group")
    dates = np.sort(data.dates[dated])
    cut = dates[-max(1, int(HELD_OUT * len(dates)))]
    held, rest = dated & (data.dates >= cut), dated & (data.dates < cut)
    notes = _left_out(int((~dated).sum()), "date")
    seen = np.isin(data.users[held], data.users[rest]) & (data.users[held] != "")
    if seen.any():
        notes += (f"{seen.sum():,} of the {held.sum():,} sessions held out are of users who are trained on too",)
    return HeldOut(rest, held, f"the newest fifth of the sessions, from {cut}", notes)


def _some_users(data: Labelled, seed: int) -> HeldOut:
    known = data.users != ""
    if not known.any():
        raise TrainingError("--split group: no session has a user_id: use --split time")
    groups, users = pd.factorize(data.users)
    chosen = np.random.default_rng([seed, _USERS]).permutation(len(users)) < HELD_OUT * len(users)
    held = known & chosen[groups]
    notes = _left_out(int((~known).sum()), "user_id")
    return HeldOut(known & ~held, held, "the sessions of a fifth of the users", notes)


def _left_out(count: int, lacking: str) -> tuple[str, ...]:
    return (f"{count:,} sessions without {lacking} are neither trained on nor measured",) if count else ()


def groups_of(users: NDArray[np.object_]) -> Places:
    """(n,): the number of each row's user; a row without one is a user of its own."""
    groups, known = pd.factorize(users)
    alone = np.flatnonzero(users == "")
    groups[alone] = len(known) + np.arange(len(alone))
    return np.asarray(pd.factorize(groups)[0], dtype=np.int64)


def folds_of(groups: Places, label: NDArray[np.int64], folds: int, seed: int) -> Places:
    """(n,): the fold of each row. A user's rows are in one fold; attacks and sessions are spread evenly.

    Users are dealt out, those with most attacks and then most sessions first, to and fro, drawn by lot where equal.
    Raises TrainingError when a fold would lack a class.
    """
    _check_classes(groups, label, folds)
    sessions, attacks = np.bincount(groups), np.bincount(groups, weights=label)
    lot = np.random.default_rng([seed, _FOLDS]).permutation(len(sessions))
    order = lot[np.lexsort((-sessions[lot], -attacks[lot]))]
    to_and_fro = np.concatenate([np.arange(folds), np.arange(folds)[::-1]])
    fold = np.empty(len(sessions), dtype=np.int64)
    fold[order] = np.resize(to_and_fro, len(order))
    of_row: Places = fold[groups]
    for each in range(folds):
        if len(np.unique(label[of_row == each])) < 2:
            raise TrainingError(
                f"too few users to judge by: with {folds} folds of whole users, one has a single class; "
                "add users, or leave user_id empty to judge by session"
            )
    return of_row


def _check_classes(groups: Places, label: NDArray[np.int64], folds: int) -> None:
    """Raise TrainingError for a class with fewer sessions, or fewer users, than folds."""
    for value, name in ((1, "attacks"), (0, "honest sessions")):
        sessions, users = int((label == value).sum()), len(np.unique(groups[label == value]))
        if sessions < folds:
            raise TrainingError(
                f"too few {name} to judge by: {sessions} of them, one for each of {folds} folds is needed: add some"
            )
        if users < folds:
            raise TrainingError(
                f"too few users to judge by: the {sessions:,} {name} are of {users}, and each of {folds} folds needs "
                f"{name} of another one: add {name} of other users, or leave user_id empty to judge by session"
            )
