"""Distinct events: as the broker gets them, and as batches in memory."""

import functools
from collections.abc import Callable, Iterator
from itertools import islice

import msgspec
import pyarrow as pa

from benchmarks.passthrough import PARTITIONER
from consumer.records import Batch
from scoring.contract import IDENTITIES, MODEL_FIELDS
from tests.support.wire import Event, write
from training.synthetic.dataset import keyed_events

SEED = 7
PARTITIONS = 4
_FIRST_MS = 1_795_428_904_118  # 2026-11-23T10:15:04.118Z
_SLICE = 100_000  # events handed to the producer's queue at a time


@functools.lru_cache(maxsize=1)
def keyed(count: int) -> list[tuple[bytes, bytes]]:
    """The first so many events, each with its key; no two are alike."""
    return list(islice(keyed_events(SEED), count))


def table(count: int) -> pa.Table:
    """Return the same events as a table: whole numbers as int64, others as float64, dates as text, gaps as nulls."""
    rows = [msgspec.json.decode(value) for _, value in keyed(count)]
    return pa.table({name: [row.get(name) for row in rows] for name in (*IDENTITIES, *MODEL_FIELDS)})


def stream() -> Iterator[tuple[bytes, bytes]]:
    """The same without end."""
    return keyed_events(SEED)


def batches(count: int, size: int, length: int = 0) -> list[Batch]:
    """`count` events in batches of `size`, as the consumer hands them on; padded to so many bytes each."""
    events = [(key, padded(value, length)) for key, value in keyed(count)]
    return [_batch(events[start : start + size], start) for start in range(0, count, size)]


def _batch(events: list[tuple[bytes, bytes]], start: int) -> Batch:
    n = len(events)
    return Batch(
        topic="sessions",
        partitions=[i % PARTITIONS for i in range(n)],
        offsets=[(start + i) // PARTITIONS for i in range(n)],
        timestamps=[_FIRST_MS + start + i for i in range(n)],
        keys=[key for key, _ in events],
        values=[value for _, value in events],
        headers=[[] for _ in range(n)],
    )


def padded(value: bytes, length: int) -> bytes:
    """The event with one more field, of text that the model does not read, until it is so long."""
    missing = length - len(value) - len(b',"note":""')
    return value if missing <= 0 else value[:-1] + b',"note":"' + b"x" * missing + b'"}'


def as_is(value: bytes) -> bytes:
    """Return the event as the generator made it."""
    return value


def with_escaped_key(value: bytes) -> bytes:
    """Return the same event with the first letter of its first key written as an escape.

    Keys with an escape are left to the contract's decoder.
    """
    return b'{"\\u%04x' % value[2] + value[3:]


def fill(
    bootstrap: str, topic: str, count: int, partitioner: str = PARTITIONER, edit: Callable[[bytes], bytes] = as_is
) -> None:
    """Write so many distinct events to the topic; by default each key stands in the partition where its results go."""
    events = stream()
    for start in range(0, count, _SLICE):
        some = islice(events, min(_SLICE, count - start))
        write(bootstrap, topic, (Event(edit(value), key) for key, value in some), {"partitioner": partitioner})
