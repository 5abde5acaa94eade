"""docs/api: the schemas are what is generated, and they take what the consumer takes and writes, and no more."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from jsonschema_rs import Draft7Validator, meta

from consumer.records import Headers
from scoring import InvalidEvent
from scoring.contract import IDENTITIES
from tests.faults.bad_events import EDGES, ODD
from tests.support import schema_validation, strategies
from tests.support.artifacts import hand_computed
from tests.support.kafka.topics import Topics
from tests.support.message_schemas import SCHEMAS, Schema
from tests.support.page_programs import page_program
from tests.support.schema_validation import EVENT
from tests.support.wire import Event, read, write
from tools.make_messages import DRAFT, FIELDS, GOLDEN, PAGE, PLACE, document, files, page, samples
from training.synthetic.dataset import events
from training.synthetic.invalid_events import BREAKAGES

SCORER = hand_computed.scorer()
WHOLE: dict[str, Any] = json.loads(next(events(seed=3)))
RESULT: dict[str, Any] = json.loads((GOLDEN / "result.json").read_bytes())
ALERT: dict[str, Any] = json.loads((GOLDEN / "alert.json").read_bytes())
LETTER_HEADERS: dict[str, str] = dict(json.loads((GOLDEN / "dead_letter.json").read_bytes())["headers"])
DOCUMENT = document()
MODEL = {"model_version": hand_computed.VERSION}


def test_the_files_are_what_is_generated() -> None:
    for name, text in files().items():
        found = (PLACE / name).read_text(encoding="utf-8")
        assert found == text, f"docs/api/{name} is out of date: run python -m tools.make_messages"
    assert {path.name for path in PLACE.iterdir()} == files().keys()


def test_the_tables_of_the_page_are_those_of_the_schemas() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for _, name, _ in FIELDS.findall(text)] == [*SCHEMAS]
    assert text == page(text), "docs/messages.md is out of date: run python -m tools.make_messages"


def test_the_python_of_the_page_says_what_the_page_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = page_program("In Python")
    monkeypatch.chdir(PLACE.parents[1])
    exec(program.text, {})
    assert capsys.readouterr().out.splitlines() == program.output


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_each_schema_is_one_of_draft_7_and_keeps_to_patterns_that_all_engines_have(schema: Schema) -> None:
    meta.validate({"$schema": DRAFT, **schema})
    assert "(?!" not in json.dumps(schema)
    assert "(?<" not in json.dumps(schema)


OPEN = ("reason_codes", "imputed_fields", "dead_letter.code", "dead_letter.field", "__connect.errors.stage")


def nodes(schema: object) -> Iterator[Schema]:
    """The schema and every schema in it."""
    if isinstance(schema, dict):
        yield schema
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from nodes(each)


@pytest.mark.parametrize("schema", DOCUMENT["components"]["schemas"].values(), ids=DOCUMENT["components"]["schemas"])
def test_generators_find_a_name_for_every_type(schema: Schema) -> None:
    assert not schema.keys() & {"oneOf", "anyOf", "allOf", "not", "if", "$ref"}
    for each in nodes(schema):
        several = isinstance(each.get("type"), list) and len({*each["type"]} - {"null"}) > 1
        if "properties" in each or "enum" in each or "if" in each or several:
            assert each["title"]


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_only_what_is_promised_to_stay_is_an_enum(schema: Schema) -> None:
    enums = [each["enum"] for each in nodes(schema) if "enum" in each]
    assert enums == ([["Low", "Medium", "High"]] if "risk_level" in schema["properties"] else [])
    assert not any("const" in each or "uniqueItems" in each for each in nodes(schema))


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_take_a_code_that_a_later_release_adds(name: str) -> None:
    validator = Draft7Validator(SCHEMAS[name])
    sample = samples()[name]
    for field in sample.keys() & set(OPEN):
        later = [*sample[field], "later"] if isinstance(sample[field], list) else "later"
        validator.validate(sample | {field: later})


@pytest.mark.parametrize("digits", [15, 19, 30, 4300])
def test_schemas_take_identities_of_any_length_and_name_no_integer_type_for_them(digits: int) -> None:
    identity = int("9" * digits)
    event = samples()["event"] | {"user_id": identity, "session_id": -identity}
    Draft7Validator(SCHEMAS["event"]).validate(event)
    Draft7Validator(SCHEMAS["alert"]).validate(samples()["alert"] | {"event": event, "user_id": identity})
    for name in IDENTITIES:
        assert "type" not in SCHEMAS["result"]["properties"][name]
        assert "type" not in SCHEMAS["event"]["properties"][name]


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_holds_a_sample_that_it_takes(name: str) -> None:
    schema = json.loads(files()[f"{name}.schema.json"])
    assert len(schema["examples"]) == 1
    Draft7Validator(schema).validate(schema["examples"][0])


@pytest.mark.parametrize("name", DOCUMENT["components"]["messages"])
def test_the_examples_of_the_asyncapi_document_are_what_its_schemas_say(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    assert len(message["examples"]) == 1
    for shown in message["examples"]:
        for part, found in shown.items():
            Draft7Validator({**message[part], "components": DOCUMENT["components"]}).validate(found)


def scores(value: bytes) -> bool:
    return not isinstance(SCORER.score_many([value])[0], InvalidEvent)


@given(strategies.any_bytes())
def test_what_the_scorer_takes_the_schema_takes(value: bytes) -> None:
    assert schema_validation.takes(value) or not scores(value)


@given(strategies.any_events())
@example({"transaction_date": "2025-04-18\n"})
@example({"transaction_date": "0000-04-18"})
@example({"time_on_page": 1.0000000000001e12})
def test_of_plain_events_the_schema_takes_what_the_scorer_takes_but_for_identities_like_1_0(
    event: dict[str, Any],
) -> None:
    plain = {name: str(each) if _is_whole_fraction(name, each) else each for name, each in event.items()}
    assert EVENT.is_valid(plain) == scores(json.dumps(plain).encode())


def _is_whole_fraction(name: str, value: object) -> bool:
    return name in IDENTITIES and isinstance(value, float) and value.is_integer()


def broken() -> dict[str, bytes]:
    """By kind, the events that tests and the demo break on purpose."""
    of_the_demo = {each.kind: each.apply(WHOLE) for each in BREAKAGES}
    return of_the_demo | {kind: apply(json.dumps(WHOLE).encode()) for kind, (_, _, apply) in EDGES.items()}


@pytest.mark.parametrize("kind", sorted(broken()))
def test_whatever_breaks_an_event_a_strict_parser_or_the_schema_refuses(kind: str) -> None:
    value = broken()[kind]
    assert not scores(value)
    assert not schema_validation.takes(value)


@pytest.mark.parametrize("number", range(len(ODD)))
def test_the_schema_takes_events_that_are_valid_and_odd(number: int) -> None:
    value = ODD[number](json.dumps(WHOLE).encode())
    assert scores(value)
    assert schema_validation.takes(value)


def text(headers: dict[str, str]) -> Headers:
    return [(name, value.encode()) for name, value in headers.items()]


def hold(topic: str, said: object, headers: dict[str, str]) -> None:
    schema_validation.hold(topic, json.dumps(said).encode(), text(headers))


def test_golden_messages_are_what_the_schemas_say() -> None:
    hold("results-0123456789ab", RESULT, MODEL)
    hold("session-alerts", ALERT, MODEL)
    schema_validation.hold("dead-letters-0123456789ab", b'{"click_events": "7"}', text(LETTER_HEADERS))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.name)
def test_a_second_parser_reads_the_same_of_each_golden_message(path: Path) -> None:
    read = schema_validation.read_json(path.read_bytes())
    assert orjson.loads(path.read_bytes()) == read
    assert orjson.loads(orjson.dumps(read)) == read


def test_a_message_that_one_parser_alone_takes_is_found_and_wide_integers_are_let_be() -> None:
    with pytest.raises(orjson.JSONDecodeError):
        schema_validation.read_json(rb'{"user_id": "\ud800"}')
    assert schema_validation.read_json(b'{"user_id": 100000000000000000000000000000}') == {"user_id": 10**29}


@pytest.mark.parametrize("number", range(len(ODD)))
def test_the_results_of_odd_events_can_be_looked_at(number: int) -> None:
    event = ODD[number](json.dumps(WHOLE).encode())
    whole = json.dumps(RESULT | {"event": None}).encode().replace(b"null", event)
    schema_validation.hold_result(whole, text(MODEL))


OPTIONAL = {"session_id", "user_id"}
CHANGES: list[dict[str, Any]] = [
    {"schema_version": 2},
    {"result_id": "sessions"},
    {"user_id": 1.5},
    {"user_id": None},
    {"predicted_label": 2},
    {"anomaly_score": 1.1},
    {"anomaly_score": "0.5"},
    {"risk_level": "low"},
    {"reason_codes": ["many_clicks"]},
    {"reason_codes": ["no_clicks"] * 2},
    {"imputed_fields": ["user_id"]},
    {"source": {"topic": "sessions", "partition": 3, "offset": 1842}},
    {"scored_at": "2026-11-23T10:15:04Z"},
    {"event": {"click_events": -1}},
    {"event_bytes": 12, "event_sha256": "0" * 64},  # beside the event, in whose place they stand
    {"event_bytes": -1},
]


@pytest.mark.parametrize("changes", [*CHANGES, *({name: ...} for name in sorted(RESULT.keys() - OPTIONAL))], ids=str)
def test_a_result_that_differs_from_the_contract_is_found(changes: dict[str, Any]) -> None:
    said = {name: each for name, each in (RESULT | changes).items() if each is not ...}
    with pytest.raises(AssertionError):
        hold("session-results", said, MODEL)


@pytest.mark.parametrize(
    "changes",
    [
        {"alert_id": ...},
        {"base_rate": ...},
        {"contributions": ...},
        {"risk_level": "Medium"},
        {"contributions": ALERT["contributions"] * 2},
        {"contributions": [{"feature": "click_events", "value": True, "contribution": 0.25}]},
        {"contributions": [{"feature": "click_events", "value": 37}]},
    ],
    ids=str,
)
def test_an_alert_that_differs_from_the_contract_is_found(changes: dict[str, Any]) -> None:
    said = {name: each for name, each in (ALERT | changes).items() if each is not ...}
    with pytest.raises(AssertionError):
        hold("session-alerts", said, MODEL)


@pytest.mark.parametrize("name", sorted(LETTER_HEADERS.keys() - {"trace", "dead_letter.field"}))
def test_a_dead_letter_without_one_of_its_headers_is_found(name: str) -> None:
    headers = {each: value for each, value in LETTER_HEADERS.items() if each != name}
    with pytest.raises(AssertionError, match=name):
        schema_validation.hold("session-dead-letters", b"{", text(headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"dead_letter.code": "wrong"},
        {"dead_letter.field": "clicks"},
        {"dead_letter.attempts": "one"},
        {"__connect.errors.stage": "KEY_CONVERTER"},
        {"source_timestamp": "yesterday"},
    ],
    ids=str,
)
def test_a_dead_letter_with_another_header_is_found(headers: dict[str, str]) -> None:
    with pytest.raises(AssertionError):
        schema_validation.hold("session-dead-letters", b"{", text(LETTER_HEADERS | headers))


def test_a_dead_letter_whose_event_the_schema_takes_is_found() -> None:
    with pytest.raises(AssertionError, match="takes what is wrong_type"):
        schema_validation.hold("session-dead-letters", b'{"click_events": 7}', text(LETTER_HEADERS))


def test_results_and_alerts_without_their_model_are_found() -> None:
    for topic, said in (("session-results", RESULT), ("session-alerts", ALERT)):
        with pytest.raises(AssertionError, match="model_version"):
            hold(topic, said, {})


def test_whatever_a_test_reads_from_kafka_is_looked_at(kafka: str, topics: Topics) -> None:
    for kind in ("results", "alerts", "dead-letters"):
        topic = topics(kind, partitions=1)
        write(kafka, topic, [Event(b"{}")])
        with pytest.raises(AssertionError):
            read(kafka, topic)


def test_fields_and_headers_that_are_added_are_let_be() -> None:
    more = {"region": "north", "event": RESULT["event"] | {"region": None}}
    hold("session-results", RESULT | more, MODEL | {"trace": "1"})
    hold("session-alerts", ALERT | more, MODEL | {"trace": "1"})
