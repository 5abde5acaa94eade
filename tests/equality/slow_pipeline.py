"""A slow pipeline: the contract's decoder reads one event at a time, and msgspec encodes dicts.

The decoder is the authority on every event. The product's own scoring of columns is used, on columns that are made of
the decoder's events; the oracle of scores is tests/support/oracle.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from consumer.records import Batch, Headers, OutRecord
from consumer.stream import dead_letters
from consumer.stream.pipeline import Topics
from consumer.stream.serialization import MOST_AHEAD_MS, SOURCE_TIMESTAMP, utc
from scoring import InvalidEvent, Scored, Scorer, Verdict
from scoring.columns import Columns, from_events
from scoring.contract import CATEGORIES, IDENTITIES, MODEL_FIELDS, Event
from scoring.decoding import parse

NOW: Final = 1_795_428_999_000
TOPICS: Final = Topics("session-results", "session-alerts", "session-dead-letters")
GROUP: Final = "session-scorer"

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Judged:
    """What the contract's decoder says of some values: each valid event by its position, and each fault."""

    events: dict[int, Event]
    faults: dict[int, InvalidEvent]

    @property
    def columns(self) -> Columns:
        return from_events(list(self.events.values()))


def judge(values: Sequence[bytes]) -> Judged:
    """Decode each value by itself."""
    judged = Judged({}, {})
    for position, value in enumerate(values):
        try:
            judged.events[position] = parse(value)
        except InvalidEvent as fault:
            judged.faults[position] = fault
    return judged


@dataclass(frozen=True)
class Expected:
    """The records that a batch becomes, in their order, and what is counted."""

    records: list[OutRecord]
    counts: dict[str, Any]


class SlowPipeline:
    """Makes slowly what a pipeline makes that knows no limit of size."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._classes = scorer.artifacts.model.classes
        self._header: Headers = [("model_version", scorer.artifacts.version.encode())]

    def process(self, batch: Batch) -> Expected:
        """Return what becomes of a batch."""
        live = batch.without_tombstones()
        values = [value for value in live.values if value is not None]
        judged = judge(values)
        scored = self._scorer.score_columns(judged.columns)
        verdicts = [scored.verdict(row) for row in range(len(judged.events))]
        results, alerts = [], []
        for (position, event), verdict in zip(judged.events.items(), verdicts, strict=True):
            result = self._result(live, position, event, verdict)
            results.append(self._record(TOPICS.results, live, position, result))
            if verdict.risk_level == "High":
                alert = result[:-1] + b"," + _encode(_alert_part(live, position, verdict))[1:]
                alerts.append(self._record(TOPICS.alerts, live, position, alert))
        letters = [self._letter(live, position, fault) for position, fault in judged.faults.items()]
        counts = self._counts(batch, live, judged, verdicts, scored)
        return Expected(results + alerts + letters, counts)

    def verdict_alone(self, event: Event) -> Verdict:
        """Return the verdict on an event that is scored with no other."""
        return self._scorer.score_columns(from_events([event])).verdict(0)

    def _result(self, batch: Batch, row: int, event: Event, verdict: Verdict) -> bytes:
        identities = {name: getattr(event, name) for name in reversed(IDENTITIES)}
        said: dict[str, Any] = {"schema_version": 1, "result_id": _record_id(batch, row)}
        said |= {name: identity for name, identity in identities.items() if identity is not None}
        said |= verdict.as_dict()
        said["model_version"] = self._scorer.artifacts.version
        said["source"] = {
            "topic": batch.topic,
            "partition": batch.partitions[row],
            "offset": batch.offsets[row],
            "timestamp": utc(batch.timestamps[row]),
        }
        said["scored_at"] = utc(NOW)
        return _encode(said)[:-1] + b',"event":' + (batch.values[row] or b"") + b"}"

    def _record(self, topic: str, batch: Batch, row: int, value: bytes) -> OutRecord:
        kept = [header for header in batch.headers[row] if header[0] != "model_version"]
        return _dated(OutRecord(topic, batch.keys[row], value, kept + self._header, batch.timestamps[row]))

    @staticmethod
    def _letter(batch: Batch, row: int, fault: InvalidEvent) -> OutRecord:
        value = batch.values[row] or b""
        if fault.code == "not_json" and len(value) >= 5 and value[0] == 0 and value[1] < 128:
            message = "not JSON, but framed as by a schema registry's serializer: set --input-format"
            fault = InvalidEvent("not_json", None, message)
        headers = dead_letters.headers(batch, row, fault, GROUP)
        return _dated(OutRecord(TOPICS.dead_letters, batch.keys[row], value, headers, batch.timestamps[row]))

    def _counts(
        self, batch: Batch, live: Batch, judged: Judged, verdicts: list[Verdict], scored: Scored
    ) -> dict[str, Any]:
        imputed = Counter(field for verdict in verdicts for field in verdict.imputed_fields)
        dated = [live.timestamps[position] for position in judged.events]
        return {
            "scored": len(verdicts),
            "dead_lettered": len(judged.faults),
            "skipped": len(batch) - len(live),
            "levels": {
                level: sum(each.risk_level == level for each in verdicts) for level in ("Low", "Medium", "High")
            },
            "reasons": dict(Counter(code for verdict in verdicts for code in verdict.reason_codes)),
            "dead_letter_codes": dict(Counter(fault.code for fault in judged.faults.values())),
            "imputed": {field: imputed[field] for field in MODEL_FIELDS},
            "unseen": {field: self._unseen(field, judged.events.values()) for field in CATEGORIES},
            "scores": scored.scores.tolist(),
            "timestamps": [timestamp for timestamp in dated if _is_carried(timestamp)],
            "dead_letter_flags": [position in judged.faults for position in range(len(live))],
        }

    def _unseen(self, field: str, events: Any) -> int:
        values = [getattr(event, field) for event in events]
        return sum(value is not None and value not in self._classes[field] for value in values)


def _alert_part(batch: Batch, row: int, verdict: Verdict) -> dict[str, Any]:
    return {
        "alert_id": _record_id(batch, row),
        "base_rate": verdict.base_rate,
        "contributions": verdict.contributions,
    }


def _record_id(batch: Batch, row: int) -> str:
    return f"{batch.topic}-{batch.partitions[row]}-{batch.offsets[row]}"


def _dated(record: OutRecord) -> OutRecord:
    """Return the record with the time of day where its own timestamp cannot be carried."""
    if _is_carried(record.timestamp):
        return record
    came = (SOURCE_TIMESTAMP, str(record.timestamp).encode())
    return record._replace(headers=[*(h for h in record.headers if h[0] != SOURCE_TIMESTAMP), came], timestamp=NOW)


def _is_carried(timestamp: int) -> bool:
    return 0 < timestamp <= NOW + MOST_AHEAD_MS
