"""Positions that the log no longer holds, with auto.offset.reset=error as the worker has it."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from confluent_kafka import OFFSET_STORED, TopicPartition

from tests.simulation.scenarios.backend import Backend
from tests.simulation.scenarios.steps import (
    Member,
    Observed,
    Scenario,
    Writer,
    at_offset,
    in_each_protocol,
    named,
    outcome,
)


def _records(backend: Backend, topic: str, count: int) -> None:
    Writer(backend, topic).write(*(str(number) for number in range(count)))


def a_position_that_is_overtaken(backend: Backend, protocol: str) -> Observed:
    """Show that one error comes, then nothing of the partition until it is assigned anew; the others go on.

    A seek is refused, where the documentation of the setting says nothing of the partition's being stopped:
    https://github.com/confluentinc/librdkafka/issues/2961
    """
    topic = backend.topic(2, {})
    _records(backend, topic, 6)
    reader = Member(backend, topic, protocol).join(2)
    seen: Observed = {"read": reader.read(6)}
    backend.delete_records(topic, 0, 4)
    seen |= {"seek": reader.seek(1), "error": reader.read(1), "position": reader.position()}
    Writer(backend, topic).write("new")
    Writer(backend, topic).write("other", partition=1)
    seen |= {
        "other partition": reader.read(1, partition=1),
        "then": reader.read_for(),
        "seek again": reader.seek(4),
        "still": reader.read_for(),
    }
    seen["cached ends"] = list(reader.client.get_watermark_offsets(TopicPartition(topic, 0), cached=True))
    seen["asked ends"] = list(reader.client.get_watermark_offsets(TopicPartition(topic, 0), 10.0))
    seen["assigned anew"] = _assign_anew(reader, topic, 4, protocol)
    return {**seen, "read on": reader.read(3), "position then": reader.position()}


def _assign_anew(reader: Member, topic: str, offset: int, protocol: str) -> list[str]:
    there = at_offset(topic, offset)
    if protocol == "range":
        return [outcome(reader.client.assign, [*there, *at_offset(topic, 0, 1)])]
    unassigned = outcome(reader.client.incremental_unassign, there)
    return [unassigned, outcome(reader.client.incremental_assign, there)]


def _assigned_at(backend: Backend, offset: int) -> Observed:
    """Begin at an offset of six records, of which the first three are deleted."""
    topic = backend.topic(1, {})
    _records(backend, topic, 6)
    backend.delete_records(topic, 0, 3)
    reader = Member(backend, topic, start=offset).join()
    seen: Observed = {"first": reader.read(1), "position": reader.position()}
    return {**seen, "then": reader.read_for()}


def assigned_at_no_stored_offset(backend: Backend) -> Observed:
    """Show that nothing is reset in silence for a group that has committed nothing."""
    topic = backend.topic(1, {})
    _records(backend, topic, 1)
    return {"read": Member(backend, topic, start=OFFSET_STORED).join().read(1)}


def an_emptied_partition(backend: Backend) -> Observed:
    """Show that from the beginning nothing comes, and no error; what is written next does."""
    topic = backend.topic(1, {})
    _records(backend, topic, 3)
    backend.delete_records(topic, 0, 3)
    reader = Member(backend, topic).join()
    seen: Observed = {"read": reader.read_for(), "position": reader.position()}
    seen["ends"] = list(reader.client.get_watermark_offsets(TopicPartition(topic, 0), 10.0))
    Writer(backend, topic).write("new")
    return {**seen, "then": reader.read(1)}


def deleting_what_is_read(backend: Backend) -> Observed:
    """Show that a reader past it hears nothing of it."""
    topic = backend.topic(1, {})
    _records(backend, topic, 3)
    reader = Member(backend, topic).join()
    seen: Observed = {"read": reader.read(3)}
    backend.delete_records(topic, 0, 2)
    Writer(backend, topic).write("new")
    return {
        **seen,
        "then": reader.read(1),
        "oldest": reader.client.get_watermark_offsets(TopicPartition(topic, 0), 10.0)[0],
    }


def deleting_aborted_records(backend: Backend) -> Observed:
    """Delete up to the middle of an aborted transaction: the rest of it stays unseen."""
    topic = backend.topic(1, {})
    writer = Writer(backend, topic, "id")
    writer.transact("a")
    writer.abandon("no", "neither", "nor this")
    writer.transact("b")
    backend.delete_records(topic, 0, 3)
    reader = Member(backend, topic).join()
    return {"read": reader.read(1), "position": reader.position()}


def assigning_what_is_not_there(backend: Backend) -> Observed:
    """Seek, assign and unassign partitions that are not assigned, or are already."""
    topic = backend.topic(2, {})
    reader = Member(backend, topic).join(2)
    return {
        "seek": reader.seek(0, partition=7),
        "incremental unassign": outcome(reader.client.incremental_unassign, at_offset(topic, 0, 7)),
        "incremental assign": outcome(reader.client.incremental_assign, at_offset(topic, 0, 1)),
        "position": reader.position(7),
    }


SCENARIOS: Final[Mapping[str, Scenario]] = {
    **in_each_protocol(a_position_that_is_overtaken),
    "assigned at a deleted offset": partial(_assigned_at, offset=1),
    "assigned at the oldest offset": partial(_assigned_at, offset=3),
    "assigned past the end": partial(_assigned_at, offset=9),
    **named(
        assigned_at_no_stored_offset, an_emptied_partition, deleting_what_is_read, deleting_aborted_records,
        assigning_what_is_not_there,
    ),
}  # fmt: skip
