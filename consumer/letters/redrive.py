"""Dead letters written back to the topic they came from: chosen, in batches, each batch one transaction with the note
of what is done. Stopped and started again at any point, it writes no letter back twice."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from consumer.delivery import COMMIT, SEND_OFFSETS
from consumer.errand import in_time
from consumer.errors import DeliveryError, FencedError, WorkerError
from consumer.letters.found import Filter, Letter, Refusal, refusal, require_source, written_back
from consumer.letters.marks import Ranges, encode, merged, undone
from consumer.patience import Patience
from consumer.records import OutRecord

_BATCH_LETTERS: Final = 500
_BATCH_BYTES: Final = 8 * 1024 * 1024  # of keys and values; beside the reader's queue this bounds the memory


class Letterbox(Protocol):
    """Where letters are read, and how far earlier redrives have come."""

    def letters(self, starts: Mapping[int, int] | None = None) -> Iterator[Letter]: ...
    def progress(self) -> dict[int, Ranges]: ...
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
    others: int = 0  # not meant by the filters
    before: int = 0  # redriven earlier
    redriven: int = 0
    stopped: bool = False
    limited: bool = False  # there are more than --limit


@dataclass(slots=True)
class _Batch:
    letters: list[Letter] = field(default_factory=list)
    done: list[tuple[int, int, int]] = field(default_factory=list)  # partition, from offset, up to offset
    bytes: int = 0

    def add(self, letter: Letter) -> None:
        self.letters.append(letter)
        self.bytes += len(letter.key or b"") + len(letter.value or b"")

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
        Patience().insist(producer.init)
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


def _write(box: Letterbox, producer: Producer, plan: Plan, batch: _Batch, done: dict[int, Ranges]) -> None:
    insist = Patience().insist
    for partition in {partition for partition, _, _ in batch.done}:
        spans = [(start, end) for number, start, end in batch.done if number == partition]
        done[partition] = merged([*done[partition], *spans])
    noted = {partition: encode(done[partition]) for partition, _, _ in batch.done}
    now = time.time_ns() // 1_000_000
    insist(producer.begin)
    producer.produce([written_back(letter, now) for letter in batch.letters])
    positions = {partition: position for partition, (position, _) in noted.items()}
    notes = {partition: text for partition, (_, text) in noted.items()}
    topic = plan.dead_letters_topic
    insist(lambda: in_time(SEND_OFFSETS, lambda: producer.send_offsets(topic, positions, box.group(), notes)))
    insist(lambda: in_time(COMMIT, producer.commit))


def _batches(
    box: Letterbox, done: Mapping[int, Ranges], plan: Plan, tally: Tally, stop: threading.Event
) -> Iterator[_Batch]:
    """The letters to redrive, and with each batch the offsets that it makes done."""
    batch = _Batch()
    reached = {partition: ranges[0][1] for partition, ranges in done.items()}
    for letter in _until(stop, box.letters(reached), tally):
        # between the last letter and this one are only a transaction's marks: they go with this one
        since, reached[letter.partition] = reached.get(letter.partition, 0), letter.offset + 1
        if not _is_meant(letter, done, plan, tally):
            continue
        why = refusal(letter, plan.max_attempts)
        if why is None and plan.limit and tally.chosen.total() == plan.limit:
            tally.limited = True
            break
        if why is None:
            tally.chosen[letter.code] += 1
            batch.add(letter)
        else:
            tally.refused[why] += 1
        if why is not Refusal.ATTEMPTS:  # that one may be meant yet, by a higher cap
            batch.done.append((letter.partition, since, letter.offset + 1))
        if batch.full(plan):
            yield batch
            batch = _Batch()
    if batch.letters and not tally.stopped:
        yield batch


def _is_meant(letter: Letter, done: Mapping[int, Ranges], plan: Plan, tally: Tally) -> bool:
    if not undone(done.get(letter.partition, []), letter.offset):
        tally.before += 1
        return False
    if not plan.wanted.takes(letter):
        tally.others += 1
        return False
    require_source(letter, plan.input_topic)
    return True


def _until(stop: threading.Event, letters: Iterable[Letter], tally: Tally) -> Iterator[Letter]:
    for letter in letters:
        if stop.is_set():
            tally.stopped = True
            return
        yield letter
