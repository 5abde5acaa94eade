"""The subscribers in Go and Java: built with types of docs/api, they print what the pipeline writes, each once."""

import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from consumer.kafka.config import Connection
from consumer.kafka.producer import KafkaProducer
from consumer.records import OutRecord
from examples.subscriber import Result, read
from tests.codegen.messages import NOW, messages, process
from tests.deploy.compilers import Command, build_go, build_java
from tests.support.command_line import running
from tests.support.kafka.topics import Topics

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "subscribers"
JARS = Path(__file__).parent / "subscribers" / "jars.sha256"
SOURCES = (EXAMPLES / "go" / "main.go", EXAMPLES / "java" / "src" / "main" / "java" / "Subscriber.java")
ODD_EVENTS = [  # valid, with what generated types may not expect
    b'{"user_id": %s}' % (b"9" * 4300),
    b'{"click_events": 5.%s, "Click_Events": "many", "%s": 1}' % (b"0" * 2000, b"n" * 60_000),
    b'{"far": 1e400, "long": %s, "deep": %s%s}' % (b"9" * 4000, b"[" * 499, b"]" * 499),
]

Process = subprocess.Popen[str]

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(300)]  # registries may be slow


def go(place: Path) -> Command:
    return build_go(place, "subscriber")


def java(place: Path) -> Command:
    return build_java(place, "subscriber", JARS)


@pytest.fixture(scope="module", params=[go, java])
def subscriber(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Builds a copy of the example, and gives its command."""
    build: Callable[[Path], Command] = request.param
    room = tmp_path_factory.mktemp("subscriber")
    (room / "docs").symlink_to(ROOT / "docs")
    language = build.__name__
    ignored = shutil.ignore_patterns("target", "result.go", "subscriber")  # what is built in place
    return build(shutil.copytree(EXAMPLES / language, room / "examples" / "subscribers" / language, ignore=ignored))


@pytest.fixture(scope="module")
def values() -> dict[str, list[bytes]]:
    """Results and alerts as the pipeline writes them; a long identity and a code of a later release are among them."""
    odd = [record.value or b"" for record in process(ODD_EVENTS, 1_000_000) if "results" in record.topic]
    assert len(odd) == len(ODD_EVENTS)
    made = messages()
    return {"results": [*odd, *made["result"]], "alerts": made["alert"]}


def with_id(value: bytes, result_id: bytes) -> bytes:
    return value.replace(read(value).result_id.encode(), result_id, 1)


def write(producer: KafkaProducer, topic: str, values: Iterable[bytes]) -> None:
    producer.produce([OutRecord(topic, b"user_198", value, [], NOW) for value in values])
    producer.flush()


def hold_next(process: Process, values: Iterable[bytes]) -> None:
    """Check that the next lines show these messages, of those with the same id the first."""
    first: dict[str, Result] = {}
    for result in map(read, values):
        first.setdefault(result.result_id, result)
    assert process.stdout is not None
    lines = [process.stdout.readline().rstrip("\n") for _ in first]
    scores = [float(line.split()[1]) for line in lines if line]
    without_score = [re.sub(r" +\S+ ", " ", line, count=1) for line in lines]
    assert without_score == [f"{each.risk_level} {each.result_id} {each.risk_reason}" for each in first.values()]
    assert scores == pytest.approx([each.anomaly_score for each in first.values()], abs=1e-4)  # it has four digits


def interrupt(process: Process) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=30)


@pytest.mark.parametrize("kind", ["results", "alerts"])
def test_each_committed_message_is_printed_once_across_a_restart(
    subscriber: Command, values: dict[str, list[bytes]], kind: str, kafka: str, topics: Topics
) -> None:
    topic = topics(f"other-{kind}", partitions=1)
    aborted, last, later = (with_id(values[kind][0], b"sessions-9-%d" % offset) for offset in range(3))
    exactly_once, at_least_once = KafkaProducer(Connection(kafka), topic), KafkaProducer(Connection(kafka))
    exactly_once.init()
    for written, end in ((values[kind], exactly_once.commit), ([aborted], exactly_once.abort)):
        exactly_once.begin()
        write(exactly_once, topic, written)
        end()
    write(at_least_once, topic, [*values[kind][:100], last])
    with running(*subscriber, kafka, topic, topic) as process:
        hold_next(process, [*values[kind], last])
        assert interrupt(process) == ("", "")
    write(at_least_once, topic, [later])
    with running(*subscriber, kafka, topic, topic) as process:
        hold_next(process, [later])
        assert interrupt(process) == ("", "")


@pytest.mark.parametrize("value", [b"u-secret", b'{"user_id": "u-secret"}', b'{"anomaly_score": "u-secret"}'])
def test_a_record_that_is_no_result_is_named_by_its_offset(
    subscriber: Command, value: bytes, kafka: str, topics: Topics
) -> None:
    topic = topics("other-results", partitions=1)
    write(KafkaProducer(Connection(kafka)), topic, [value])
    with running(*subscriber, kafka, topic, topic) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.startswith(f"subscriber: topic {topic} at {kafka}: ")
    assert err.count("\n") == 1
    assert "offset 0" in err
    assert "u-secret" not in err


def test_a_missing_topic_or_broker_is_one_line(subscriber: Command, kafka: str) -> None:
    for broker in (kafka, "127.0.0.1:1"):
        with running(*subscriber, broker, "no-such-topic", "nobody") as process:
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, "")
        assert err.startswith(f"subscriber: topic no-such-topic at {broker}: ")
        assert err.count("\n") == 1


@pytest.mark.parametrize("source", SOURCES, ids=["go", "java"])
def test_a_subscriber_stays_as_short_as_promised(source: Path) -> None:
    code = re.sub(r"(?ms)^import \(.*?^\)|^import .*?$", "", source.read_text())
    lines = [line.strip() for line in code.splitlines()]
    assert len([line for line in lines if line and not line.startswith(("//", "/**"))]) <= 60
