"""Partitions that come and go: callbacks, generations, and who may commit meanwhile."""

from collections.abc import Callable
from typing import Final

from consumer.kafka.membership import member_id
from tests.simulation.scenarios.backend import Backend
from tests.simulation.scenarios.steps import (
    EXPIRED_SECONDS,
    Member,
    Observed,
    Writer,
    generation,
    in_each_protocol,
    poll_until,
    share,
)


def first_member(backend: Backend, protocol: str) -> Observed:
    """Show what a group's only member is given, and where it begins."""
    topic = backend.topic(2, {})
    Writer(backend, topic).write("a", "b")
    member = Member(backend, topic, protocol).join(2)
    seen: Observed = {"standing": member.standing(), "callbacks": list(member.callbacks), "messages": member.read(2)}
    member.client.close()
    return {**seen, "closed": member.callbacks}


def second_member(backend: Backend, protocol: str) -> Observed:
    """Let another one join, then leave."""
    topic = backend.topic(2, {})
    first = Member(backend, topic, protocol).join(2)
    generations = [generation(first.metadata())]
    second = Member(backend, topic, protocol)
    share(backend, [first, second])
    generations += [generation(first.metadata()), generation(second.metadata())]
    seen: Observed = {"first": first.moves(), "second": second.moves()}
    seen["an empty assignment after the revoke"] = "assign 0" in first.callbacks
    seen["second's generation"] = "the first's" if generations[1] == generations[2] else "another"
    second.client.close()
    share(backend, [first])
    generations.append(generation(first.metadata()))
    seen |= {"first, alone again": first.moves(), "second, closed": second.moves()}
    return {**seen, "generations": "raised" if generations[0] < generations[1] < generations[3] else generations}


def closed_client(backend: Backend, protocol: str) -> Observed:
    """Show that a closed consumer answers no call."""
    topic = backend.topic(1, {})
    member = Member(backend, topic, protocol).join()
    member.client.close()
    calls: dict[str, Callable[[], object]] = {
        "metadata": member.metadata,
        "consume": member.poll,
        "position": member.position,
        "committed": member.committed,
    }
    return {name: _raised(call) for name, call in calls.items()} | {"commit": member.commit(1)}


def _raised(call: Callable[[], object]) -> str:
    try:
        call()
    except RuntimeError as error:
        return type(error).__name__
    return "ok"


def commit_within_a_revoke(backend: Backend, protocol: str) -> Observed:
    """Show that the next owner starts behind what was committed within on_revoke."""
    topic = backend.topic(1, {})
    writer = Writer(backend, topic, "id")
    writer.transact("a", "b", "c")
    first = Member(backend, topic, protocol).join()
    seen: Observed = {"messages": first.read(3)}
    writer.begin()

    def conclude() -> None:
        seen["in the callback"] = first.standing()
        seen["commit"] = writer.send_offsets(3, first.metadata()), writer.commit()

    first.on_revoke = conclude
    second = Member(backend, topic, protocol)
    first.client.close()
    second.join()
    writer.transact("d")
    return {**seen, "next": second.read(1), "committed": second.committed()}


def transaction_across_a_rebalance(backend: Backend, protocol: str) -> Observed:
    """Show that offsets sent before a rebalance are committed after it, and that a new owner waits for them."""
    topic = backend.topic(1, {})
    writer = Writer(backend, topic, "id")
    writer.transact("a", "b", "c")
    first = Member(backend, topic, protocol).join()
    seen: Observed = {"messages": first.read(3)}
    writer.begin()
    seen["send offsets"] = writer.send_offsets(2, first.metadata())
    first.client.close()
    second = Member(backend, topic, protocol, start=0).join()
    seen |= {"asked meanwhile": second.committed(2.0), "commit": writer.commit(), "committed": second.committed()}
    return {**seen, "again": second.read(3)}


def rebalance_that_waits(backend: Backend, protocol: str) -> Observed:
    """Show that a member keeps its partitions until it is polled, and may commit."""
    topic = backend.topic(2, {})
    first = Member(backend, topic, protocol).join(2)
    second = Member(backend, topic, protocol)
    deadline = backend.now() + 1.5
    poll_until(backend, [second], lambda: backend.now() > deadline)
    seen: Observed = {"second owns": len(second.owned), "first owns": len(first.owned), "standing": first.standing()}
    writer = Writer(backend, topic, "id")
    writer.begin()
    seen["send offsets"] = writer.send_offsets(1, first.metadata()), writer.commit()
    seen["commit"] = first.commit(2)
    share(backend, [first, second])
    return {**seen, "owned then": [len(first.owned), len(second.owned)]}


def session_that_expired(backend: Backend, protocol: str) -> Observed:
    """Stop a member for longer than its session: what does it know on waking, and how does it come back?"""
    topic = backend.topic(2, {})
    Writer(backend, topic).write("a", "b")
    member = Member(backend, topic, protocol).join(2)
    seen: Observed = {"messages": member.read(2)}
    before = member.metadata()
    backend.pause(member.client, EXPIRED_SECONDS)
    backend.sleep(EXPIRED_SECONDS + 1.0)
    seen |= {"standing": member.standing(), "position": member.position()}
    writer = Writer(backend, topic, "id")
    seen["send offsets"] = _send(writer, before), _send(writer, member.metadata())
    seen["commit"] = member.commit(2)
    seen["messages again"] = member.read(2)
    seen |= {"callbacks": member.callbacks, "standing then": member.standing()}
    seen["member id"] = "the same" if member_id(member.metadata()) == member_id(before) else "another"
    return {**seen, "send offsets then": _send(writer, member.metadata())}


def _send(writer: Writer, metadata: bytes, offset: int = 2) -> tuple[str, str]:
    writer.begin()
    sent = writer.send_offsets(offset, metadata)
    return sent, writer.commit() if sent == "ok" else writer.abort()


def session_that_expired_beside_another(backend: Backend, protocol: str) -> Observed:
    """Show that the other member takes over, and gives back half when the stopped one wakes."""
    topic = backend.topic(2, {})
    stopped, other = Member(backend, topic, protocol), Member(backend, topic, protocol)
    share(backend, [stopped, other])
    stopped.callbacks.clear()
    other.callbacks.clear()
    backend.pause(stopped.client, EXPIRED_SECONDS)
    woken = backend.now() + EXPIRED_SECONDS
    other.join(2)
    seen: Observed = {"other": other.moves()}
    poll_until(backend, [other], lambda: backend.now() > woken)
    stopped.poll(1.0)
    other.callbacks.clear()
    share(backend, [stopped, other])
    return {**seen, "stopped": stopped.moves(), "other then": other.moves()}


def too_long_between_polls(backend: Backend, protocol: str) -> Observed:
    """Show that beyond max.poll.interval.ms a client leaves the group, and says so at the next poll.

    One of a KIP-848 group stays a member until its session ends: librdkafka (2.16) sends no heartbeats any more, and
    leaves only once the application is polled and has revoked its partitions, where its documentation says that the
    group rebalances: https://github.com/confluentinc/librdkafka/blob/v2.15.0/src/rdkafka_cgrp.c#L5727
    """
    topic = backend.topic(2, {})
    Writer(backend, topic).write("a", "b")
    member = Member(backend, topic, protocol, max_poll_interval_ms=4000).join(2)
    seen: Observed = {"messages": member.read(2)}
    before = member.metadata()
    writer = Writer(backend, topic, "id")
    backend.sleep(5.5)
    seen["soon"] = member.standing(), _send(writer, before, 0)
    backend.sleep(6.0)
    seen["later"] = member.standing(), _send(writer, before), member.commit(2)
    seen["then"] = sorted(member.read(3))  # the error comes beside the records
    seen["member id"] = "the same" if member_id(member.metadata()) == member_id(before) else "another"
    return {**seen, "callbacks": member.callbacks, "standing then": member.standing()}


def member_that_was_killed(backend: Backend, protocol: str) -> Observed:
    """Show that its partitions go to the other once its session has ended, not before."""
    topic = backend.topic(2, {})
    killed, other = Member(backend, topic, protocol), Member(backend, topic, protocol)
    share(backend, [killed, other])
    backend.kill(killed.client)
    other.callbacks.clear()
    began = backend.now()
    poll_until(backend, [other], lambda: backend.now() > began + 1.0)
    seen: Observed = {"after a second": len(other.owned)}
    other.join(2)
    return {**seen, "callbacks": other.moves(), "within 10 s": backend.now() - began < 10.0}


SCENARIOS: Final = in_each_protocol(
    first_member, second_member, closed_client, commit_within_a_revoke, transaction_across_a_rebalance,
    rebalance_that_waits, session_that_expired, session_that_expired_beside_another, too_long_between_polls,
    member_that_was_killed,
)  # fmt: skip
