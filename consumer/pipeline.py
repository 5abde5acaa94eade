"""What a batch becomes: decode, score, encode. Pure, but for the time of day, which comes in."""

import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from time import perf_counter
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from consumer import dead_letters, drift
from consumer.envelopes import (
    MOST_AHEAD_MS,
    SOURCE_TIMESTAMP,
    Results,
    encode_alert,
    encode_results,
    text_headers,
    with_headers,
    without_event,
)
from consumer.records import Batch, Headers, Output, OutRecord, Tally, UnreadableBatch
from scoring import LEVELS, Decoded, InvalidEvent, Scored, Scorer, explain
from scoring.contract import CATEGORIES, MODEL_FIELDS
from scoring.drift import Bins
from scoring.reasons import LOW

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
    decoded: Decoded
    scored: Scored
    now: int  # ms since the epoch
    carries: NDArray[np.bool_]  # which records' timestamps what comes of them can carry
    faults: dict[int, InvalidEvent]  # by place in the batch; an event whose result does not fit becomes one more

    @property
    def valid(self) -> slice | list[int]:
        """Where the valid events stand, to pick them out of a column."""
        return slice(None) if len(self.decoded.positions) == len(self.batch) else list(self.decoded.positions)


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
        baseline = scorer.artifacts.baseline
        self._bins = None if baseline is None else Bins(baseline)
        self._model_header: Headers = [("model_version", scorer.artifacts.version.encode())]

    def process(self, batch: Batch) -> Output:
        """All that the batch becomes: for each event a result and perhaps an alert, or a dead letter.

        Within each topic records stand in the order of the batch. A record without a value (a tombstone) becomes
        nothing; what stands for a batch that cannot be read becomes one dead letter.
        """
        if batch.unreadable is not None:
            return self._unreadable(batch, batch.unreadable)
        live = batch.without_tombstones()
        times = [perf_counter()]
        decoded = self._scorer.decode(cast("list[bytes]", live.values))
        times.append(perf_counter())
        scored = self._scorer.score_columns(decoded.columns)
        times.append(perf_counter())
        now = self._now()
        timestamps = np.array(live.timestamps, dtype=np.int64)
        carries = (timestamps > 0) & (timestamps <= now + MOST_AHEAD_MS)
        judged = _Judged(live, decoded, scored, now, carries, dict(decoded.invalid))
        records = self._results(judged) + self._dead_letters(judged)
        times.append(perf_counter())
        stages = dict(zip(("decode", "score", "encode"), np.diff(times).tolist(), strict=True))
        return Output(records, _tally(judged, len(batch) - len(live), stages, self._bins))

    def _unreadable(self, batch: Batch, unreadable: UnreadableBatch) -> Output:
        """One dead letter, counted as one event."""
        letter = dead_letters.of_unreadable(unreadable, self._topics.dead_letters, self._group_id, self._now())
        empty = self.process(replace(batch, unreadable=None)).tally
        codes = {dead_letters.UNREADABLE: 1}
        return Output(
            [letter], replace(empty, skipped=0, dead_lettered=1, dead_letter_codes=codes, dead_letter_flags=[True])
        )

    def _results(self, judged: _Judged) -> list[OutRecord]:
        """The results, then the alerts."""
        decoded, scored = judged.decoded, judged.scored
        batch = judged.batch.take(decoded.positions)
        results = Results(batch, decoded.columns, scored, self._scorer.artifacts.version, judged.now)
        headers, timestamps = self._carried(judged, batch)
        events = cast("list[bytes]", batch.values)
        # one that cannot fit is not worth two more copies (60 MiB each, of a bomb)
        fits = max(map(len, events), default=0) < self._max_record_bytes
        embedded = events if fits else [event if len(event) < self._max_record_bytes else b"" for event in events]
        values = encode_results(results, embedded)
        alerts = {row: _alert(results, row, values[row]) for row in scored.contributions}
        lost: set[int] = set()
        rooms = self._rooms(batch.keys, headers)
        all_fit = fits and all(map(operator.le, map(len, values), rooms))  # then alerts alone are to be looked at
        for row in alerts if all_fit else range(len(values)):
            room, whole = rooms[row], embedded[row] is events[row]
            if whole and len(alerts.get(row, values[row])) <= room:  # an alert is its result and more
                continue
            slim = without_event(values[row], embedded[row], events[row])
            if row in alerts:
                alerts[row] = _alert(results, row, slim)
            if not whole or len(values[row]) > room:
                values[row] = slim
            if len(alerts.get(row, slim)) > room:
                lost.add(row)
        too_large = InvalidEvent("too_large", None, "its result is too large even without the event")
        judged.faults.update((decoded.positions[row], too_large) for row in lost)
        sent = OutRecord.each(self._topics.results, batch.keys, values, headers, timestamps)
        alarms = [
            OutRecord(self._topics.alerts, batch.keys[row], alert, headers[row], timestamps[row])
            for row, alert in alerts.items()
            if row not in lost
        ]
        return [record for row, record in enumerate(sent) if row not in lost] + alarms if lost else sent + alarms

    def _dead_letters(self, judged: _Judged) -> list[OutRecord]:
        """The invalid events as they came, or their sizes and hashes where they do not fit either."""
        records, topic, batch = [], self._topics.dead_letters, judged.batch
        for i, fault in sorted(judged.faults.items()):
            key, value = batch.keys[i], batch.values[i] or b""
            headers = dead_letters.headers(batch, i, fault, self._group_id)
            timestamp = batch.timestamps[i]
            if not judged.carries[i]:
                headers, timestamp = _restamped(headers, timestamp), judged.now
            [room] = self._rooms([key], [headers])
            if fault.code == "too_large" or len(value) > room:
                headers = headers + dead_letters.size_headers(value)
                records.append(OutRecord(topic, key, None, headers, timestamp))
            else:
                records.append(OutRecord(topic, key, value, headers, timestamp))
        return records

    def _carried(self, judged: _Judged, batch: Batch) -> tuple[list[Headers], list[int]]:
        """The headers and the timestamps of the results of the valid events, which are `batch`."""
        ours = self._model_header
        headers = [with_headers(came, ours) if came else ours for came in batch.headers]
        timestamps = batch.timestamps
        carries = judged.carries[judged.valid]
        if not carries.all():
            timestamps = timestamps.copy()
            for row in np.flatnonzero(~carries).tolist():
                headers[row] = _restamped(headers[row], timestamps[row])
                timestamps[row] = judged.now
        return headers, timestamps

    def _rooms(self, keys: Sequence[bytes | None], headers: Sequence[Headers]) -> list[int]:
        """How many bytes each value may have beside its key and its headers."""
        most, ours = self._max_record_bytes - RECORD_OVERHEAD, self._model_header
        usual = _size(ours)
        return [
            most - len(key or b"") - (usual if each is ours else _size(each))
            for key, each in zip(keys, headers, strict=True)
        ]


def _size(headers: Headers) -> int:
    return sum(len(name) + len(value or b"") for name, value in headers)


def _restamped(headers: Headers, timestamp: int) -> Headers:
    """With the timestamp that the record itself cannot carry."""
    return with_headers(headers, text_headers([(SOURCE_TIMESTAMP, timestamp)]))


def _alert(results: Results, row: int, result: bytes) -> bytes:
    """The JSON of the alert whose result is this."""
    batch, scored = results.batch, results.scored
    name = f"{batch.topic}-{batch.partitions[row]}-{batch.offsets[row]}"
    return encode_alert(name, result, scored.contributions[row], scored.base_rate)


def _tally(judged: _Judged, skipped: int, stage_seconds: dict[str, float], bins: Bins | None) -> Tally:
    scored, faults, batch = judged.scored, judged.faults, judged.batch
    valid = np.ones(len(batch), dtype=np.bool_)
    valid[list(faults)] = False
    # a result that did not fit is a fault of a scored one; a slice takes no copy
    kept = valid[judged.valid] if faults else slice(None)
    return Tally(
        scored=len(batch) - len(faults),
        dead_lettered=len(faults),
        skipped=skipped,
        levels=dict(zip(LEVELS, np.bincount(scored.levels[kept], minlength=len(LEVELS)).tolist(), strict=True)),
        reasons=_reasons(scored, kept),
        dead_letter_codes=dict(Counter(fault.code for fault in faults.values())),
        imputed=dict(zip(MODEL_FIELDS, scored.gaps[:, kept].sum(axis=1).tolist(), strict=True)),
        unseen=dict(zip(CATEGORIES, scored.unseen[:, kept].sum(axis=1).tolist(), strict=True)),
        scores=scored.scores[kept],
        timestamps=np.array(batch.timestamps, dtype=np.int64)[valid & judged.carries],
        stage_seconds=stage_seconds,
        dead_letter_flags=(~valid).tolist(),
        drift=_binned(judged, bins),
    )


def _binned(judged: _Judged, bins: Bins | None) -> NDArray[np.int64]:
    """The sample of the valid events, by bin."""
    if bins is None:
        return np.zeros(0, dtype=np.int64)
    return bins.count(judged.decoded.columns, judged.scored.scores, drift.sample(judged.batch))


def _reasons(scored: Scored, kept: NDArray[np.bool_] | slice) -> dict[str, int]:
    """How many of the results kept give each reason; those of level Low, nearly all, give none."""
    rules, levels = scored.rules[kept], scored.levels[kept]
    rows = np.flatnonzero(levels != LOW)
    verdicts = zip(rules[rows].tolist(), levels[rows].tolist(), strict=True)
    return dict(Counter(chain.from_iterable(explain(rules, level).codes for rules, level in verdicts)))
