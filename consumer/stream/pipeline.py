"""Turn a batch of events into output records: decode, score, encode. Pure, except for the clock passed in."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from time import perf_counter
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from consumer.formats import JsonValues, ReadValues, frame_id, read_json
from consumer.observability import drift
from consumer.records import UNREADABLE, Batch, BatchStats, Headers, Output, OutRecord, UnreadableBatch
from consumer.stream import dead_letters
from consumer.stream.encoded_results import EncodedResults, RecordColumns
from consumer.stream.output_limits import TopicLimits
from consumer.stream.record_size import fits, reduce_dead_letter, reduce_result, value_room
from consumer.stream.result_writer import Results, ResultWriter
from consumer.stream.serialization import MOST_AHEAD_MS, record_id, with_headers, with_source_timestamp
from scoring import LEVELS, Decoded, InvalidEvent, Scored, Scorer, explain
from scoring.contract import CATEGORIES, MODEL_FIELDS
from scoring.decoding import decode_joined
from scoring.drift import Bins
from scoring.rules import LOW

_TOO_LARGE: Final = InvalidEvent("too_large", None, "its result is too large even without event, headers and key")
_FRAMED: Final = InvalidEvent(
    "not_json", None, "not JSON, but framed as by a schema registry's serializer: set --input-format"
)


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of the output topics."""

    results: str
    alerts: str
    dead_letters: str


@dataclass(frozen=True, slots=True)
class _ScoredBatch:
    """The records of a batch that have a value, their scores, and the time of scoring."""

    batch: Batch
    values: JsonValues
    decoded: Decoded
    scored: Scored
    now: int  # ms since the epoch
    timestamps: NDArray[np.int64]
    writable: NDArray[np.bool_]  # which timestamps Kafka accepts by default

    @property
    def valid_rows(self) -> slice | list[int]:
        """The rows of the valid events, as an index of a column."""
        return slice(None) if len(self.decoded.positions) == len(self.batch) else list(self.decoded.positions)

    @property
    def origins(self) -> Sequence[bytes] | None:
        """The origins of the valid events."""
        origins = self.values.origins
        if origins is None or len(self.decoded.positions) == len(self.batch):
            return origins
        return [origins[row] for row in self.decoded.positions]

    def explain(self, row: int, fault: InvalidEvent) -> InvalidEvent:
        """Return the fault of a row; of a value that looks like another format, what to set."""
        framed = fault.code == "not_json" and frame_id(self.batch.values[row] or b"") is not None
        return _FRAMED if framed and self.values.origins is None else fault

    def keep_timestamp(self, limits: TopicLimits) -> NDArray[np.bool_]:
        """Return which output records can have the timestamps of their input, on a topic with these limits."""
        if limits.any_timestamp:
            return self.writable
        return self.writable & limits.accepts(self.timestamps, self.now)


class Pipeline:
    """Turns batches of session events into results, alerts and dead letters."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a collaborator
        self,
        scorer: Scorer,
        topics: Topics,
        group_id: str,
        limits: Callable[[str], TopicLimits],
        now: Callable[[], int],
        read_values: ReadValues = read_json,
    ) -> None:
        """`limits` returns the known limits of a topic; `now` returns ms since the epoch."""
        self._scorer = scorer
        self._topics = topics
        self._group_id = group_id
        self._limits = limits
        self._now = now
        self._read_values = read_values
        baseline = scorer.artifacts.baseline
        self._bins = None if baseline is None else Bins(baseline)
        self._writer = ResultWriter()
        self._model_header: Headers = [("model_version", scorer.artifacts.version.encode())]

    def process(self, batch: Batch) -> Output:
        """Return the output of a batch: for every event a result and perhaps an alert, or a dead letter.

        Records of one topic keep the order of the batch. A record without a value (a tombstone) has no output; an
        unreadable batch becomes one dead letter. Raises what `read_values` raises.
        """
        if batch.unreadable is not None:
            return self._unreadable(batch, batch.unreadable)
        live = batch.without_tombstones()
        times = [perf_counter()]
        values = self._read_values(live)
        decoded = decode_joined(values.joined)
        times.append(perf_counter())
        scored = self._scorer.score_columns(decoded.columns)
        times.append(perf_counter())
        now = self._now()
        timestamps = np.array(live.timestamps, dtype=np.int64)
        writable = (timestamps > 0) & (timestamps <= now + MOST_AHEAD_MS)
        scored_batch = _ScoredBatch(live, values, decoded, scored, now, timestamps, writable)
        records, too_large = self._results(scored_batch)
        faults = decoded.invalid | values.faults | dict.fromkeys(too_large, _TOO_LARGE)
        records += self._dead_letters(scored_batch, faults)
        times.append(perf_counter())
        stages = dict(zip(("decode", "score", "encode"), np.diff(times).tolist(), strict=True))
        return Output(records, _stats(scored_batch, faults, len(batch) - len(live), stages, self._bins))

    def _unreadable(self, batch: Batch, unreadable: UnreadableBatch) -> Output:
        """Return one dead letter, counted as one event."""
        topic = self._topics.dead_letters
        dead_letter = dead_letters.of_unreadable(unreadable, topic, self._group_id, self._now())
        # the record that stands for the offsets has no value: without the mark it is skipped, so all figures are empty
        empty = self.process(replace(batch, unreadable=None)).stats
        codes = {UNREADABLE: 1}
        return Output(
            [dead_letter], replace(empty, skipped=0, dead_lettered=1, dead_letter_codes=codes, dead_letter_flags=[True])
        )

    def _results(self, scored_batch: _ScoredBatch) -> tuple[list[OutRecord], list[int]]:
        """Return the results, then the alerts; and the batch rows of events whose result or alert fits in no form."""
        results_topic, alerts_topic = self._topics.results, self._topics.alerts
        limits, alert_limits = self._limits(results_topic), self._limits(alerts_topic)
        encoded = self._encode(scored_batch, max(limits.record_bytes, alert_limits.record_bytes))
        columns = self._columns(scored_batch, encoded, limits)
        results = self._fit(results_topic, columns, encoded, encoded.without_event, limits)
        if not scored_batch.scored.contributions and None not in results:  # no alert, as in most small batches
            return cast("list[OutRecord]", results), []
        if not limits.same_but_size(alert_limits):
            columns = self._columns(scored_batch, encoded, alert_limits)
        alert_columns = encoded.alert_columns(columns)
        alerts = self._fit(alerts_topic, alert_columns, encoded, encoded.alert_without_event, alert_limits)
        if None not in results and None not in alerts:
            return cast("list[OutRecord]", results + alerts), []
        rows_of_alerts = list(zip(alert_columns.rows, alerts, strict=True))
        by_row = [*enumerate(results), *rows_of_alerts]
        too_large = {row for row, record in by_row if record is None}
        records = [record for row, record in by_row if record is not None and row not in too_large]
        positions = scored_batch.decoded.positions  # row among the valid events -> row of the batch
        return records, [positions[row] for row in sorted(too_large)]

    def _encode(self, scored_batch: _ScoredBatch, event_limit: int) -> EncodedResults:
        """Return the results. A larger event is not embedded: that would be two more copies of up to 60 MiB."""
        positions = scored_batch.decoded.positions
        batch = scored_batch.batch.take(positions)
        results = Results(
            batch=batch,
            timestamps=scored_batch.timestamps[scored_batch.valid_rows],
            columns=scored_batch.decoded.columns,
            scored=scored_batch.scored,
            values=scored_batch.values.joined,
            positions=np.arange(len(batch)) if batch is scored_batch.batch else np.array(positions, np.int64),
            model_version=self._scorer.artifacts.version,
            scored_at=scored_batch.now,
            origins=scored_batch.origins,
        )
        return EncodedResults(results, self._writer.write(results, event_limit), event_limit)

    def _columns(self, scored_batch: _ScoredBatch, encoded: EncodedResults, limits: TopicLimits) -> RecordColumns:
        """Return the results with keys, headers and timestamps that the topic accepts."""
        own, batch = self._model_header, encoded.results.batch
        headers = [with_headers(event, own) for event in batch.headers] if any(batch.headers) else [own] * len(batch)
        keys, timestamps = batch.keys, batch.timestamps
        keep_timestamp = scored_batch.keep_timestamp(limits)[scored_batch.valid_rows]
        if not keep_timestamp.all():
            timestamps = timestamps.copy()
            for row in np.flatnonzero(~keep_timestamp).tolist():
                headers[row] = with_source_timestamp(headers[row], timestamps[row])
                timestamps[row] = scored_batch.now
        if limits.requires_key and None in keys:
            keys = [record_id(batch, row).encode() if key is None else key for row, key in enumerate(keys)]
        return RecordColumns(range(len(batch)), keys, encoded.values, headers, timestamps)

    def _fit(
        self,
        topic: str,
        columns: RecordColumns,
        encoded: EncodedResults,
        without_event: Callable[[int], bytes],
        limits: TopicLimits,
    ) -> list[OutRecord | None]:
        """Return every record in the largest form that its topic accepts; None where it accepts none."""
        rows, keys, values, headers, timestamps = columns
        records = OutRecord.from_columns(topic, keys, values, headers, timestamps)
        room = value_room(limits.record_bytes, keys, headers, self._model_header)
        if max(map(len, values), default=0) <= room and encoded.all_embedded:
            return cast("list[OutRecord | None]", records)
        fitted: list[OutRecord | None] = []
        for row, record in zip(rows, records, strict=True):
            if encoded.is_embedded(row) and (len(record.value or b"") <= room or fits(record, limits)):
                fitted.append(record)
            else:
                own = self._own_headers(encoded.results.batch.timestamps[row], record.timestamp)
                fitted.append(reduce_result(record._replace(value=without_event(row)), own, limits))
        return fitted

    def _own_headers(self, source_timestamp: int, timestamp: int) -> Headers:
        """Return the headers of a result without the input's, by the timestamps of its event and its own."""
        if source_timestamp == timestamp:
            return self._model_header
        return with_source_timestamp(self._model_header, source_timestamp)

    def _dead_letters(self, scored_batch: _ScoredBatch, faults: Mapping[int, InvalidEvent]) -> list[OutRecord]:
        """Return the events with a fault, by row of the batch: unchanged, or in the largest form that fits."""
        if not faults:
            return []
        records, topic, batch = [], self._topics.dead_letters, scored_batch.batch
        limits = self._limits(topic)
        keep_timestamp = scored_batch.keep_timestamp(limits)
        for row, fault in sorted(faults.items()):
            headers = dead_letters.headers(batch, row, scored_batch.explain(row, fault), self._group_id)
            timestamp = batch.timestamps[row]
            if not keep_timestamp[row]:
                headers, timestamp = with_source_timestamp(headers, timestamp), scored_batch.now
            key = batch.keys[row]
            if key is None and limits.requires_key:
                key = record_id(batch, row).encode()
            record = OutRecord(topic, key, batch.values[row] or b"", headers, timestamp)
            if not fits(record, limits):
                record = reduce_dead_letter(record, batch.headers[row], dead_letters.own_headers(headers), limits)
            records.append(record)
        return records


def _stats(
    scored_batch: _ScoredBatch,
    faults: Mapping[int, InvalidEvent],
    skipped: int,
    stage_seconds: dict[str, float],
    bins: Bins | None,
) -> BatchStats:
    scored, batch = scored_batch.scored, scored_batch.batch
    valid = np.ones(len(batch), dtype=np.bool_)
    if faults:
        valid[list(faults)] = False
    # a scored event whose result did not fit is a dead letter; a slice makes no copy
    kept = valid[scored_batch.valid_rows] if faults else slice(None)
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
        timestamps=scored_batch.timestamps[valid & scored_batch.writable],
        stage_seconds=stage_seconds,
        dead_letter_flags=(~valid).tolist(),
        fallbacks=dict(scored_batch.decoded.left),
        drift=_drift_counts(scored_batch, bins),
    )


def _drift_counts(scored_batch: _ScoredBatch, bins: Bins | None) -> NDArray[np.int64]:
    """Return the counts of the sampled events by bin."""
    rows, scores = drift.sample(scored_batch.batch), scored_batch.scored.scores
    if bins is None or not len(scores[rows]):  # most small batches have no event in the sample
        return np.zeros(0 if bins is None else len(bins), dtype=np.int64)
    return bins.count(scored_batch.decoded.columns, scores, rows)


def _reasons(scored: Scored, kept: NDArray[np.bool_] | slice) -> dict[str, int]:
    """Return how many of these results have each reason; those of level Low, nearly all, have none."""
    rules, levels = scored.rules[kept], scored.levels[kept]
    rows = np.flatnonzero(levels != LOW)
    verdicts = zip(rules[rows].tolist(), levels[rows].tolist(), strict=True)
    return dict(Counter(chain.from_iterable(explain(rules, level).codes for rules, level in verdicts)))
