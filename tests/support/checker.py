"""The checker: trusts nobody. What a read-committed reader finds, held against what went in, offset by offset."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import msgspec
from confluent_kafka import Message
from msgspec import Struct

from consumer.records import Headers
from training.synthetic.invalid_events import InvalidSample

Place = tuple[int, int]  # partition and offset of an input record
OURS = ("model_version", "source_timestamp", "__connect.errors.", "dead_letter.")  # headers that the consumer writes


class Seen(NamedTuple):
    """A record as a reader sees it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @classmethod
    def of(cls, message: Message) -> "Seen":
        headers = cast("Headers", message.headers() or [])
        return cls(message.partition() or 0, message.offset() or 0, message.key(), message.value(), headers)


@dataclass
class Report:
    """What is wrong, by the place of the input record; and how much there was of everything."""

    counts: dict[str, int]
    missing: list[Place] = field(default_factory=list)  # neither a result nor a dead letter, or High without an alert
    duplicate: list[Place] = field(default_factory=list)  # once for each time too many
    wrong_topic: list[Place] = field(default_factory=list)
    out_of_order: list[Place] = field(default_factory=list)
    differing: list[Place] = field(default_factory=list)  # not the bytes, key, headers or code that it must be

    def faults(self) -> dict[str, int]:
        """How many of each kind; empty when nothing is wrong."""
        return {name: len(found) for name, found in vars(self).items() if isinstance(found, list) and found}


class Outputs(NamedTuple):
    """What stands on the three output topics."""

    results: list[Seen]
    alerts: list[Seen]
    dead_letters: list[Seen]


def judge(inputs: Iterable[Seen], planted: Mapping[bytes, InvalidSample], outputs: Outputs) -> Report:
    """`planted` are the invalid events among the inputs, by their values: what is not planted must be scored."""
    given = {(record.partition, record.offset): record for record in inputs}
    report = Report({"inputs": len(given)} | {name: len(found) for name, found in outputs._asdict().items()})
    letters = [(_place_of_letter(letter), letter) for letter in outputs.dead_letters]
    results = [(_place_of_result(result), result) for result in outputs.results]
    alerts = [(_place_of_result(alert), alert) for alert in outputs.alerts]
    high = {place for place, result in results if _said(result).risk_level == "High"}

    def invalid(place: Place) -> bool:
        return place in given and (given[place].value or b"") in planted

    _count(report, [place for place, record in given.items() if record.value is not None], [*results, *letters])
    _count(report, sorted(high), alerts)
    report.wrong_topic += [place for place, _ in results if place not in given or invalid(place)]
    report.wrong_topic += [place for place, _ in letters if not invalid(place)]
    report.wrong_topic += [place for place, _ in alerts if place not in high]
    report.differing += [place for place, out in [*results, *alerts] if not _carries(given.get(place), out)]
    report.differing += [place for place, out in letters if not _is_letter_of(given.get(place), out, planted)]
    for found in (results, alerts, letters):
        report.out_of_order += _falls(found)
    report.counts["high"] = len(high)
    return report


def _count(report: Report, wanted: list[Place], found: list[tuple[Place, Seen]]) -> None:
    times = Counter(place for place, _ in found)
    report.missing += [place for place in wanted if not times[place]]
    report.duplicate += [place for place, count in times.items() for _ in range(count - 1)]


def _falls(found: list[tuple[Place, Seen]]) -> list[Place]:
    """For one input partition and key, source offsets may not fall within an output partition.

    What is repeated may come again from an earlier offset on, but only over ground that was covered before: a fall to
    an offset never seen is out of order. (That something is repeated at all is counted as a duplicate.)
    """
    covered: dict[tuple[int, int, bytes | None], set[int]] = defaultdict(set)
    last: dict[tuple[int, int, bytes | None], int] = defaultdict(lambda: -1)
    fallen = []
    for place, record in sorted(found, key=lambda each: (each[1].partition, each[1].offset)):
        stream = (place[0], record.partition, record.key)
        if place[1] < last[stream] and place[1] not in covered[stream]:
            fallen.append(place)
        covered[stream].add(place[1])
        last[stream] = place[1]
    return fallen


def _carries(given: Seen | None, out: Seen) -> bool:
    """Whether a result or an alert holds its event byte for byte, under the key and the headers that came.

    Of an event that is not JSON it holds the hash.
    """
    if given is None:
        return False
    value, made = given.value or b"", out.value or b""
    event = b'"event":' + value
    whole = made.endswith(event + b"}") or event + b',"alert_id":' in made
    if b',"event_schema_id":' in made:
        framed = b'"event":%b,"event_schema_id":%d' % (value[5:], int.from_bytes(value[1:5], "big"))
        whole = framed in made or b'"event_sha256":"%b"' % hashlib.sha256(value).hexdigest().encode() in made
    return whole and out.key == given.key and _theirs(out.headers) == _theirs(given.headers)


def _is_letter_of(given: Seen | None, out: Seen, planted: Mapping[bytes, InvalidSample]) -> bool:
    if given is None or (given.value or b"") not in planted:
        return False
    broken, headers = planted[given.value or b""], dict(out.headers)
    named = headers.get("dead_letter.code"), headers.get("dead_letter.field")
    same = (out.key, out.value, _theirs(out.headers)) == (given.key, given.value, _theirs(given.headers))
    return same and named == (broken.code.encode(), broken.field.encode() if broken.field else None)


def _theirs(headers: Headers) -> Headers:
    return [header for header in headers if not header[0].startswith(OURS)]


class _Source(Struct):
    partition: int
    offset: int


class _Said(Struct):
    source: _Source
    risk_level: str


_decode = msgspec.json.Decoder(_Said).decode


def _said(record: Seen) -> _Said:
    return _decode(record.value or b"{}")


def _place_of_result(record: Seen) -> Place:
    source = _said(record).source
    return source.partition, source.offset


def _place_of_letter(record: Seen) -> Place:
    headers = dict(record.headers)
    return int(headers["__connect.errors.partition"] or -1), int(headers["__connect.errors.offset"] or -1)
