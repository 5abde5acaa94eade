"""Draw some of the sessions, and keep the attacks where a draw would lose them."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError
from training.labelled import Labelled
from training.splitting import groups_of

FEW_ATTACKS: Final = 500
"""A draw that holds fewer keeps every attack: figures on fewer are uncertain (a recall of 0.5 to about ±0.04)."""

Places = NDArray[np.int64]
Order = NDArray[np.integer[Any]]


def sample_users(data: Labelled, most: int, seed: int) -> Labelled:
    """Draw at most `most` sessions of whole users, all when there are no more; a note says what was drawn.

    A session without user_id is a user of its own. Where fewer than 500 attacks would be left, every attack is kept
    (up to half of `most`), beside the honest sessions of the users drawn. Raises TrainingError when no user drawn has
    so few sessions.
    """
    if len(data) <= most:
        return data
    too_large = f"--max-rows {most}: a single user has more sessions than that: allow more rows"
    groups = groups_of(data.users)
    order = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
    drawn = _users_up_to(most, groups, order)
    rows = np.flatnonzero(np.isin(groups, drawn))
    if not len(rows):
        raise TrainingError(too_large)
    if not _loses_attacks(data.label, rows, most) and not data.label[rows].all():
        note = f"{len(rows):,} of {len(data):,} sessions were drawn: {len(drawn):,} whole users of {len(order):,}"
        return _noted(data.take(rows), note)
    attacks = _attacks(data.label, most, np.random.default_rng(seed).permutation(len(data)))
    honest = np.flatnonzero(data.label == 0)
    drawn = _users_up_to(most - len(attacks), groups[honest], order)
    honest = honest[np.isin(groups[honest], drawn)]
    if not len(honest):
        raise TrainingError(too_large)
    taken = _weighted(data, attacks, honest)
    note = f"{len(taken):,} of {len(data):,} sessions were drawn: {_counted(attacks, data)}, and the honest sessions of"
    return _noted(taken, f"{note} {len(drawn):,} users of {len(order):,}")


def sample_sessions(data: Labelled, most: int, seed: int) -> Labelled:
    """Draw at most `most` sessions to compare forests on, all when there are no more; a note says what was drawn.

    Where fewer than 500 attacks would be left, every attack is kept (up to half of `most`).
    """
    if len(data) <= most:
        return data
    order = np.random.default_rng(seed).permutation(len(data))
    note = f"forests are compared on {most:,} of the sessions"
    if not _loses_attacks(data.label, order[:most], most):
        return _noted(data.take(np.sort(order[:most])), f"{note}, drawn by lot")
    attacks = _attacks(data.label, most, order)
    honest = order[data.label[order] == 0][: most - len(attacks)]
    taken = _weighted(data, attacks, honest)
    return _noted(taken, f"{note}: {_counted(attacks, data)}, and honest ones drawn by lot")


def in_proportion(data: Labelled) -> Places:
    """Return the places of all honest sessions, and of as many attacks as make the share that they had in the data."""
    step = max(1, round(data.honest_weight))
    return np.sort(np.concatenate([np.flatnonzero(data.label == 0), np.flatnonzero(data.label == 1)[::step]]))


def _users_up_to(most: int, groups: Places, order: Order) -> Order:
    """Return the users, in this order, whose sessions come to `most` together at the most."""
    sessions = np.bincount(groups, minlength=len(order))
    present = order[sessions[order] > 0]
    return present[np.cumsum(sessions[present]) <= most]


def _loses_attacks(label: NDArray[np.int64], rows: Order, most: int) -> bool:
    drawn = int(label[rows].sum())
    return drawn < FEW_ATTACKS and drawn < min(int(label.sum()), most // 2)


def _attacks(label: NDArray[np.int64], most: int, order: Order) -> Places:
    """Return the places of every attack, or of half of `most` by lot."""
    return np.asarray(order[label[order] == 1][: most // 2], dtype=np.int64)


def _counted(attacks: Places, data: Labelled) -> str:
    every = int(data.label.sum())
    return f"all {every:,} attacks" if len(attacks) == every else f"{len(attacks):,} of {every:,} attacks"


def _noted(taken: Labelled, note: str) -> Labelled:
    return replace(taken, notes=(*taken.notes, note))


def _weighted(data: Labelled, attacks: Places, honest: Places) -> Labelled:
    """Take these sessions; each honest one then counts for as many as it stands for beside an attack."""
    every = int(data.label.sum())
    weight = (len(data) - every) / len(honest) * len(attacks) / every
    taken = data.take(np.sort(np.concatenate([attacks, honest])))
    return replace(taken, honest_weight=data.honest_weight * weight)
