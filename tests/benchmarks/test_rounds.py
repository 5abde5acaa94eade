"""Rounds, and what is made of them."""

import math

from benchmarks.rounds import Measured, in_turn


def test_contestants_take_turns_and_each_begins_once() -> None:
    order: list[str] = []
    found = in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert {name: len(each) for name, each in found.items()} == {"a": 3, "b": 3}


def test_a_figure_is_the_median_and_the_spread_of_its_rounds() -> None:
    assert Measured.of([3.0, 1.0, 2.0]).text() == "2.00 (1.00 to 3.00)"


def test_a_ratio_is_taken_round_by_round() -> None:
    assert Measured((2.0, 9.0)).over(Measured((1.0, 3.0))).values == (2.0, 3.0)


def test_a_round_that_could_not_tell_does_not_count() -> None:
    assert Measured.of([math.nan, 2.0]).median == 2.0
    assert Measured.of([math.nan]).text() == "–"
