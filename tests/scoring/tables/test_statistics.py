"""Counts of gaps and of categories never seen, against a count by hand."""

from typing import Any

from scoring.decoding import decode_any
from scoring.tables import Statistics
from tests.support.artifacts import hand_computed


def statistics(*events: dict[str, Any]) -> Statistics:
    return Statistics.of(hand_computed.scorer().score_columns(decode_any(events).columns))


def test_shares_are_of_the_values_that_are_there() -> None:
    found = statistics({"device_type": "Mobile"}, {"device_type": "mobile"}, {}, {"language": "NA", "click_events": 1})
    assert found.unseen_shares() == {"device_type": 0.5, "language": 1.0}
    assert (found.rows, found.empty) == (4, 1)


def test_parts_add_up_to_the_whole() -> None:
    one: list[dict[str, Any]] = [{"device_type": "mobile"}, {}]
    other = [{"device_type": "Mobile"}, {"language": "?"}]
    parts, whole = statistics(*one) + statistics(*other), statistics(*one, *other)
    assert parts.unseen_shares() == whole.unseen_shares()
    assert parts.summary() == whole.summary()


def test_most_values_never_seen_is_striking_a_few_are_not() -> None:
    few = [{"device_type": "Mobile"}] * 9 + [{"device_type": "mobile"}]
    assert statistics(*few).notes() == []
    [note] = statistics({"device_type": "mobile"}).notes()
    assert note.startswith("the model has never seen most values in the first 1 rows scored: device_type 100 %")


def test_a_share_is_100_per_cent_only_of_all_and_0_of_none() -> None:
    many = [{"device_type": "Mobile"}]
    assert "device_type 99.9 %" in statistics(*many, *[{"device_type": "?"}] * 9_999).summary()[0]
    assert "device_type < 0.1 %" in statistics(*many * 9_999, {"device_type": "?"}).summary()[0]


def test_the_summary_names_fields_without_a_value_and_counts_empty_rows() -> None:
    lines = statistics({"click_events": 1}, {}).summary()
    assert lines[0].startswith("without a value in any row, imputed: scroll_events, ")
    assert lines[1] == "rows without a value in any field: 1"
    assert statistics().summary() == []
