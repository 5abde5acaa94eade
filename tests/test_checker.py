"""The checker is checked first: it must see what a test plants."""

import json
from typing import Any

import pytest

from consumer.records import OutRecord
from consumer.stream.output_limits import TopicLimits
from consumer.stream.pipeline import Pipeline, Topics
from tests.support.artifacts import hand_computed
from tests.support.checker import Outputs, Report, Seen, judge
from training.synthetic.invalid_events import InvalidSample

EVENTS = [b'{"click_events": %d, "transaction_amount": 12000}' % clicks for clicks in (3, 37, 4, 38, 5, 39)] + [b"{"]
PLANTED = {b"{": InvalidSample("truncated", b"{", "not_json", None)}


@pytest.fixture
def line() -> tuple[list[Seen], Outputs]:
    """Seven events of one partition and key, the last of them broken, and what comes of them."""
    batch = hand_computed.batch(*EVENTS, headers=[("trace", b"1")])
    topics = Topics("results", "alerts", "dead-letters")
    records = (
        Pipeline(hand_computed.scorer(), topics, "g", lambda _: TopicLimits(1_000_000), lambda: batch.timestamps[-1])
        .process(batch)
        .records
    )
    came = [
        Seen(3, offset, b"user_198", value, [("trace", b"1")])
        for offset, value in zip(batch.offsets, EVENTS, strict=True)
    ]
    return came, Outputs(*(seen(records, topic) for topic in ("results", "alerts", "dead-letters")))


def seen(records: list[OutRecord], topic: str) -> list[Seen]:
    of_topic = [record for record in records if record.topic == topic]
    return [Seen(0, offset, each.key, each.value, each.headers) for offset, each in enumerate(of_topic)]


def renumbered(records: list[Seen]) -> list[Seen]:
    return [record._replace(offset=offset) for offset, record in enumerate(records)]


def judged(line: tuple[list[Seen], Outputs], **changed: list[Seen]) -> Report:
    came, outputs = line
    return judge(came, PLANTED, outputs._replace(**{name: renumbered(found) for name, found in changed.items()}))


def test_what_is_right_is_found_right(line: Any) -> None:
    report = judged(line)
    assert report.faults() == {}
    assert report.counts == {"inputs": 7, "results": 6, "alerts": 3, "dead_letters": 1, "high": 3}


@pytest.mark.parametrize("topic", ["results", "alerts", "dead_letters"])
def test_a_dropped_record_is_missing(line: Any, topic: str) -> None:
    assert "missing" in judged(line, **{topic: getattr(line[1], topic)[1:]}).faults()


@pytest.mark.parametrize("topic", ["results", "alerts", "dead_letters"])
def test_a_doubled_record_is_a_duplicate(line: Any, topic: str) -> None:
    found = getattr(line[1], topic)
    assert judged(line, **{topic: [*found, found[-1]]}).faults() == {"duplicate": 1}


@pytest.mark.parametrize("topic", ["results", "alerts"])
def test_two_swapped_records_are_out_of_order(line: Any, topic: str) -> None:
    first, second, *rest = getattr(line[1], topic)
    assert judged(line, **{topic: [second, first, *rest]}).faults() == {"out_of_order": 1}


def test_a_second_pass_over_the_same_events_is_in_order_but_double(line: Any) -> None:
    results = line[1].results
    assert judged(line, results=[*results[:4], *results[2:]]).faults() == {"duplicate": 2}


def test_a_changed_byte_differs(line: Any) -> None:
    first, *rest = line[1].results
    changed = first._replace(value=first.value.replace(b'"click_events": 3', b'"click_events": 4'))
    assert judged(line, results=[changed, *rest]).faults() == {"differing": 1}


def test_a_changed_key_or_header_differs(line: Any) -> None:
    first, *rest = line[1].results
    assert judged(line, results=[first._replace(key=b"else"), *rest]).faults() == {"differing": 1}
    assert judged(line, results=[first._replace(headers=first.headers[1:]), *rest]).faults() == {"differing": 1}


def test_a_dead_letter_of_the_wrong_code_differs(line: Any) -> None:
    [letter] = line[1].dead_letters
    headers = [(name, b"bad_date" if name == "dead_letter.code" else value) for name, value in letter.headers]
    assert judged(line, dead_letters=[letter._replace(headers=headers)]).faults() == {"differing": 1}


def test_an_alert_of_a_result_that_is_not_high_is_in_the_wrong_topic(line: Any) -> None:
    low = next(result for result in line[1].results if json.loads(result.value)["risk_level"] != "High")
    alert = low._replace(value=low.value[:-1] + b',"alert_id":"x"}')
    faults = judged(line, alerts=[alert, *line[1].alerts]).faults()
    assert faults["wrong_topic"] == 1


def test_a_good_event_among_the_dead_letters_is_in_the_wrong_topic(line: Any) -> None:
    came, outputs = line
    assert "wrong_topic" in judge(came, {}, outputs).faults()
