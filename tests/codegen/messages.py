"""Messages as the pipeline writes them, for programs with generated types to read."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from consumer.formats import JsonValues, ReadValues, read_json
from consumer.records import Batch, OutRecord, Partition, UnreadableBatch
from consumer.stream.dead_letters import of_unreadable
from consumer.stream.output_limits import TopicLimits
from consumer.stream.pipeline import Pipeline, Topics
from scoring import ErrorCode, InvalidEvent, Scorer
from scoring.decoding import join_values
from tests.faults.bad_events import distinct, odd
from tests.support import schema_validation
from tests.support.artifacts import hand_computed
from tests.support.artifacts.sets import random_event
from training.synthetic.dataset import events

IDENTITY = 123_456_789_012_345_678_901_234_567_890
FAULTS: tuple[ErrorCode, ...] = ("bad_framing", "unknown_schema", "not_avro", "not_protobuf")
GUID = b"00000000-0000-0000-0000-000000000007"
LATER_CODE = "code_of_a_later_release"
NOW = 1_795_428_904_131  # 2026-11-23T10:15:04.131Z
TOPICS = Topics("session-results", "session-alerts", "session-dead-letters")
WHOLE, WITHOUT_EVENT, WITHOUT_KEY = 1_000_000, 1_150, 900  # bytes of a record

Messages = dict[str, list[bytes]]


def messages() -> Messages:
    """Return messages by the name of their schema, 8,000 in all.

    The last two of results, alerts and events are unusual: a code that no release has yet (but in an event), and an
    identity of 30 digits. The last dead letter has the code.
    """
    valid = [*_random_events(3000), *islice(odd(seed=5), 300), *islice(events(seed=5), 700)]
    long = [_json(event | {"user_id": IDENTITY, "session_id": -IDENTITY}) for event in _random(100)]
    records = [
        *process([*valid, *(one.value for one in distinct(seed=5, count=300))], WHOLE),
        *process(_random_events(200), WITHOUT_EVENT),
        *process(_random_events(200), WITHOUT_KEY, key=b"k" * 300),
        *process(_random_events(200), WHOLE, read_values=_framed),
        of_unreadable(
            UnreadableBatch(Partition("sessions", 3), 10, 20, "CRC32 does not match"),
            TOPICS.dead_letters,
            "fraud",
            NOW,
        ),
    ]
    made = {kind: _of_kind(kind, records) for kind in ("result", "alert", "dead-letter-headers")}
    for kind, each in made.items():
        each += [_with_later_code(each[0]), *_of_kind(kind, process(long, WHOLE))[:1]]
    return made | {"event": [*valid, *long]}


def _random(count: int) -> Iterator[dict[str, object]]:
    random = np.random.default_rng(7)
    return (random_event(random) for _ in range(count))


def _random_events(count: int) -> list[bytes]:
    """Return valid events of which the shipped model finds many Medium and High, for every reason there is."""
    return [_json(event | {"user_id": f"user_{n}"}) for n, event in enumerate(_random(count))]


def process(
    values: Sequence[bytes], record_bytes: int, key: bytes = b"user_198", read_values: ReadValues = read_json
) -> list[OutRecord]:
    """Return what the pipeline makes of the events; larger records than `record_bytes` lose their event, then key."""
    pipeline = Pipeline(Scorer.load(), TOPICS, "fraud", lambda _: TopicLimits(record_bytes), lambda: NOW, read_values)
    records = pipeline.process(hand_computed.batch(*values, keys=[key] * len(values))).records
    for record in records:
        schema_validation.hold(record.topic, record.value, record.headers)
    return records


def _framed(batch: Batch) -> JsonValues:
    """Return values as from a schema registry's formats: one with each fault, the others by id and by GUID in turn."""
    faults = {row: InvalidEvent(code, None, "as it says") for row, code in enumerate(FAULTS)}
    members = (b',"event_schema_id":7,"event_sha256":"%b"' % (b"0" * 64), b',"event_schema_guid":"%b"' % GUID)
    texts = [b"" if row in faults else value or b"" for row, value in enumerate(batch.values)]
    return JsonValues(join_values(texts), faults, [members[row % 2] for row in range(len(batch))])


def _of_kind(kind: str, records: Sequence[OutRecord]) -> list[bytes]:
    if kind == "dead-letter-headers":
        letters = [record.headers for record in records if record.topic == TOPICS.dead_letters]
        return [_json(schema_validation.as_text(headers)) for headers in letters]
    return [record.value or b"" for record in records if record.topic == f"session-{kind}s"]


def _with_later_code(message: bytes) -> bytes:
    """Return the message with one code more, or with another code where it has just one."""
    made = json.loads(message)
    if "dead_letter.code" in made:
        return _json(made | {"dead_letter.code": LATER_CODE, "dead_letter.field": "field_of_a_later_release"})
    return _json(made | {"reason_codes": [*made["reason_codes"], LATER_CODE]})


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
