"""The examples, run as a reader of the README would run them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from fastapi.testclient import TestClient
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from consumer.records import Headers
from examples import fastapi_app, subscriber
from scoring import InvalidEvent, Scorer, json_schemas
from scoring.contract import IDENTITIES
from tests.support import schema_validation
from tests.support.command_line import running
from tests.support.kafka.topics import Topics
from tests.support.strategies import events, invalid_events

EXAMPLES = Path(__file__).parents[1] / "examples"
GOLDEN = json.loads((Path(__file__).parent / "consumer" / "golden" / "result.json").read_bytes())
MODEL: Headers = [("model_version", GOLDEN["model_version"].encode())]
EVENT = {"session_id": "session_1", "click_events": 31, "time_on_page": 10, "transaction_date": "2026-11-23T02:10:00"}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(fastapi_app.app) as client:
        yield client


def test_the_web_app_says_of_an_event_what_the_scorer_says(client: TestClient) -> None:
    answer = client.post("/score", json=EVENT)
    assert answer.status_code == 200
    assert answer.json() == Scorer.load().score(EVENT).as_dict()


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b'{"click_events": "31"}', "wrong_type", "click_events"),
        (b'{"time_on_page": -1}', "out_of_range", "time_on_page"),
        (b"not json", "not_json", None),
    ],
)
def test_the_web_app_names_the_fault_of_an_invalid_event(
    client: TestClient, body: bytes, code: str, field: str | None
) -> None:
    answer = client.post("/score", content=body)
    assert answer.status_code == 422
    said = answer.json()
    assert (said["code"], said["field"]) == (code, field)
    assert said["message"]


def test_the_web_app_is_healthy_once_it_has_its_model(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok", "model_version": Scorer.load().artifacts.version}


@pytest.fixture(scope="module")
def openapi(client: TestClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def schema_of(openapi: dict[str, Any], status: int | None = None) -> Draft202012Validator:
    """Return the schema of the body of a request to /score, or of its answer with that status."""
    operation = openapi["paths"]["/score"]["post"]
    body = operation["requestBody"] if status is None else operation["responses"][str(status)]
    reference = body["content"]["application/json"]["schema"]
    return Draft202012Validator({**reference, "components": openapi["components"]}, validate_formats=True)


def test_the_web_app_serves_a_valid_openapi_document(openapi: dict[str, Any]) -> None:
    openapi_spec_validator.validate(openapi)
    assert openapi["paths"]["/score"]["post"]["responses"].keys() == {"200", "422"}
    assert openapi["components"]["schemas"] == json_schemas()


def test_the_sample_of_the_openapi_document_can_be_scored(client: TestClient, openapi: dict[str, Any]) -> None:
    (sample,) = openapi["components"]["schemas"]["SessionEvent"]["examples"]
    assert schema_of(openapi).is_valid(sample)
    assert client.post("/score", json=sample).status_code == 200


@settings(max_examples=40, deadline=None)
@given(st.one_of(events(), invalid_events()))
@example({"user_id": 10**29, "session_id": 7})
@example({"user_id": 7.5})
@example({"click_events": True})
def test_the_web_app_answers_as_its_openapi_document_says(
    client: TestClient, openapi: dict[str, Any], event: dict[str, Any]
) -> None:
    answer = client.post("/score", json=event)
    schema_of(openapi, answer.status_code).validate(answer.json())
    whole_fraction = any(isinstance(event.get(name), float) for name in IDENTITIES)  # 7.0 is an integer in JSON Schema
    assert whole_fraction or schema_of(openapi).is_valid(event) == (answer.status_code == 200)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"null", b'{"a": NaN}', b"[" * 100_000, b'"\\ud800"'])
def test_a_body_that_is_no_event_is_answered_as_documented(
    client: TestClient, openapi: dict[str, Any], body: bytes
) -> None:
    answer = client.post("/score", content=body)
    assert answer.status_code == 422
    schema_of(openapi, 422).validate(answer.json())


@pytest.mark.parametrize(
    "changes", [{"risk_level": "low"}, {"anomaly_score": 1.5}, {"predicted_label": 2}, {"reason_codes": None}]
)
def test_the_openapi_document_refuses_an_answer_that_is_no_verdict(
    openapi: dict[str, Any], changes: dict[str, Any]
) -> None:
    verdict = Scorer.load().score(EVENT).as_dict()
    assert schema_of(openapi, 200).is_valid(verdict)
    assert schema_of(openapi, 200).is_valid(verdict | {"reason_codes": ["a_rule_to_come"]})
    assert not schema_of(openapi, 200).is_valid(verdict | changes)


def test_the_web_app_stays_as_short_as_promised() -> None:
    assert len((EXAMPLES / "fastapi_app.py").read_text().splitlines()) <= 70


def test_a_repeated_id_is_known_until_too_many_came_after_it() -> None:
    seen = subscriber.Seen(limit=2)
    assert [seen.add(name) for name in ("a", "a", "b", "c", "c", "a")] == [True, False, True, True, False, True]


def test_the_subscriber_reads_a_result_whatever_its_event_holds() -> None:
    for event in (b"9" * 5000, b"1e400", b"[" * 90 + b"]" * 90):
        value = json.dumps(GOLDEN | {"event": 0}).encode().replace(b'"event": 0', b'"event": {"other": %s}' % event)
        assert subscriber.read(value).result_id == GOLDEN["result_id"]


def started(script: str, *options: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return running(sys.executable, str(EXAMPLES / script), *options)


def result(offset: int, level: str = "Low") -> bytes:
    said = {"result_id": f"sessions-0-{offset}", "risk_level": level, "anomaly_score": 0.25}
    return json.dumps(GOLDEN | said).encode()


def produce(bootstrap: str, topic: str, values: list[bytes], *, commit: bool = True) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"{topic}-test"})
    producer.init_transactions()
    producer.begin_transaction()
    for value in values:
        schema_validation.hold_result(value, MODEL)
        producer.produce(topic, value, headers=[*MODEL])
    producer.flush()
    if commit:
        producer.commit_transaction()
    else:
        producer.abort_transaction()


def read_lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def interrupt(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def test_the_subscriber_prints_each_committed_result_once_and_goes_on_where_it_stopped(
    kafka: str, topics: Topics
) -> None:
    topic = topics("session-results", partitions=1)
    options = ("--bootstrap-servers", kafka, "--topic", topic, "--group-id", topic)
    produce(kafka, topic, [result(1), result(2, "High")])
    produce(kafka, topic, [result(3)], commit=False)
    produce(kafka, topic, [result(2, "High"), result(4)])
    with started("subscriber.py", *options) as process:
        assert read_lines(process, 3) == [
            "Low    0.2500 sessions-0-1",
            "High   0.2500 sessions-0-2",
            "Low    0.2500 sessions-0-4",
        ]
        assert interrupt(process) == (0, "", "")
    produce(kafka, topic, [result(5)])
    with started("subscriber.py", *options) as process:
        assert read_lines(process, 1) == ["Low    0.2500 sessions-0-5"]
        assert interrupt(process) == (0, "", "")


def test_the_subscriber_ends_when_nothing_comes_and_counts_what_it_read(kafka: str, topics: Topics) -> None:
    topic = topics("session-results", partitions=1)
    produce(kafka, topic, [result(1), result(2), result(1)])
    options = ("--bootstrap-servers", kafka, "--topic", topic, "--group-id", topic, "--json", "--idle", "10")
    with started("subscriber.py", *options) as process:
        out, err = process.communicate(timeout=60)
    assert [json.loads(line)["result_id"] for line in out.splitlines()] == ["sessions-0-1", "sessions-0-2"]
    assert (process.returncode, err) == (0, "2 results, 1 more were repeats\n")


def test_the_subscriber_prints_an_event_byte_for_byte(kafka: str, topics: Topics) -> None:
    topic = topics("session-results", partitions=1)
    value = json.dumps(GOLDEN | {"event": 0}).replace('"event": 0', '"event": { "note": 1.50, "far": 1e400 }')
    produce(kafka, topic, [value.encode()])
    options = ("--bootstrap-servers", kafka, "--topic", topic, "--group-id", topic, "--json", "--idle", "10")
    with started("subscriber.py", *options) as process:
        assert process.communicate(timeout=60) == (value + "\n", "1 results, 0 more were repeats\n")


def test_a_subscriber_of_a_topic_that_is_not_there_says_so_in_one_line(kafka: str) -> None:
    with started("subscriber.py", "--bootstrap-servers", kafka, "--topic", "no-such-topic") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.startswith("subscriber: topic no-such-topic at ")
    assert err.count("\n") == 1


def values(bootstrap: str, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = consumer.consume(end, timeout=20)
    consumer.close()
    return [(message.key(), message.value()) for message in messages]


def test_the_feeder_sends_as_many_sessions_as_asked_and_breaks_a_share_of_them(kafka: str, topics: Topics) -> None:
    topic = topics("sessions", partitions=1)
    options = ("--topic", topic, "--count", "400", "--rate", "4000", "--invalid", "0.25", "--seed", "1")
    with started("feeder.py", "--bootstrap-servers", kafka, *options) as process:
        assert process.communicate(timeout=60) == (f"400 events fed to {topic}\n", "")
    sent = values(kafka, topic)
    assert len(sent) == 400
    assert all(key for key, _ in sent)
    verdicts = Scorer.load().score_many([value for _, value in sent if value is not None])
    assert 60 < sum(isinstance(verdict, InvalidEvent) for verdict in verdicts) < 140


def test_the_feeder_stops_at_ctrl_c_with_everything_delivered(kafka: str, topics: Topics) -> None:
    topic = topics("sessions", partitions=1)
    with started("feeder.py", "--bootstrap-servers", kafka, "--topic", topic, "--rate", "2000") as process:
        while not values(kafka, topic):
            assert process.poll() is None
        code, out, err = interrupt(process)
    assert (code, err) == (0, "")
    assert out == f"{len(values(kafka, topic))} events fed to {topic}\n"


def test_a_feeder_for_a_topic_that_is_not_there_says_so_in_one_line(kafka: str) -> None:
    with started("feeder.py", "--bootstrap-servers", kafka, "--topic", "no-such-topic") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.startswith("feeder: topic no-such-topic at ")
    assert err.count("\n") == 1


def test_a_broker_that_does_not_answer_is_one_line() -> None:
    options = ("--bootstrap-servers", "127.0.0.1:1")
    with started("feeder.py", *options) as fed, started("subscriber.py", *options) as read:
        for name, process in (("feeder", fed), ("subscriber", read)):
            out, err = process.communicate(timeout=60)
            assert (process.returncode, out) == (1, "")
            assert err.startswith(f"{name}: topic ")
            assert err.count("\n") == 1


def test_the_feeder_sends_the_lines_of_a_file_as_they_are(kafka: str, topics: Topics, tmp_path: Path) -> None:
    topic = topics("sessions", partitions=1)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"user_id": "u-7"}\n{"click_events":  "36"}\n')
    with started("feeder.py", "--bootstrap-servers", kafka, "--topic", topic, "--input", str(path)) as process:
        assert process.communicate(timeout=60) == (f"2 events fed to {topic}\n", "")
    assert values(kafka, topic) == [(b"u-7", b'{"user_id": "u-7"}'), (None, b'{"click_events":  "36"}')]


def test_a_file_that_the_feeder_cannot_read_is_one_line(tmp_path: Path) -> None:
    with started("feeder.py", "--input", str(tmp_path / "nowhere.jsonl")) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.startswith("feeder: ")
    assert err.count("\n") == 1
