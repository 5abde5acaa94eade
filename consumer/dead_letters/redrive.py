"""Dead letters written back to the topic they came from: chosen, in batches, each batch one transaction with the note
of what is done. Stopped and started again at any point, it writes no letter back twice."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from consumer.dead_letters.offset_ranges import Ledger, Progress, Ranges, encode, undone
from consumer.dead_letters.record import FINAL, Filter, Letter, Refusal, Writers, refusal, written_back
from consumer.delivery.background_call import in_time
from consumer.delivery.exactly_once import COMMIT, SEND_OFFSETS
from consumer.errors import DeliveryError, FencedError, WorkerError
from consumer.records import OutRecord
from consumer.runtime import Retry
from consumer.stream.record_size import record_bytes

_BATCH_LETTERS: Final = 500
_BATCH_BYTES: Final = 8 * 1024 * 1024  # of records with their headers; beside the reader's queue this bounds the memory


class Letterbox(Protocol):
    """Where letters are read, and how far earlier redrives have come."""

    def letters(self) -> Iterator[Letter]: ...
    def progress(self) -> dict[int, Progress]: ...
    def group(self) -> bytes: ...


class Producer(Protocol):
    """One transactional producer; see KafkaProducer."""

    def init(self) -> None: ...
    def begin(self) -> None: ...
    def produce(self, records: Sequence[OutRecord]) -> None: ...
    def send_offsets(
        self, topic: str, next_offsets: dict[int, int], group: bytes, notes: Mapping[int, str] | None = None
    ) -> None: ...
    def commit(self) -> None: ...
    def abort(self) -> None: ...
    def drop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What to redrive, and how. `limit` 0 is no limit, `rate` is in letters a second."""

    writers: Writers
    wanted: Filter
    input_topic: str
    dead_letters_topic: str
    limit: int = 1000
    rate: float = 100.0
    max_attempts: int = 3


@dataclass(slots=True)
class Tally:
    """What became of the letters that were looked at."""

    chosen: Counter[str] = field(default_factory=Counter)  # by code: to be redriven
    refused: Counter[Refusal] = field(default_factory=Counter)
    writers: Counter[str] = field(default_factory=Counter)  # of those refused as of other writers
    redriven: int = 0
    stopped: bool = False
    limited: bool = False  # there are more than --limit


@dataclass(slots=True)
class _Batch:
    letters: list[Letter] = field(default_factory=list)
    done: dict[tuple[int, Ledger], Ranges] = field(default_factory=dict)  # by partition and ledger
    bytes: int = 0

    def add(self, letter: Letter) -> None:
        self.letters.append(letter)
        self.bytes += record_bytes(letter.key, letter.value, letter.headers)

    def mark(self, partition: int, ledger: Ledger, start: int, end: int) -> None:
        """Note that these offsets are done: one range for all in a row, however many records are passed over."""
        ranges = self.done.setdefault((partition, ledger), [])
        begin = ranges.pop()[0] if ranges and ranges[-1][1] == start else start
        ranges.append((begin, end))

    def full(self, plan: Plan) -> bool:
        return len(self.letters) >= min(_BATCH_LETTERS, max(1, int(plan.rate))) or self.bytes >= _BATCH_BYTES


def survey(box: Letterbox, plan: Plan, stop: threading.Event) -> Tally:
    """What `redrive` would do now. Raises WorkerError."""
    tally = Tally()
    for _ in _batches(box, box.progress(), plan, tally, stop):
        pass
    return tally


def redrive(box: Letterbox, producer: Producer, plan: Plan, stop: threading.Event) -> Tally:
    """Writes back what the plan says, until that is done or `stop` is set.

    Raises WorkerError, one line; the batch in hand then counts for nothing, and running again goes on from there.
    """
    tally = Tally()
    try:
        # ends what an earlier run left open, and fences a run that still goes on: only then is its progress final
        Retry().call(producer.init)
        done = box.progress()
        started = time.monotonic()
        for batch in _batches(box, done, plan, tally, stop):
            _write(box, producer, plan, batch, done)
            tally.redriven += len(batch.letters)
            stop.wait(max(0.0, started + tally.redriven / plan.rate - time.monotonic()))
    except DeliveryError as error:
        with contextlib.suppress(DeliveryError):
            producer.abort()
        twin = "; another redrive of this group has begun" if isinstance(error, FencedError) else ""
        raise WorkerError(f"{error}{twin}; {tally.redriven} letters are redriven; run it again to go on") from error
    finally:
        producer.drop()
    return tally


def _write(box: Letterbox, producer: Producer, plan: Plan, batch: _Batch, done: dict[int, Progress]) -> None:
    insist = Retry().call
    for (partition, ledger), ranges in batch.done.items():
        done[partition] = done.get(partition, Progress([], [])).with_done(ledger, ranges)
    noted = {partition: encode(done[partition]) for partition, _ in batch.done}
    now = time.time_ns() // 1_000_000
    insist(producer.begin)
    producer.produce([written_back(letter, now) for letter in batch.letters])
    positions = {partition: position for partition, (position, _) in noted.items()}
    notes = {partition: text for partition, (_, text) in noted.items()}
    topic = plan.dead_letters_topic
    insist(lambda: in_time(SEND_OFFSETS, lambda: producer.send_offsets(topic, positions, box.group(), notes)))
    insist(lambda: in_time(COMMIT, producer.commit))


def _batches(
    box: Letterbox, done: Mapping[int, Progress], plan: Plan, tally: Tally, stop: threading.Event
) -> Iterator[_Batch]:
    """The letters to redrive, and with each batch the offsets that it makes done."""
    batch = _Batch()
    reached: dict[int, int] = {}
    for letter in _until(stop, box.letters(), tally):
        # between the last record and this one are only a transaction's marks: they go with this one
        since, reached[letter.partition] = reached.get(letter.partition, 0), letter.offset + 1
        why = _refusal(letter, done, plan)
        if why is None and plan.limit and tally.chosen.total() == plan.limit:
            tally.limited = True
            break
        _count(letter, why, tally)
        if why is None:
            batch.add(letter)
        for ledger in plan.writers.ledgers():
            if why is None or why in FINAL or ledger is not plan.writers.ledger_of(letter):
                batch.mark(letter.partition, ledger, since, letter.offset + 1)
        if batch.full(plan):
            yield batch
            batch = _Batch()
    if batch.letters and not tally.stopped:
        yield batch


def _refusal(letter: Letter, done: Mapping[int, Progress], plan: Plan) -> Refusal | None:
    """Return why the letter is not written back now; None when it is."""
    if letter.topic is None:
        return Refusal.NO_LETTER
    if not plan.writers.takes(letter):
        return Refusal.OTHER_WRITER
    if not plan.wanted.takes(letter):
        return Refusal.FILTERED
    why = refusal(letter, plan.input_topic, plan.max_attempts)
    progress = done.get(letter.partition, Progress([], []))[plan.writers.ledger_of(letter)]
    return why if why in FINAL or undone(progress, letter.offset) else Refusal.REDRIVEN


def _count(letter: Letter, why: Refusal | None, tally: Tally) -> None:
    if why is None:
        tally.chosen[letter.code] += 1
        return
    tally.refused[why] += 1
    if why is Refusal.OTHER_WRITER:
        tally.writers[letter.writer] += 1


def _until(stop: threading.Event, letters: Iterable[Letter], tally: Tally) -> Iterator[Letter]:
    for letter in letters:
        if stop.is_set():
            tally.stopped = True
            return
        yield letter
