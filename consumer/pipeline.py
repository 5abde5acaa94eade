"""What a batch becomes: decode, score, encode. Pure, but for the time of day, which comes in."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import numpy as np
from msgspec import UNSET, Raw

from consumer import dead_letters
from consumer.envelopes import (
    SCHEMA_VERSION,
    SOURCE_TIMESTAMP,
    Result,
    Source,
    carries,
    encode_alert,
    encode_result,
    text_headers,
    utc,
    with_headers,
    without_event,
)
from consumer.records import Batch, Headers, Output, OutRecord, Tally
from scoring import LEVELS, Contribution, Decoded, InvalidEvent, Scored, Scorer
from scoring.contract import CATEGORIES, MODEL_FIELDS

RECORD_OVERHEAD: Final = 128  # bytes, generous: the lengths and deltas of a record, the header of its batch


@dataclass(frozen=True, slots=True)
class Topics:
    """Where things go."""

    results: str
    alerts: str
    dead_letters: str


@dataclass(frozen=True, slots=True)
class _Judged:
    """A batch on its way out: its records that have a value, what the core said of them, and the time of day."""

    batch: Batch
    events: list[bytes]
    decoded: Decoded
    scored: Scored
    now: int  # ms since the epoch
    faults: dict[int, InvalidEvent]  # by place in the batch; an event whose result does not fit becomes one more


class Pipeline:
    """Turns batches of session events into results, alerts and dead letters."""

    def __init__(
        self, scorer: Scorer, topics: Topics, group_id: str, max_record_bytes: int, now: Callable[[], int]
    ) -> None:
        """`max_record_bytes` bounds key, value and headers of what goes out; `now` is in ms since the epoch."""
        self._scorer = scorer
        self._topics = topics
        self._group_id = group_id
        self._max_record_bytes = max_record_bytes
        self._now = now
        self._model_header: Headers = [("model_version", scorer.artifacts.version.encode())]

    def process(self, batch: Batch) -> Output:
        """All that the batch becomes: for each event a result and perhaps an alert, or a dead letter.

        Within each topic records stand in the order of the batch. A record without a value (a tombstone) becomes
        nothing.
        """
        live = batch.without_tombstones()
        events = [value or b"" for value in live.values]
        times = [perf_counter()]
        decoded = self._scorer.decode(events)
        times.append(perf_counter())
        scored = self._scorer.score_columns(decoded.columns)
        times.append(perf_counter())
        judged = _Judged(live, events, decoded, scored, self._now(), dict(decoded.invalid))
        records = self._results(judged) + self._dead_letters(judged)
        times.append(perf_counter())
        stages = dict(zip(("decode", "score", "encode"), np.diff(times).tolist(), strict=True))
        return Output(records, _tally(judged, len(batch) - len(live), stages))

    def _results(self, judged: _Judged) -> list[OutRecord]:
        batch, scored, now = judged.batch, judged.scored, judged.now
        records: list[OutRecord] = []
        version, scored_at = self._scorer.artifacts.version, utc(now) or ""
        rows = _rows(judged.decoded, scored)
        for row, (i, session_id, user_id, label, score, level, why, imputed) in enumerate(rows):
            key, partition, offset = batch.keys[i], batch.partitions[i], batch.offsets[i]
            result = Result(
                SCHEMA_VERSION,
                f"{batch.topic}-{partition}-{offset}",
                UNSET if session_id is None else session_id,
                UNSET if user_id is None else user_id,
                label,
                score,
                LEVELS[level],
                why.phrase,
                why.codes,
                imputed,
                version,
                Source(batch.topic, partition, offset, utc(batch.timestamps[i])),
                scored_at,
                Raw(judged.events[i]),
            )
            headers, timestamp = _carried(batch, i, self._model_header, now)
            room = self._room(key, headers)
            encoded = _fitted(result, judged.events[i], scored.contributions.get(row), scored.base_rate, room)
            if encoded is None:
                judged.faults[i] = InvalidEvent("too_large", None, "its result is too large even without the event")
                continue
            records.append(OutRecord(self._topics.results, key, encoded[0], headers, timestamp))
            if encoded[1] is not None:
                records.append(OutRecord(self._topics.alerts, key, encoded[1], headers, timestamp))
        return records

    def _dead_letters(self, judged: _Judged) -> list[OutRecord]:
        """The invalid events as they came, or their sizes and hashes where they do not fit either."""
        records, topic, batch = [], self._topics.dead_letters, judged.batch
        for i, fault in sorted(judged.faults.items()):
            key, value = batch.keys[i], judged.events[i]
            ours = dead_letters.headers(batch, i, fault, self._group_id)
            headers, timestamp = _carried(batch, i, ours, judged.now)
            if fault.code == "too_large" or len(value) > self._room(key, headers):
                headers = headers + dead_letters.size_headers(value)
                records.append(OutRecord(topic, key, None, headers, timestamp))
            else:
                records.append(OutRecord(topic, key, value, headers, timestamp))
        return records

    def _room(self, key: bytes | None, headers: Headers) -> int:
        """How many bytes a value may have beside this key and these headers."""
        beside = sum(len(name) + len(value or b"") for name, value in headers)
        return self._max_record_bytes - RECORD_OVERHEAD - len(key or b"") - beside


def _rows(decoded: Decoded, scored: Scored) -> Iterator[tuple[Any, ...]]:
    """For each valid event its place in the batch and what goes into its result."""
    return zip(
        decoded.positions,
        decoded.columns.session_ids,
        decoded.columns.user_ids,
        scored.labels.tolist(),
        scored.scores.tolist(),
        scored.levels.tolist(),
        scored.explanations,
        scored.imputed,
        strict=True,
    )


def _fitted(
    result: Result, event: bytes, contributions: list[Contribution] | None, base_rate: float, room: int
) -> tuple[bytes, bytes | None] | None:
    """The JSON of a result and of its alert, without the event where it would not fit; None when even that does not."""

    def alert_of(encoded: bytes) -> bytes | None:
        return None if contributions is None else encode_alert(result.result_id, encoded, contributions, base_rate)

    whole = None
    if len(event) < room:  # a large one that cannot fit is not worth two more copies (60 MiB each, of a bomb)
        whole = encode_result(result)
        alert = alert_of(whole)
        if len(alert or whole) <= room:  # an alert is its result and more
            return whole, alert
    slim = encode_result(without_event(result, event))
    slim_alert = alert_of(slim)
    if len(slim_alert or slim) > room:
        return None
    return (whole if whole is not None and len(whole) <= room else slim), slim_alert


def _carried(batch: Batch, i: int, ours: Headers, now: int) -> tuple[Headers, int]:
    """The headers and the timestamp of what comes of record `i`."""
    timestamp = batch.timestamps[i]
    if carries(timestamp, now):
        return with_headers(batch.headers[i], ours), timestamp
    return with_headers(batch.headers[i], ours + text_headers([(SOURCE_TIMESTAMP, timestamp)])), now


def _tally(judged: _Judged, skipped: int, stage_seconds: dict[str, float]) -> Tally:
    scored, faults, positions = judged.scored, judged.faults, judged.decoded.positions
    kept = [row for row, i in enumerate(positions) if i not in faults]
    timestamps = [judged.batch.timestamps[positions[row]] for row in kept]
    per_level = np.bincount(scored.levels[kept], minlength=len(LEVELS)).tolist()
    return Tally(
        scored=len(kept),
        dead_lettered=len(faults),
        skipped=skipped,
        levels=dict(zip(LEVELS, per_level, strict=True)),
        dead_letter_codes=dict(Counter(fault.code for fault in faults.values())),
        imputed=dict(zip(MODEL_FIELDS, scored.gaps.sum(axis=1).tolist(), strict=True)),
        unseen=dict(zip(CATEGORIES, scored.unseen.sum(axis=1).tolist(), strict=True)),
        scores=scored.scores[kept],
        timestamps=np.array([t for t in timestamps if carries(t, judged.now)], dtype=np.int64),
        stage_seconds=stage_seconds,
        dead_letter_flags=[i in faults for i in range(len(judged.events))],
    )
