"""Folds of whole users, and test sets by time or by user."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import TrainingError
from training.labelled_sessions import LabelledSessions
from training.splitting import assign_folds, train_test_split, user_groups
from training.synthetic.dataset import generate


@pytest.fixture(scope="module")
def data() -> LabelledSessions:
    return LabelledSessions.from_synthetic(generate(4_000, 5))


def with_users(data: LabelledSessions, users: list[str]) -> LabelledSessions:
    return replace(data, users=np.array(users, dtype=object))


@given(st.integers(20, 200), st.integers(0, 999))
def test_a_users_sessions_are_in_one_fold(users: int, seed: int) -> None:
    groups = np.random.default_rng(seed).permutation(np.arange(600) % users)
    label = np.arange(600) % 2
    folds = assign_folds(groups, label, 5, seed)
    assert all(len(set(folds[groups == user])) == 1 for user in range(users))
    assert set(folds) == {0, 1, 2, 3, 4}


def test_attacks_and_sessions_are_spread_over_the_folds(data: LabelledSessions) -> None:
    folds = assign_folds(user_groups(data.users), data.label, 5, 1)
    sessions, attacks = np.bincount(folds), np.bincount(folds, weights=data.label)
    assert sessions.max() < 1.1 * sessions.min()
    assert attacks.max() < 1.3 * attacks.min()


def test_folds_depend_on_the_seed_alone(data: LabelledSessions) -> None:
    groups = user_groups(data.users)
    one, again, other = (assign_folds(groups, data.label, 5, seed) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()


def test_a_row_without_user_is_its_own_user() -> None:
    groups = user_groups(np.array(["a", "", "b", "", "a"], dtype=object))
    assert groups[0] == groups[4]
    assert len(set(groups.tolist())) == 4
    assert set(groups.tolist()) == {0, 1, 2, 3}


def test_attacks_of_too_few_users_are_one_line() -> None:
    groups, label = np.arange(100), np.zeros(100, dtype=np.int64)
    label[:3] = 1
    with pytest.raises(TrainingError, match=r"^too few attacks for cross-validation: 3, and 5 folds need one each$"):
        assign_folds(groups, label, 5, 0)
    label[:9] = 1
    said = r"^too few users for cross-validation: the 9 attacks are of 3, [^\n]* or leave user_id empty$"
    with pytest.raises(TrainingError, match=said):
        assign_folds(groups // 3, label, 5, 0)


def test_by_time_the_newest_fifth_is_held_out(data: LabelledSessions) -> None:
    parts = train_test_split(data, "time", 0)
    assert data.dates[parts.train].max() < data.dates[parts.test].min()
    dated = (~np.isnat(data.dates)).sum()
    assert parts.test.sum() == pytest.approx(dated / 5, abs=2)
    assert not (parts.train & parts.test).any()


def test_undated_sessions_are_in_neither_part_and_counted(data: LabelledSessions) -> None:
    parts = train_test_split(data, "time", 0)
    undated = np.isnat(data.dates)
    assert undated.any()
    assert not (undated & (parts.train | parts.test)).any()
    assert f"{undated.sum():,} sessions without date are neither trained on nor measured" in parts.notes


def test_by_time_users_on_both_sides_are_counted(data: LabelledSessions) -> None:
    parts = train_test_split(data, "time", 0)
    both = np.isin(data.users[parts.test], data.users[parts.train]).sum()
    assert f"{both:,} of the {parts.test.sum():,} sessions held out are of users who are trained on too" in parts.notes


def test_by_group_no_user_is_on_both_sides(data: LabelledSessions) -> None:
    parts = train_test_split(data, "group", 0)
    held, rest = set(data.users[parts.test]), set(data.users[parts.train])
    assert not held & rest
    assert len(held) == pytest.approx(0.2 * len(held | rest), abs=1)
    assert (parts.test | parts.train).all()


def test_sessions_without_user_are_in_neither_part(data: LabelledSessions) -> None:
    parts = train_test_split(with_users(data, [*data.users[:3990], *[""] * 10]), "group", 0)
    assert not (parts.test | parts.train)[3990:].any()
    assert "10 sessions without user_id are neither trained on nor measured" in parts.notes


def test_an_impossible_split_suggests_the_other(data: LabelledSessions) -> None:
    undated = replace(data, dates=np.full(len(data), np.datetime64("NaT", "s")))
    with pytest.raises(TrainingError, match=r"^--split time: no session has a date: use --split group$"):
        train_test_split(undated, "time", 0)
    with pytest.raises(TrainingError, match=r"^--split group: no session has a user_id: use --split time$"):
        train_test_split(with_users(data, [""] * len(data)), "group", 0)


def test_a_part_without_attacks_is_one_line(data: LabelledSessions) -> None:
    label = np.where(data.dates > np.sort(data.dates[~np.isnat(data.dates)])[2_000], 0, data.label)
    with pytest.raises(TrainingError, match=r"^--split time: in the newest fifth [^\n]*every label is 0: [^\n]*$"):
        train_test_split(replace(data, label=label), "time", 0)


def test_sessions_of_one_instant_cannot_be_split(data: LabelledSessions) -> None:
    same = replace(data, dates=np.full(len(data), np.datetime64("2026-01-01T00:00:00", "s")))
    with pytest.raises(TrainingError, match=r"^--split time: in the rest of the data there is no session: [^\n]*$"):
        train_test_split(same, "time", 0)
