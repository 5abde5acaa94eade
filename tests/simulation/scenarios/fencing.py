"""Who may no longer write or commit: an older producer of an id, a stale or unknown member of a group."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from tests.simulation.scenarios.backend import Backend
from tests.simulation.scenarios.steps import (
    EXPIRED_SECONDS,
    GROUP,
    Member,
    Observed,
    Scenario,
    Writer,
    generation,
    in_each_protocol,
    named,
    nobody,
    poll_until,
    share,
    standing,
    visible,
)


def _first_call(backend: Backend, call: str) -> Observed:
    """Have an older producer make one call, then all others, after a second one has taken its id."""
    topic = backend.topic(1, {})
    metadata = nobody(backend)
    old = Writer(backend, topic, "id")
    old.open_with("old")
    new = Writer(backend, topic, "id")
    calls: dict[str, Callable[[], str]] = {
        "commit": old.commit,
        "send offsets": partial(old.send_offsets, 1, metadata),
        "abort": old.abort,
        "begin": old.begin,
        "produce": partial(old.produce, "more"),
        "flush": old.flush,
    }
    seen: Observed = {"first": calls[call]()}
    seen["then"] = {name: calls[name]() for name in ("produce", "begin", "send offsets", "commit", "abort")}
    new.transact("new")
    return {**seen, "visible": visible(backend, topic)}


def fenced_while_producing(backend: Backend) -> Observed:
    """Show that a fenced producer's record is queued, then refused; its transaction is dead."""
    topic = backend.topic(1, {})
    old = Writer(backend, topic, "id")
    old.open_with("old")
    new = Writer(backend, topic, "id")
    seen: Observed = {"produce": old.produce("more"), "poll": _poll_until_error(backend, old), "poll again": old.poll()}
    seen |= {"reports": old.reports, "produce again": old.produce("even more"), "abort": old.abort()}
    new.transact("new")
    return {**seen, "visible": visible(backend, topic)}


def _poll_until_error(backend: Backend, writer: Writer) -> str:
    deadline = backend.now() + 10.0
    while (seen := writer.poll()) == "ok" and backend.now() < deadline:
        pass
    return seen


def fenced_while_idle(backend: Backend) -> Observed:
    """Show that a producer with nothing open learns that it is fenced only from what it sends."""
    topic = backend.topic(1, {})
    old = Writer(backend, topic, "id")
    new = Writer(backend, topic, "id")
    seen: Observed = {"begin": old.begin(), "commit of nothing": old.commit(), "begin again": old.begin()}
    seen |= {"produce": old.produce("old"), "commit": old.commit()}
    new.transact("new")
    return {**seen, "visible": visible(backend, topic)}


def a_new_producer_ends_what_is_open(backend: Backend) -> Observed:
    """Show that taking an id aborts what a killed producer left open, its offsets too."""
    topic, group = backend.topic(1, {}), "readers"
    reader = Member(backend, topic, group=group).join()
    killed = Writer(backend, topic, "id")
    killed.open_with("killed")
    seen: Observed = {"send offsets": killed.send_offsets(1, reader.metadata())}
    backend.kill(killed.client)
    Writer(backend, topic, "id").transact("new")
    return {**seen, "committed": reader.committed(), "visible": visible(backend, topic)}


def offsets_of_a_stale_generation(backend: Backend, protocol: str) -> Observed:
    """Show that old metadata commits nothing after a rebalance; a KIP-848 group still takes what the member kept."""
    topic = backend.topic(2, {})
    first = Member(backend, topic, protocol).join(2)
    stale = first.metadata()
    second = Member(backend, topic, protocol)
    share(backend, [first, second])
    writer = Writer(backend, topic, "id")
    seen: Observed = {}
    for name, owner in (("kept", first), ("given up", second)):
        writer.begin()
        seen[name] = writer.send_offsets(1, stale, min(owner.owned)), writer.abort()
    writer.begin()
    seen["current"] = writer.send_offsets(1, first.metadata(), min(first.owned)), writer.commit()
    seen["generation"] = "raised" if generation(first.metadata()) > generation(stale) else "the same"
    return seen


def offsets_of_a_member_that_left(backend: Backend, protocol: str) -> Observed:
    """Show that the metadata of a member that has closed commits nothing."""
    topic = backend.topic(2, {})
    stays, leaves = Member(backend, topic, protocol), Member(backend, topic, protocol)
    share(backend, [stays, leaves])
    metadata = leaves.metadata()
    leaves.client.close()
    stays.join(2)
    writer = Writer(backend, topic, "id")
    writer.begin()
    return {
        "send offsets": writer.send_offsets(1, metadata),
        "abort": writer.abort(),
        "callbacks": leaves.callbacks[-1],
    }


def offsets_of_a_killed_member(backend: Backend, protocol: str) -> Observed:
    """Show that a killed member's metadata commits until its session ends."""
    topic = backend.topic(2, {})
    stays, dies = Member(backend, topic, protocol), Member(backend, topic, protocol)
    share(backend, [stays, dies])
    metadata, partition = dies.metadata(), min(dies.owned)
    backend.kill(dies.client)
    writer = Writer(backend, topic, "id")
    writer.begin()
    seen: Observed = {"at once": (writer.send_offsets(1, metadata, partition), writer.abort())}
    stays.join(2)
    writer.begin()
    return {**seen, "later": (writer.send_offsets(1, metadata, partition), writer.abort())}


def offsets_of_nobody(backend: Backend) -> Observed:
    """Show that metadata that names no member is not checked, even in a group of members: a worker has to."""
    topic = backend.topic(1, {})
    member, metadata = Member(backend, topic).join(), nobody(backend, GROUP)
    writer = Writer(backend, topic, "id")
    writer.begin()
    seen: Observed = {"standing": standing(metadata), "send offsets": writer.send_offsets(7, metadata)}
    return {**seen, "commit": writer.commit(), "committed": member.committed()}


def commit_of_a_member(backend: Backend, protocol: str) -> Observed:
    """Call `commit` as a member, and once the session has ended."""
    topic = backend.topic(1, {})
    member = Member(backend, topic, protocol).join()
    seen: Observed = {"member": (member.commit(2), member.committed())}
    backend.pause(member.client, EXPIRED_SECONDS)
    other = Member(backend, topic, protocol)
    poll_until(backend, [other], lambda: len(other.owned) == 1)
    backend.sleep(EXPIRED_SECONDS)
    return {**seen, "expired": (member.commit(3), other.committed())}


SCENARIOS: Final[Mapping[str, Scenario]] = {
    **{f"fenced, first call: {call}": partial(_first_call, call=call) for call in ("commit", "send offsets", "abort")},
    **named(fenced_while_producing, fenced_while_idle, a_new_producer_ends_what_is_open, offsets_of_nobody),
    **in_each_protocol(
        offsets_of_a_stale_generation, offsets_of_a_member_that_left, offsets_of_a_killed_member, commit_of_a_member
    ),
}
