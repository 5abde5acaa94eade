"""Past a batch that cannot be read: a dead letter in its place, and the group's offset after it, in one transaction."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from consumer.delivery.background_call import in_time
from consumer.delivery.exactly_once import COMMIT, SEND_OFFSETS, Producer
from consumer.errors import DeliveryError, WorkerError
from consumer.records import UnreadableBatch
from consumer.runtime import Retry
from consumer.stream import unreadable_extent
from consumer.stream.dead_letters import of_unreadable
from consumer.stream.unreadable_extent import end_of


class Probe(unreadable_extent.Probe, Protocol):
    """Looks at single places of one partition, on behalf of a group."""

    def position(self) -> int: ...
    def group(self) -> bytes: ...


class Admin(Protocol):
    """Who knows the members of a group."""

    def readers(self, group_id: str, topic: str, partition: int) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where the unreadable batch begins, and for which group it is gone past."""

    group_id: str
    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}, partition {self.partition}, offset {self.offset}"


def require_idle(place: Place, admin: Admin) -> None:
    """Raises WorkerError while a worker of the group has the partition."""
    if readers := admin.readers(place.group_id, place.topic, place.partition):
        raise WorkerError(
            f"a worker of group {place.group_id} on {readers[0]} has partition {place.partition} of {place.topic}: "
            "stop the group's workers first (one that was killed is a member until its session times out)"
        )


def skip(
    probe: Probe, producer: Producer, place: Place, dead_letters_topic: str, now: Callable[[], int]
) -> tuple[int, int]:
    """Goes past the batch; returns the first offset gone past and the one after the last. `now` is in ms.

    Raises WorkerError, one line, and then nothing was changed, unless the message says that this is not known.
    """
    start, why = _check(probe, place)
    end = end_of(probe, place.offset)
    batch = UnreadableBatch(place.topic, place.partition, place.offset, end, why)
    letter = of_unreadable(batch, dead_letters_topic, place.group_id, now())
    insist = Retry().call
    try:
        insist(producer.init)
        insist(producer.begin)
        producer.produce([letter])
        moved = {place.partition: end}
        insist(lambda: in_time(SEND_OFFSETS, lambda: producer.send_offsets(place.topic, moved, probe.group())))
        insist(lambda: in_time(COMMIT, producer.commit))
    except DeliveryError as error:
        with contextlib.suppress(DeliveryError):
            producer.abort()
        raise WorkerError(f"{place}: {error}; run it again: it goes past the batch once") from error
    finally:
        producer.drop()
    return start, end


def _check(probe: Probe, place: Place) -> tuple[int, str]:
    """Where the group stands in the batch, and why that cannot be read. Refuses what is not the group's next batch."""
    position = probe.position()
    found = probe.at(position)
    stands = f"group {place.group_id} goes on at offset {position} of partition {place.partition} of {place.topic}"
    if found.why is None:
        raise WorkerError(f"{stands}, and what is there can be read: nothing to skip")
    if found.offset != place.offset:
        raise WorkerError(f"{stands}, where the batch that cannot be read begins at {found.offset}: --offset says else")
    return max(position, place.offset), found.why
