"""What a batch becomes: decode, score, encode. Pure, but for the time of day, which comes in."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from time import perf_counter
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from consumer.observability import drift
from consumer.records import Batch, BatchStats, Headers, Output, OutRecord, UnreadableBatch
from consumer.stream import dead_letters, record_size
from consumer.stream.encoded_results import Columns, EncodedResults, record_id
from consumer.stream.output_limits import TopicLimits
from consumer.stream.reduction import fits, reduce_dead_letter, reduce_result
from consumer.stream.result_writer import Results, ResultWriter
from consumer.stream.serialization import (
    MOST_AHEAD_MS,
    SOURCE_TIMESTAMP,
    text_headers,
    with_headers,
)
from scoring import LEVELS, Decoded, InvalidEvent, Scored, Scorer, explain
from scoring.contract import CATEGORIES, MODEL_FIELDS
from scoring.drift import Bins
from scoring.rules import LOW

_TOO_LARGE: Final = InvalidEvent("too_large", None, "its result is too large even without event, headers and key")


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
    timestamps: NDArray[np.int64]
    plausible: NDArray[np.bool_]  # which timestamps Kafka takes by default

    @property
    def valid(self) -> slice | list[int]:
        """Where the valid events stand, to pick them out of a column."""
        return slice(None) if len(self.decoded.positions) == len(self.batch) else list(self.decoded.positions)

    def carried(self, limits: TopicLimits) -> NDArray[np.bool_]:
        """Return which records' timestamps can stand on a topic with these limits."""
        if limits.any_date:
            return self.plausible
        return self.plausible & limits.takes_date(self.timestamps, self.now)


class Pipeline:
    """Turns batches of session events into results, alerts and dead letters."""

    def __init__(
        self,
        scorer: Scorer,
        topics: Topics,
        group_id: str,
        limits: Callable[[str], TopicLimits],
        now: Callable[[], int],
    ) -> None:
        """`limits` returns what a topic is known to take; `now` is in ms since the epoch."""
        self._scorer = scorer
        self._topics = topics
        self._group_id = group_id
        self._limits = limits
        self._now = now
        baseline = scorer.artifacts.baseline
        self._bins = None if baseline is None else Bins(baseline)
        self._writer = ResultWriter()
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
        plausible = (timestamps > 0) & (timestamps <= now + MOST_AHEAD_MS)
        judged = _Judged(live, decoded, scored, now, timestamps, plausible)
        records, too_large = self._results(judged)
        faults = decoded.invalid | dict.fromkeys(too_large, _TOO_LARGE)
        records += self._dead_letters(judged, faults)
        times.append(perf_counter())
        stages = dict(zip(("decode", "score", "encode"), np.diff(times).tolist(), strict=True))
        return Output(records, _stats(judged, faults, len(batch) - len(live), stages, self._bins))

    def _unreadable(self, batch: Batch, unreadable: UnreadableBatch) -> Output:
        """One dead letter, counted as one event."""
        topic = self._topics.dead_letters
        letter = dead_letters.of_unreadable(unreadable, topic, self._group_id, self._now())
        empty = self.process(replace(batch, unreadable=None)).stats
        codes = {dead_letters.UNREADABLE: 1}
        return Output(
            [letter], replace(empty, skipped=0, dead_lettered=1, dead_letter_codes=codes, dead_letter_flags=[True])
        )

    def _results(self, judged: _Judged) -> tuple[list[OutRecord], list[int]]:
        """Return the results, then the alerts; and the places of the events whose result or alert fits in no form."""
        results_topic, alerts_topic = self._topics.results, self._topics.alerts
        limits, alert_limits = self._limits(results_topic), self._limits(alerts_topic)
        encoded = self._encode(judged, max(limits.record_bytes, alert_limits.record_bytes))
        columns = self._columns(judged, encoded, limits)
        results = self._fit(results_topic, columns, encoded, encoded.without_event, limits)
        if not judged.scored.contributions and None not in results:  # no alert, as in most small batches
            return cast("list[OutRecord]", results), []
        of_alerts = (
            columns if limits.same_dates_and_keys(alert_limits) else self._columns(judged, encoded, alert_limits)
        )
        alert_columns = encoded.alert_columns(of_alerts)
        alerts = self._fit(alerts_topic, alert_columns, encoded, encoded.alert_without_event, alert_limits)
        if None not in results and None not in alerts:
            return cast("list[OutRecord]", results + alerts), []
        lost = {row for row, result in enumerate(results) if result is None}
        rows = alert_columns.rows
        lost |= {row for row, alert in zip(rows, alerts, strict=True) if alert is None}
        kept = [*enumerate(results), *zip(rows, alerts, strict=True)]
        records = [record for row, record in kept if record is not None and row not in lost]
        return records, [judged.decoded.positions[row] for row in sorted(lost)]

    def _encode(self, judged: _Judged, event_limit: int) -> EncodedResults:
        """Return the results; a larger event is not embedded: it would be two more copies (60 MiB each, of a bomb)."""
        positions = judged.decoded.positions
        batch = judged.batch.take(positions)
        results = Results(
            batch=batch,
            timestamps=judged.timestamps[judged.valid],
            columns=judged.decoded.columns,
            scored=judged.scored,
            ends=judged.decoded.ends,
            positions=np.arange(len(batch)) if batch is judged.batch else np.array(positions, np.int64),
            model_version=self._scorer.artifacts.version,
            scored_at=judged.now,
        )
        return EncodedResults(results, self._writer.write(results, event_limit), event_limit)

    def _columns(self, judged: _Judged, encoded: EncodedResults, limits: TopicLimits) -> Columns:
        """Return keys, headers and timestamps of the results, as their topic takes them."""
        ours, batch = self._model_header, encoded.results.batch
        headers = [with_headers(came, ours) for came in batch.headers] if any(batch.headers) else [ours] * len(batch)
        keys, timestamps = batch.keys, batch.timestamps
        carried = judged.carried(limits)[judged.valid]
        if not carried.all():
            timestamps = timestamps.copy()
            for row in np.flatnonzero(~carried).tolist():
                headers[row] = _restamped(headers[row], timestamps[row])
                timestamps[row] = judged.now
        if limits.requires_key and None in keys:
            keys = [record_id(batch, row).encode() if key is None else key for row, key in enumerate(keys)]
        return Columns(range(len(batch)), keys, encoded.values, headers, timestamps)

    def _fit(
        self,
        topic: str,
        columns: Columns,
        encoded: EncodedResults,
        without_event: Callable[[int], bytes],
        limits: TopicLimits,
    ) -> list[OutRecord | None]:
        """Return the records, each in the largest form that its topic takes; None where it takes none."""
        rows, keys, values, headers, timestamps = columns
        records = OutRecord.from_columns(topic, keys, values, headers, timestamps)
        room = record_size.least_room(limits.record_bytes, keys, headers, self._model_header)
        if max(map(len, values), default=0) <= room and encoded.whole:
            return cast("list[OutRecord | None]", records)
        fitted: list[OutRecord | None] = []
        for row, record in zip(rows, records, strict=True):
            if encoded.is_whole(row) and (len(record.value or b"") <= room or fits(record, limits)):
                fitted.append(record)
            else:
                own = self._own_headers(encoded.results.batch.timestamps[row], record.timestamp)
                fitted.append(reduce_result(record._replace(value=without_event(row)), own, limits))
        return fitted

    def _own_headers(self, came: int, timestamp: int) -> Headers:
        """Return our headers of a result: `came` is the event's timestamp, `timestamp` that of the result."""
        return self._model_header if came == timestamp else _restamped(self._model_header, came)

    def _dead_letters(self, judged: _Judged, faults: Mapping[int, InvalidEvent]) -> list[OutRecord]:
        """Return the invalid events as they came, or in the largest form that fits."""
        if not faults:
            return []
        records, topic, batch = [], self._topics.dead_letters, judged.batch
        limits = self._limits(topic)
        carried = judged.carried(limits)
        for i, fault in sorted(faults.items()):
            headers, timestamp = dead_letters.headers(batch, i, fault, self._group_id), batch.timestamps[i]
            if not carried[i]:
                headers, timestamp = _restamped(headers, timestamp), judged.now
            key = record_id(batch, i).encode() if limits.requires_key and batch.keys[i] is None else batch.keys[i]
            record = OutRecord(topic, key, batch.values[i] or b"", headers, timestamp)
            if not fits(record, limits):
                record = reduce_dead_letter(record, batch.headers[i], dead_letters.own_headers(headers), limits)
            records.append(record)
        return records


def _restamped(headers: Headers, timestamp: int) -> Headers:
    """With the timestamp that the record itself cannot carry."""
    return with_headers(headers, text_headers([(SOURCE_TIMESTAMP, timestamp)]))


def _stats(
    judged: _Judged,
    faults: Mapping[int, InvalidEvent],
    skipped: int,
    stage_seconds: dict[str, float],
    bins: Bins | None,
) -> BatchStats:
    scored, batch = judged.scored, judged.batch
    valid = np.ones(len(batch), dtype=np.bool_)
    if faults:
        valid[list(faults)] = False
    # a result that did not fit is a fault of a scored one; a slice takes no copy
    kept = valid[judged.valid] if faults else slice(None)
    return BatchStats(
        scored=len(batch) - len(faults),
        dead_lettered=len(faults),
        skipped=skipped,
        levels=dict(zip(LEVELS, np.bincount(scored.levels[kept], minlength=len(LEVELS)).tolist(), strict=True)),
        reasons=_reasons(scored, kept),
        dead_letter_codes=dict(Counter(fault.code for fault in faults.values())),
        imputed=dict(zip(MODEL_FIELDS, scored.gap_counts(kept).tolist(), strict=True)),
        unseen=dict(zip(CATEGORIES, scored.unseen_counts(kept).tolist(), strict=True)),
        scores=scored.scores[kept],
        timestamps=judged.timestamps[valid & judged.plausible],
        stage_seconds=stage_seconds,
        dead_letter_flags=(~valid).tolist(),
        fallbacks=dict(judged.decoded.fallbacks),
        drift=_binned(judged, bins),
    )


def _binned(judged: _Judged, bins: Bins | None) -> NDArray[np.int64]:
    """The sample of the valid events, by bin."""
    rows, scores = drift.sample(judged.batch), judged.scored.scores
    if bins is None or not len(scores[rows]):  # of most small batches no event is in the sample
        return np.zeros(0 if bins is None else len(bins), dtype=np.int64)
    return bins.count(judged.decoded.columns, scores, rows)


def _reasons(scored: Scored, kept: NDArray[np.bool_] | slice) -> dict[str, int]:
    """How many of the results kept give each reason; those of level Low, nearly all, give none."""
    rules, levels = scored.rules[kept], scored.levels[kept]
    rows = np.flatnonzero(levels != LOW)
    verdicts = zip(rules[rows].tolist(), levels[rows].tolist(), strict=True)
    return dict(Counter(chain.from_iterable(explain(rules, level).codes for rules, level in verdicts)))
