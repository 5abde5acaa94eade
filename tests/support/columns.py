"""Columns compared by what they say of each event."""

import numpy as np

from scoring.columns import Columns
from scoring.contract import CATEGORIES, IDENTITIES


def categories(columns: Columns) -> list[list[str | None]]:
    """Return the strings of each category, None for gaps."""
    return [columns.category_column(field) for field in range(len(CATEGORIES))]


def identities(columns: Columns) -> list[list[bytes | None]]:
    """Return the JSON of each identity, None for gaps."""
    return [columns.identity_column(which) for which in range(len(IDENTITIES))]


def assert_same_fields(one: Columns, other: Columns) -> None:
    """Compare all but the identities."""
    assert np.array_equal(one.numbers, other.numbers, equal_nan=True)
    assert one.hours.tolist() == other.hours.tolist()
    assert categories(one) == categories(other)


def assert_same(one: Columns, other: Columns) -> None:
    """Compare all fields, numbers to the bit: 0.0 is not -0.0."""
    assert_same_fields(one, other)
    assert one.numbers.tobytes() == other.numbers.tobytes()
    assert identities(one) == identities(other)
