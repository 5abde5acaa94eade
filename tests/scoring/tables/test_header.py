"""What is said of the first lines of a CSV file that are no header."""

import pytest

from scoring.tables.header import header_fault

NAMES = ["click_events", "transaction_amount", "device_type"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([";".join(NAMES), "1;2;PC"], "separated by semicolons"),
        (["\t".join(NAMES), "1\t2\tPC"], "separated by tabs"),
        (["|".join(NAMES)], "separated by vertical bars"),
        ([" ".join(NAMES), "1 2 PC"], "separated by blanks"),
        ([":".join(NAMES), "1:2:PC"], "separated by colons"),
        ([";".join(f'"{name.upper()}"' for name in NAMES)], "separated by semicolons"),
        (["# exported", ",".join(NAMES)], "the column names are in line 2: remove what is before them"),
        (["# a, b", "", ",".join(NAMES)], "the column names are in line 3"),
        (["sep=;", ";".join(NAMES)], "in line 2 and the columns are separated by semicolons"),
        (["u-1,5,2025-04-18 02:00:00,Mobile"], "line 1 holds values, not column names"),
        (["45;20000"], "line 1 holds values"),
        (["0,1,2,3"], "line 1 holds values"),
        (["1e3"], "line 1 holds values"),
    ],
)
def test_a_wrong_beginning_is_named(lines: list[str], words: str) -> None:
    fault = header_fault([f"{line}\n" for line in lines])
    assert fault is not None
    assert words in fault


@pytest.mark.parametrize(
    "lines",
    [
        [",".join(NAMES), "1,2,PC"],
        [",".join(name.upper() for name in NAMES), "1,2,PC"],
        ["clicks,amount", "45,20000"],
        ["a;b", "1;2"],
        ["measures 1 2", "5"],
        ["foo", "click_events"][:1],
        [""],
        [],
    ],
)
def test_names_that_are_only_unknown_are_left_to_others(lines: list[str]) -> None:
    assert header_fault([f"{line}\n" for line in lines]) is None


def test_nothing_of_the_lines_is_repeated() -> None:
    fault = header_fault(["jane@example.com,45,20000"])
    assert fault is not None
    assert "jane" not in fault
