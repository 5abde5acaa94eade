"""Redrive: write dead letters back to the input topic, each batch in one transaction with its progress.

A redrive can be stopped and started again at any point and writes no dead letter back twice.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from consumer.dead_letters.offset_ranges import Ranges, RedriveProgress, WriterKind, contains, encode
from consumer.dead_letters.record import FINAL, DeadLetter, Filter, Refusal, WriterFilter, input_record, refusal
from consumer.delivery.background_call import call_with_timeout
from consumer.delivery.interface import COMMIT, SEND_OFFSETS, Producer
from consumer.errors import DeliveryError, FencedError, WorkerError
from consumer.kafka.membership import InputTopics
from consumer.records import Partition
from consumer.runtime import Retry, now_ms
from consumer.stream.record_size import record_bytes

_BATCH_RECORDS: Final = 500
_BATCH_BYTES: Final = 8 * 1024 * 1024  # of records with their headers; with the reader's queue this bounds the memory


class DeadLetterReader(Protocol):
    """Reads dead letters and the progress of earlier redrives."""

    @property
    def complete(self) -> bool:
        """Whether `dead_letters` yields every record of the topic, in the order of their offsets."""

    def dead_letters(self) -> Iterator[DeadLetter]: ...
    def progress(self) -> dict[int, RedriveProgress]: ...
    def group(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """Which dead letters to redrive, and how. `limit` 0 is no limit; `rate` is in dead letters a second."""

    writers: WriterFilter
    filter: Filter
    inputs: InputTopics
    dead_letters_topic: str
    limit: int = 1000
    rate: float = 100.0
    max_attempts: int = 3


@dataclass(slots=True)
class RedriveStats:
    """Counts of the records that were read."""

    selected: Counter[str] = field(default_factory=Counter)  # to be redriven, by code
    refused: Counter[Refusal] = field(default_factory=Counter)
    other_writers: Counter[str] = field(default_factory=Counter)  # of Refusal.OTHER_WRITER
    redriven: int = 0
    stopped: bool = False
    limited: bool = False  # there are more than --limit


@dataclass(slots=True)
class _RedriveBatch:
    dead_letters: list[DeadLetter] = field(default_factory=list)
    done: dict[tuple[int, WriterKind], Ranges] = field(default_factory=dict)  # by partition and kind
    bytes: int = 0

    def add(self, dead_letter: DeadLetter) -> None:
        self.dead_letters.append(dead_letter)
        self.bytes += record_bytes(dead_letter.key, dead_letter.value, dead_letter.headers)

    def mark(self, partition: int, kind: WriterKind, start: int, end: int) -> None:
        """Mark offsets as done. Adjacent ranges become one, so that memory does not grow with skipped records."""
        ranges = self.done.setdefault((partition, kind), [])
        begin = ranges.pop()[0] if ranges and ranges[-1][1] == start else start
        ranges.append((begin, end))

    def is_full(self, plan: Plan) -> bool:
        return len(self.dead_letters) >= min(_BATCH_RECORDS, max(1, int(plan.rate))) or self.bytes >= _BATCH_BYTES


def dry_run(reader: DeadLetterReader, plan: Plan, stop: threading.Event) -> RedriveStats:
    """Return what `redrive` would do now. Raise WorkerError."""
    stats = RedriveStats()
    for _ in _batches(reader, reader.progress(), plan, stats, stop):
        pass
    return stats


def redrive(reader: DeadLetterReader, producer: Producer, plan: Plan, stop: threading.Event) -> RedriveStats:
    """Write dead letters back as planned, until done or `stop` is set.

    Raise WorkerError, one line; the open batch is then aborted, and the next run continues before it.
    """
    stats = RedriveStats()
    try:
        # aborts what an earlier run left open, and fences one that still runs: only then is its progress final
        Retry().call(producer.init)
        done = reader.progress()
        started = time.monotonic()
        for batch in _batches(reader, done, plan, stats, stop):
            _write(reader, producer, plan, batch, done)
            stats.redriven += len(batch.dead_letters)
            stop.wait(max(0.0, started + stats.redriven / plan.rate - time.monotonic()))
    except DeliveryError as error:
        with contextlib.suppress(DeliveryError):
            producer.abort()
        rival = "; another redrive of this group has begun" if isinstance(error, FencedError) else ""
        raise WorkerError(
            f"{error}{rival}; {stats.redriven} dead letters are redriven; run it again to go on"
        ) from error
    finally:
        producer.drop()
    return stats


def _write(
    reader: DeadLetterReader, producer: Producer, plan: Plan, batch: _RedriveBatch, done: dict[int, RedriveProgress]
) -> None:
    retry = Retry()
    for (partition, kind), ranges in batch.done.items():
        done[partition] = done.get(partition, RedriveProgress([], [])).add(kind, ranges)
    encoded = {partition: encode(done[partition]) for partition, _ in batch.done}
    positions = {Partition(plan.dead_letters_topic, number): position for number, (position, _) in encoded.items()}
    metadata = {Partition(plan.dead_letters_topic, number): text for number, (_, text) in encoded.items()}

    def send_offsets() -> None:
        producer.send_offsets(positions, reader.group(), metadata)

    now = now_ms()
    retry.call(producer.begin)
    producer.produce([input_record(dead_letter, now) for dead_letter in batch.dead_letters])
    retry.call(call_with_timeout, SEND_OFFSETS, send_offsets)
    retry.call(call_with_timeout, COMMIT, producer.commit)


def _batches(
    reader: DeadLetterReader,
    done: Mapping[int, RedriveProgress],
    plan: Plan,
    stats: RedriveStats,
    stop: threading.Event,
) -> Iterator[_RedriveBatch]:
    """Yield the dead letters to redrive, each batch with the offsets that it makes done."""
    batch = _RedriveBatch()
    ends: dict[int, int] = {}
    for dead_letter in _until_stopped(stop, reader.dead_letters(), stats):
        start = dead_letter.offset
        if reader.complete:  # between the last record and this one are only transaction markers: they go with this one
            start = ends.get(dead_letter.partition, 0)
        ends[dead_letter.partition] = dead_letter.offset + 1
        why = _refusal(dead_letter, done, plan)
        if why is None and plan.limit and stats.selected.total() == plan.limit:
            stats.limited = True
            break
        _count(dead_letter, why, stats)
        if why is None:
            batch.add(dead_letter)
        for kind in plan.writers.kinds():
            left_for_good = why in FINAL or kind is not plan.writers.kind_of(dead_letter)
            if why is None or (left_for_good and reader.complete):  # in a file it may have been made so by hand
                batch.mark(dead_letter.partition, kind, start, dead_letter.offset + 1)
        if batch.is_full(plan):
            yield batch
            batch = _RedriveBatch()
    if batch.dead_letters and not stats.stopped:
        yield batch


def _refusal(dead_letter: DeadLetter, done: Mapping[int, RedriveProgress], plan: Plan) -> Refusal | None:
    """Return why the dead letter is not redriven now; None when it is."""
    if dead_letter.topic is None:
        return Refusal.NOT_A_DEAD_LETTER
    if not plan.writers.matches(dead_letter):
        return Refusal.OTHER_WRITER
    if not plan.filter.matches(dead_letter):
        return Refusal.FILTERED
    why = refusal(dead_letter, plan.inputs, plan.max_attempts)
    progress = done.get(dead_letter.partition, RedriveProgress([], []))[plan.writers.kind_of(dead_letter)]
    return Refusal.REDRIVEN if why not in FINAL and contains(progress, dead_letter.offset) else why


def _count(dead_letter: DeadLetter, why: Refusal | None, stats: RedriveStats) -> None:
    if why is None:
        stats.selected[dead_letter.code] += 1
        return
    stats.refused[why] += 1
    if why is Refusal.OTHER_WRITER:
        stats.other_writers[dead_letter.writer] += 1


def _until_stopped(
    stop: threading.Event, dead_letters: Iterable[DeadLetter], stats: RedriveStats
) -> Iterator[DeadLetter]:
    for dead_letter in dead_letters:
        if stop.is_set():
            stats.stopped = True
            return
        yield dead_letter
