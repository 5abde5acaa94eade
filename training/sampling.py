"""Sample labelled sessions and keep the rare attacks."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training import TrainingError
from training.labelled_sessions import LabelledSessions
from training.splitting import Indices, user_groups

FEW_ATTACKS: Final = 500
"""A sample with fewer keeps every attack: figures on fewer are uncertain (a recall of 0.5 to about ±0.04)."""

Order = NDArray[np.integer[Any]]


def sample_users(data: LabelledSessions, most: int, seed: int) -> LabelledSessions:
    """Return at most `most` sessions of whole users; a note describes the sample.

    A session without user_id is a user of its own. Where fewer than 500 attacks would be left, every attack is kept
    (up to half of `most`), beside the honest sessions of the sampled users. Raises TrainingError when no sampled user
    has few enough sessions.
    """
    if len(data) <= most:
        return data
    too_large = f"--max-rows {most}: a single user has more sessions than that: allow more rows"
    groups = user_groups(data.users)
    order = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
    users = _users_up_to(most, groups, order)
    rows = np.flatnonzero(np.isin(groups, users))
    if not len(rows):
        raise TrainingError(too_large)
    if not _loses_attacks(data.label, rows, most) and not data.label[rows].all():
        note = f"{len(rows):,} of {len(data):,} sessions were drawn: {len(users):,} whole users of {len(order):,}"
        return _with_note(data.take(rows), note)
    attacks = _attacks(data.label, most, np.random.default_rng(seed).permutation(len(data)))
    honest = np.flatnonzero(data.label == 0)
    users = _users_up_to(most - len(attacks), groups[honest], order)
    honest = honest[np.isin(groups[honest], users)]
    if not len(honest):
        raise TrainingError(too_large)
    sample = _weighted(data, attacks, honest)
    return _with_note(
        sample,
        f"{len(sample):,} of {len(data):,} sessions were drawn: {_counted(attacks, data)}, and the honest sessions of "
        f"{len(users):,} users of {len(order):,}",
    )


def sample_sessions(data: LabelledSessions, most: int, seed: int) -> LabelledSessions:
    """Return at most `most` sessions for the comparison of forests; a note describes the sample.

    Where fewer than 500 attacks would be left, every attack is kept (up to half of `most`).
    """
    if len(data) <= most:
        return data
    order = np.random.default_rng(seed).permutation(len(data))
    note = f"forests are compared on {most:,} of the sessions"
    if not _loses_attacks(data.label, order[:most], most):
        return _with_note(data.take(np.sort(order[:most])), f"{note}, drawn by lot")
    attacks = _attacks(data.label, most, order)
    honest = order[data.label[order] == 0][: most - len(attacks)]
    sample = _weighted(data, attacks, honest)
    return _with_note(sample, f"{note}: {_counted(attacks, data)}, and honest ones drawn by lot")


def in_proportion(data: LabelledSessions) -> Indices:
    """Return the indices of all honest sessions and of as many attacks as keep the share of the full data."""
    step = max(1, round(data.honest_weight))
    return np.sort(np.concatenate([np.flatnonzero(data.label == 0), np.flatnonzero(data.label == 1)[::step]]))


def _users_up_to(most: int, groups: Indices, order: Order) -> Order:
    """Return the first users in `order` that have `most` sessions together at most."""
    sessions = np.bincount(groups, minlength=len(order))
    present = order[sessions[order] > 0]
    return present[np.cumsum(sessions[present]) <= most]


def _loses_attacks(label: NDArray[np.int64], rows: Order, most: int) -> bool:
    attacks = int(label[rows].sum())
    return attacks < FEW_ATTACKS and attacks < min(int(label.sum()), most // 2)


def _attacks(label: NDArray[np.int64], most: int, order: Order) -> Indices:
    """Return the indices of the attacks, at most half of `most`, in `order`."""
    return np.asarray(order[label[order] == 1][: most // 2], dtype=np.int64)


def _counted(attacks: Indices, data: LabelledSessions) -> str:
    total = int(data.label.sum())
    return f"all {total:,} attacks" if len(attacks) == total else f"{len(attacks):,} of {total:,} attacks"


def _with_note(sample: LabelledSessions, note: str) -> LabelledSessions:
    return replace(sample, notes=(*sample.notes, note))


def _weighted(data: LabelledSessions, attacks: Indices, honest: Indices) -> LabelledSessions:
    """Take these sessions, with an `honest_weight` that keeps the share of attacks."""
    total = int(data.label.sum())
    weight = (len(data) - total) / len(honest) * len(attacks) / total
    sample = data.take(np.sort(np.concatenate([attacks, honest])))
    return replace(sample, honest_weight=data.honest_weight * weight)
