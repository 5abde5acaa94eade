"""Skip a batch that cannot be read: commit a dead letter and the group's offset after the batch in one transaction."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from consumer.delivery.background_call import call_with_timeout
from consumer.delivery.interface import COMMIT, SEND_OFFSETS, Producer
from consumer.errors import DeliveryError, WorkerError
from consumer.kafka.unreadable import Probe, end_of
from consumer.records import Partition, UnreadableBatch
from consumer.runtime import Retry
from consumer.stream.dead_letters import of_unreadable


@dataclass(frozen=True, slots=True)
class SkipTarget:
    """The start of the unreadable batch, and the group that skips it."""

    group_id: str
    partition: Partition
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}, offset {self.offset}"


def require_idle(target: SkipTarget, hosts: Sequence[str]) -> None:
    """Raise WorkerError when the partition is assigned to a worker of the group, on one of `hosts`."""
    if hosts:
        topic, number = target.partition
        raise WorkerError(
            f"a worker of group {target.group_id} on {hosts[0]} has partition {number} of {topic}: stop the group's "
            "workers first (one that was killed is a member until its session times out)"
        )


def skip(probe: Probe, producer: Producer, target: SkipTarget, dead_letters_topic: str, now: int) -> tuple[int, int]:
    """Skip the batch; return the first skipped offset and the one after the last. `now` is in ms since the epoch.

    Raise WorkerError, one line; then nothing was changed, unless the message says that this is not known.
    """
    start, why = _check(probe, target)
    end = end_of(probe, target.offset)
    batch = UnreadableBatch(target.partition, target.offset, end, why)
    dead_letter = of_unreadable(batch, dead_letters_topic, target.group_id, now)
    retry = Retry()

    def send_offsets() -> None:
        producer.send_offsets({target.partition: end}, probe.group())

    try:
        retry.call(producer.init)
        retry.call(producer.begin)
        producer.produce([dead_letter])
        retry.call(call_with_timeout, SEND_OFFSETS, send_offsets)
        retry.call(call_with_timeout, COMMIT, producer.commit)
    except DeliveryError as error:
        with contextlib.suppress(DeliveryError):
            producer.abort()
        raise WorkerError(f"{target}: {error}; run it again: it skips the batch once") from error
    finally:
        producer.drop()
    return start, end


def _check(probe: Probe, target: SkipTarget) -> tuple[int, str]:
    """Return the group's position and why it is unreadable. Raise WorkerError when the target is not its next batch."""
    position = probe.position()
    first = probe.at(position)
    group = f"group {target.group_id} goes on at offset {position} of {target.partition}"
    if first.reason is None:
        raise WorkerError(f"{group}, and what is there can be read: nothing to skip")
    if first.offset != target.offset:
        raise WorkerError(f"{group}, where the batch that cannot be read begins at {first.offset}: --offset says else")
    return max(position, target.offset), first.reason
