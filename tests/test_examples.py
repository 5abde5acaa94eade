"""The examples, run as a reader of the README would run them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from fastapi.testclient import TestClient

from consumer.records import Headers
from examples import fastapi_app, subscriber
from scoring import InvalidEvent, Scorer
from tests import conformity
from tests.topics import Topics

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


def test_the_web_app_stays_as_short_as_promised() -> None:
    assert len((EXAMPLES / "fastapi_app.py").read_text().splitlines()) <= 40


def test_a_repeated_id_is_known_until_too_many_came_after_it() -> None:
    seen = subscriber.Seen(limit=2)
    assert [seen.add(name) for name in ("a", "a", "b", "c", "c", "a")] == [True, False, True, True, False, True]


@contextmanager
def running(script: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(EXAMPLES / script), *options]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def result(offset: int, level: str = "Low") -> bytes:
    said = {"result_id": f"sessions-0-{offset}", "risk_level": level, "anomaly_score": 0.25}
    return json.dumps(GOLDEN | said).encode()


def produce(bootstrap: str, topic: str, values: list[bytes], *, commit: bool = True) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"{topic}-test"})
    producer.init_transactions()
    producer.begin_transaction()
    for value in values:
        conformity.hold_result(value, MODEL)
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
    with running("subscriber.py", *options) as process:
        assert read_lines(process, 3) == [
            "Low    0.2500 sessions-0-1",
            "High   0.2500 sessions-0-2",
            "Low    0.2500 sessions-0-4",
        ]
        assert interrupt(process) == (0, "", "")
    produce(kafka, topic, [result(5)])
    with running("subscriber.py", *options) as process:
        assert read_lines(process, 1) == ["Low    0.2500 sessions-0-5"]
        assert interrupt(process) == (0, "", "")


def test_a_subscriber_of_a_topic_that_is_not_there_says_so_in_one_line(kafka: str) -> None:
    with running("subscriber.py", "--bootstrap-servers", kafka, "--topic", "no-such-topic") as process:
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
    with running("feeder.py", "--bootstrap-servers", kafka, *options) as process:
        assert process.communicate(timeout=60) == (f"400 events fed to {topic}\n", "")
    sent = values(kafka, topic)
    assert len(sent) == 400
    assert all(key for key, _ in sent)
    verdicts = Scorer.load().score_many([value for _, value in sent if value is not None])
    assert 60 < sum(isinstance(verdict, InvalidEvent) for verdict in verdicts) < 140


def test_the_feeder_stops_at_ctrl_c_with_everything_delivered(kafka: str, topics: Topics) -> None:
    topic = topics("sessions", partitions=1)
    with running("feeder.py", "--bootstrap-servers", kafka, "--topic", topic, "--rate", "2000") as process:
        while not values(kafka, topic):
            assert process.poll() is None
        code, out, err = interrupt(process)
    assert (code, err) == (0, "")
    assert out == f"{len(values(kafka, topic))} events fed to {topic}\n"


def test_a_feeder_for_a_topic_that_is_not_there_says_so_in_one_line(kafka: str) -> None:
    with running("feeder.py", "--bootstrap-servers", kafka, "--topic", "no-such-topic") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.startswith("feeder: topic no-such-topic at ")
    assert err.count("\n") == 1


def test_a_broker_that_does_not_answer_is_one_line() -> None:
    options = ("--bootstrap-servers", "127.0.0.1:1")
    with running("feeder.py", *options) as fed, running("subscriber.py", *options) as read:
        for name, process in (("feeder", fed), ("subscriber", read)):
            out, err = process.communicate(timeout=60)
            assert (process.returncode, out) == (1, "")
            assert err.startswith(f"{name}: topic ")
            assert err.count("\n") == 1
