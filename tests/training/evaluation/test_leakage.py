"""Leakage: fields that alone reveal the label, overlap with the training data."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from scoring.columns import from_table
from scoring.contract import CATEGORIES, MODEL_FIELDS, NUMERIC
from training.data_checks import LEAK_AUC
from training.evaluation.leakage import find_overlap, single_field_aucs
from training.labelled_sessions import LabelledSessions
from training.splitting import user_groups
from training.synthetic.dataset import LATER, generate


@pytest.fixture(scope="module")
def data() -> LabelledSessions:
    """2,500 sessions."""
    return LabelledSessions.from_synthetic(generate(2_500, 12))


def found(data: LabelledSessions) -> dict[str, float]:
    return single_field_aucs(data.columns, data.label, user_groups(data.users))


def with_numbers(data: LabelledSessions, field: str, values: NDArray[np.float64]) -> LabelledSessions:
    numbers = data.columns.numbers.copy()
    numbers[NUMERIC.index(field)] = values
    return replace(data, columns=replace(data.columns, numbers=numbers))


def with_category(data: LabelledSessions, field: str, values: list[str | None]) -> LabelledSessions:
    columns, place = data.columns, CATEGORIES.index(field)
    listed = [columns.category_column(each) for each in range(len(CATEGORIES))]
    listed[place] = values
    return replace(data, columns=from_table(columns.numbers, listed, columns.hours))


def test_no_field_of_honest_data_is_a_leak(data: LabelledSessions) -> None:
    each = found(data)
    assert set(each) == set(MODEL_FIELDS)
    assert max(each.values()) < 0.9


@pytest.mark.parametrize("field", ["click_events", "timezone_offset"])
def test_the_label_copied_into_a_number_is_found(data: LabelledSessions, field: str) -> None:
    each = found(with_numbers(data, field, data.label.astype(float)))
    assert [name for name, auc in each.items() if auc > LEAK_AUC] == [field]


def test_a_number_with_attacks_in_the_middle_leaks(data: LabelledSessions) -> None:
    rng = np.random.default_rng(1)
    values = np.where(data.label == 1, 50.0, rng.choice([1.0, 99.0], size=len(data)) + rng.random(len(data)))
    assert found(with_numbers(data, "device_motion", values))["device_motion"] > LEAK_AUC


def test_the_label_copied_into_a_category_is_found(data: LabelledSessions) -> None:
    assert found(with_category(data, "language", ["ab"[label] for label in data.label]))["language"] > LEAK_AUC


def test_a_field_missing_only_for_attacks_leaks(data: LabelledSessions) -> None:
    leak = with_numbers(data, "device_motion", np.where(data.label == 1, np.nan, 1.0))
    assert found(leak)["device_motion"] > LEAK_AUC


def test_a_leak_with_gaps_in_it_is_found(data: LabelledSessions) -> None:
    values = data.label.astype(float)
    values[::4] = np.nan
    assert found(with_numbers(data, "scroll_events", values))["scroll_events"] > LEAK_AUC


def test_a_leaking_category_with_gaps_is_found(data: LabelledSessions) -> None:
    values = [None if row % 4 == 0 else "ab"[label] for row, label in enumerate(data.label)]
    assert found(with_category(data, "language", values))["language"] > LEAK_AUC


def test_a_category_per_user_is_no_leak(data: LabelledSessions) -> None:
    assert found(with_category(data, "language", [str(user) for user in data.users]))["language"] < 0.9


def test_too_few_users_of_a_class_tell_nothing(data: LabelledSessions) -> None:
    few = replace(data, users=np.where(data.label == 1, "one", data.users).astype(object))
    assert found(few) == {}


def test_sessions_and_users_in_training_data_are_found(data: LabelledSessions) -> None:
    later = LabelledSessions.from_synthetic(generate(800, 13, world=LATER))
    assert not find_overlap(later, data).rows.any()
    assert not find_overlap(later, data).users.any()
    part = np.arange(500)
    both = find_overlap(data, data.take(part))
    assert both.rows[part].all()
    assert (both.users == np.isin(data.users, np.unique(data.users[part]))).all()
    assert not both.unseen[part].any()


def test_a_session_of_another_user_is_shared(data: LabelledSessions) -> None:
    renamed = replace(data, users=np.array(["someone"] * len(data), dtype=object))
    assert find_overlap(renamed, data).rows.all()
    assert not find_overlap(renamed, data).users.any()


def test_sessions_without_a_user_share_none(data: LabelledSessions) -> None:
    nameless = replace(data, users=np.array([""] * len(data), dtype=object))
    assert not find_overlap(nameless, nameless).users.any()


def test_one_field_that_differs_makes_another_session(data: LabelledSessions) -> None:
    moved = replace(data, dates=data.dates + np.timedelta64(1, "s"))
    dated = ~np.isnat(data.dates)
    assert not find_overlap(moved, data).rows[dated].any()
    empty = with_category(data, "language", ["" if text is None else text for text in data.columns.category_column(3)])
    gaps = np.array([text is None for text in data.columns.category_column(3)])
    assert not find_overlap(empty, data).rows[gaps].any()
