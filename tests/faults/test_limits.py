"""Records around every limit of the output topics: each comes out in the largest form that fits, and nothing stops."""

import hashlib
import json
import random
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import pytest
from confluent_kafka import Message
from confluent_kafka.admin._acl import AclOperation, AclPermissionType
from confluent_kafka.admin._config import AlterConfigOpType

from consumer.records import Headers
from consumer.stream.record_size import encode_headers, record_bytes
from tests.faults.asking import ask
from tests.faults.conftest import Full, Record
from tests.faults.rights import AS_USER, rule
from tests.faults.test_outputs_refused import configure
from tests.faults.test_sizes import LARGE, padded, samples
from tests.support.end_to_end import Line, stop
from tests.support.kafka.secured import options as client_options
from tests.support.kafka.topics import Topics
from tests.support.wire import Event, read, write

DEFAULT = 1_048_588  # Kafka's max.message.bytes
MOST = 1_000_000  # --max-record-bytes
PAST_THE_BREAKER = ("--breaker-run", "0", "--breaker-ratio", "1")
OURS = ("model_version", "source_timestamp", "__connect.errors.", "dead_letter.")
COMPACT = {"cleanup.policy": "compact", "min.compaction.lag.ms": "86400000"}
COMPACTED = {name.replace(".", "_"): value for name, value in COMPACT.items()}
HOUR = 3_600_000  # ms


class Scene(NamedTuple):
    """What the output topics take."""

    results: int
    alerts: int
    dead_letters: int
    more: Mapping[str, str] = {}

    @property
    def limits(self) -> tuple[int, ...]:
        return self.results, self.alerts, self.dead_letters


SCENES = {
    "defaults": Scene(DEFAULT, DEFAULT, DEFAULT),
    "16 KiB": Scene(16_384, 16_384, 16_384),
    "16 KiB compacted": Scene(16_384, 16_384, 16_384, COMPACT),
    "16 KiB compressed anew": Scene(16_384, 16_384, 16_384, {"compression.type": "zstd"}),
    "alerts fit nowhere": Scene(5_000, 300, 16_384),
    "each its own": Scene(300_000, 20_000, 16_384),
    "each its own, compacted": Scene(20_000, 100_000, DEFAULT, COMPACT),
    "compressed anew": Scene(100_000, 100_000, 50_000, {"compression.type": "gzip"}),
}


def line_on(kafka: str, topics: Topics, scene: Scene) -> Line:
    """A line whose input takes records of up to 100 MiB."""
    sessions = topics("sessions", config=LARGE)
    results, alerts, letters = (
        topics(name, config={"max.message.bytes": str(limit), **scene.more})
        for name, limit in zip(("results", "alerts", "dead-letters"), scene.limits, strict=True)
    )
    return Line(kafka, f"scorer-of-{sessions}", sessions, results, alerts, letters)


def line_outputs(line: Line) -> tuple[str, str, str]:
    return line.results, line.alerts, line.dead_letters


@pytest.fixture
def lined_up(kafka: str, topics: Topics) -> Callable[[Scene], Line]:
    return partial(line_on, kafka, topics)


def events(seed: int, count: int, limits: Sequence[int]) -> list[Event]:
    """Events of which one part, or two, is about as large as a limit; of each kind, in turn."""
    chance = random.Random(seed)
    (key, low), (other, high) = samples()
    kinds = [(key, low), (other, high), (None, high), (key, b"{"), (None, b'{"click_events": "7"}')]
    return [_event(chance, *kinds[number % len(kinds)], number, limits) for number in range(count)]


def _event(chance: random.Random, key: bytes | None, value: bytes, number: int, limits: Sequence[int]) -> Event:
    headers: Headers = [("trace", b"1")] * chance.randrange(3)
    for part in chance.choices(("key", "value", "headers", "header", "session"), k=chance.choice((1, 1, 2))):
        size = max(300, chance.choice([*limits, MOST]) - chance.choice((0, 60, 100, 600, 1500, chance.randrange(5000))))
        if part == "key":
            key = chance.randbytes(size)
        elif part == "value":
            value = padded(value, size + len(value)) if value.endswith(b"}") else value + b"<" * size
        elif part == "headers":
            headers += [("", None if number % 2 else b"")] * (size // 2)
        elif part == "header":
            headers.append(("né", chance.randbytes(size)))
        else:
            value = value.replace(b'"session_id":"', b'"session_id":"' + b"s" * size, 1)
    return Event(value, key, number % 4, headers)


def feed(line: Line, given: Sequence[Event]) -> None:
    """Writes each by itself, compressed."""
    single: dict[str, str | int] = {"message.max.bytes": 100_000_000, "batch.size": 1, "compression.type": "gzip"}
    write(line.bootstrap, line.sessions, given, single)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def headers_of(message: Message) -> Headers:
    return cast("Headers", message.headers() or [])


def size(message: Message) -> int:
    return record_bytes(message.key(), message.value(), headers_of(message))


Place = tuple[int, int]


def verify(line: Line, scene: Scene, *, repeated: bool = False, hidden: bool = False) -> dict[str, int]:
    """Every event has its outcome, each in a form that says what it lost. Returns how many there are of each form."""
    came = {(m.partition() or 0, m.offset() or 0): m for m in read(line.bootstrap, line.sessions)}
    results, alerts = ([(place_of(m), m) for m in read(line.bootstrap, topic)] for topic in (line.results, line.alerts))
    letters = [(place_of_letter(m), m) for m in read(line.bootstrap, line.dead_letters)]
    outcomes = [place for place, _ in [*results, *letters]]
    assert set(outcomes) == set(came)
    assert repeated or len(outcomes) == len(came)
    high = {place for place, m in results if json.loads(m.value() or b"")["risk_level"] == "High"}
    assert {place for place, _ in alerts} == high
    forms: dict[str, int] = {}
    compacted = True if "cleanup.policy" in scene.more else None if hidden else False
    for limit, messages, check in (
        (min(scene.results, MOST), results, hold_result),
        (min(scene.alerts, MOST), alerts, hold_result),
        (min(scene.dead_letters, MOST), letters, hold_letter),
    ):
        for place, message in messages:
            assert repeated or size(message) <= limit  # before a refusal what compression makes small is taken
            stand_in = f"{line.sessions}-{place[0]}-{place[1]}".encode()
            form = check(came[place], message, compacted=compacted, stand_in=stand_in)
            forms[form] = forms.get(form, 0) + 1
    return forms


def place_of(message: Message) -> Place:
    source = json.loads(message.value() or b"")["source"]
    return source["partition"], source["offset"]


def place_of_letter(message: Message) -> Place:
    said = dict(headers_of(message))
    return int(said["__connect.errors.partition"] or b""), int(said["__connect.errors.offset"] or b"")


def theirs(headers: Headers) -> Headers:
    return [header for header in headers if not header[0].startswith(OURS)]


def stand_ins(stand_in: bytes, compacted: bool | None) -> list[bytes | None]:
    """The keys that may be there where there would be none; None: it may be taken for compacted."""
    if compacted is None:
        return [stand_in, None]
    return [stand_in if compacted else None]


def hold_key(came: Message, out: Message, said: Mapping[str, Any], *, compacted: bool | None, stand_in: bytes) -> str:
    key = came.key()
    if "key_sha256" in said:
        assert key is not None
        assert (int(said["key_bytes"]), said["key_sha256"]) == (len(key), sha256(key))
        assert out.key() in stand_ins(sha256(key).encode(), compacted)
        return "without key"
    assert out.key() in (stand_ins(stand_in, compacted) if key is None else [key])
    return ""


def hold_result(came: Message, out: Message, *, compacted: bool | None, stand_in: bytes) -> str:
    """What a result or an alert says of its event."""
    event, said = came.value() or b"", msgspec.json.decode(out.value() or b"", type=dict[str, msgspec.Raw])
    text = {name: json.loads(bytes(value)) for name, value in said.items() if name != "event"}
    form = hold_key(came, out, text, compacted=compacted, stand_in=stand_in)
    if "event" in said:
        assert bytes(said["event"]) == event
        assert form == ""
        assert theirs(headers_of(out)) == headers_of(came)
        return "whole"
    assert (text["event_bytes"], text["event_sha256"]) == (len(event), sha256(event))
    if theirs(headers_of(out)) != headers_of(came):
        assert theirs(headers_of(out)) == []
        return form or "without headers"
    return form or "without event"


def hold_letter(came: Message, out: Message, *, compacted: bool | None, stand_in: bytes) -> str:
    """What a dead letter says of its event."""
    event, headers = came.value() or b"", headers_of(came)
    said = {
        name.removeprefix("dead_letter."): (value or b"").decode()
        for name, value in headers_of(out)
        if name.startswith("dead_letter.")
    }
    form = hold_key(came, out, said, compacted=compacted, stand_in=stand_in)
    if out.value() is not None:
        assert out.value() == event
        return "letter whole"
    assert (int(said["value_bytes"]), said["value_sha256"]) == (len(event), sha256(event))
    if "headers_sha256" not in said:
        assert form == ""
        assert theirs(headers_of(out)) == headers
        return "letter without value"
    encoded = encode_headers(headers)
    assert (int(said["headers_bytes"]), said["headers_sha256"]) == (len(encoded), sha256(encoded))
    assert theirs(headers_of(out)) == []
    return f"letter {form or 'without headers'}"


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
@pytest.mark.parametrize("name", SCENES)
def test_events_around_every_limit_come_out_in_a_form_that_fits(  # noqa: PLR0913, PLR0917 - parameters and fixtures
    lined_up: Callable[[Scene], Line],
    name: str,
    delivery: str,
    full: Full,
    tmp_path: Path,
    record_property: Record,
) -> None:
    scene = SCENES[name]
    line, log = lined_up(scene), tmp_path / "log"
    given = events(zlib.crc32(name.encode()), full(20, 200), scene.limits)
    feed(line, given)
    line.drain(log, len(given), "--delivery", delivery, *PAST_THE_BREAKER)
    forms = verify(line, scene)
    assert "going back" not in log.read_text()
    record_property("events", len(given))
    record_property("forms", ", ".join(f"{name} {count}" for name, count in sorted(forms.items())))


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_topics_that_take_less_than_they_did_at_the_start_stop_nothing(
    lined_up: Callable[[Scene], Line], delivery: str, tmp_path: Path
) -> None:
    line, log = lined_up(Scene(DEFAULT, DEFAULT, DEFAULT)), tmp_path / "log"
    now = int(time.time() * 1000)
    dates = [now - 3 * HOUR, now - HOUR, now]
    then = [each._replace(timestamp=dates[n % 3]) for n, each in enumerate(events(9, 20, [20_000, 100_000]))]
    (key, value), _ = samples()
    feed(line, [Event(value, key)])
    with line.running(log, "--delivery", delivery, *PAST_THE_BREAKER) as process:
        line.wait_for(lambda count: count == 1, process)
        for topic in line_outputs(line):
            smaller = {"max_message_bytes": "20000", "message_timestamp_before_max_ms": str(2 * HOUR)}
            configure(line, topic, AlterConfigOpType.SET, **smaller, **COMPACTED)
        feed(line, then)
        line.wait_for(lambda count: count == 1 + len(then), process)
        assert stop(process) == 0
    verify(line, Scene(20_000, 20_000, 20_000, COMPACT), repeated=delivery == "at-least-once")
    assert "limits of an output topic lowered" in log.read_text()
    hold_dates(line, dates[0])


HIDDEN = {
    "sizes": Scene(40_000, 30_000, 20_000),
    "sizes below 16 KiB": Scene(5_000, 5_000, 20_000),
    "sizes, keys": Scene(40_000, 30_000, 20_000, COMPACT),
    "dates": Scene(DEFAULT, DEFAULT, DEFAULT, {"message.timestamp.before.max.ms": str(2 * HOUR)}),
}


# at-least-once, the result of an event stays that is written before its alert is found to fit in no form
@pytest.mark.parametrize(
    ("name", "delivery"),
    [*((name, "exactly-once") for name in HIDDEN), *((n, "at-least-once") for n in HIDDEN if "below" not in n)],
)
def test_topics_whose_settings_are_hidden_stop_nothing(
    guarded: tuple[str, str], name: str, delivery: str, tmp_path: Path
) -> None:
    scene, topics, log = HIDDEN[name], Topics(guarded[0]), tmp_path / "log"
    line = line_on(guarded[0], topics, scene)
    denied = [rule(topic, AclOperation.DESCRIBE_CONFIGS, AclPermissionType.DENY) for topic in line_outputs(line)]
    allowed = [rule(topic, AclOperation.ALL, AclPermissionType.ALLOW) for topic in line_outputs(line)]
    ask(line.bootstrap, lambda client: client.create_acls([*denied, *allowed]))
    now = int(time.time() * 1000)
    dates = [now - 3 * HOUR, now - HOUR, now]
    given = [each._replace(timestamp=dates[n % 3]) for n, each in enumerate(events(3, 20, scene.limits))]
    feed(line, given)
    options = ["--delivery", delivery, "--bootstrap-servers", guarded[1], *PAST_THE_BREAKER]
    options += client_options(AS_USER)
    line.drain(log, len(given), *options)
    verify(line, scene, repeated=True, hidden=True)
    assert "limits of an output topic lowered" in log.read_text()
    topics.delete()


def hold_dates(line: Line, refused: int) -> None:
    """What came of events of that date is dated otherwise, and says so; nothing else is."""
    came = {(m.partition() or 0, m.offset() or 0): m.timestamp()[1] for m in read(line.bootstrap, line.sessions)}
    results = [(place_of(m), m) for topic in (line.results, line.alerts) for m in read(line.bootstrap, topic)]
    letters = [(place_of_letter(m), m) for m in read(line.bootstrap, line.dead_letters)]
    for place, message in [*results, *letters]:
        original = dict(headers_of(message)).get("source_timestamp")
        assert original == (str(refused).encode() if came[place] == refused else None)
        assert (message.timestamp()[1] == came[place]) is (original is None)
