"""Judges where the group stands, what waits, and the clocks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from consumer.check.finding import Finding, fail, lasting, ok, warn
from consumer.kafka.descriptions import ClockReading, Group, MemberSettings, Position, Topic, Waiting
from consumer.stream.serialization import MOST_AHEAD_MS

_NOTICEABLE_MS: Final = 1000  # the bound that latencies are judged by
_WRONG_MS: Final = 60_000


def group(name: str, found: Group, ours: MemberSettings) -> Finding:
    """Judge the group, and whether this worker may be a member of it."""
    title = f"group {name}"
    if found.allowed is not None and "READ" not in found.allowed:
        return fail(title, "this user lacks the right Read on the group")
    if ours.instance is not None and ours.instance in found.instances:
        return fail(
            title,
            f"a member of it has the same -X group.instance.id ({ours.instance}), and would be put out: give each its "
            "own",
        )
    if found.state is None:
        return ok(title, "is new: it begins with the oldest event")
    described = f"{found.members} members, {found.state.lower().replace('_', ' ')}"
    return _foreign(title, found, ours) or ok(title, described)


def _foreign(title: str, found: Group, ours: MemberSettings) -> Finding | None:
    """Say how its members differ from this worker, which brokers then refuse (INCONSISTENT_GROUP_PROTOCOL)."""
    if not found.members or not found.protocol:
        return None
    if found.protocol != ours.protocol:
        return warn(
            title,
            f"its {found.members} members use group.protocol={found.protocol}, this worker {ours.protocol}, which the "
            "brokers may refuse: choose another --group-id, or end all members and start them with the same",
        )
    if ours.protocol == "classic" and found.assignor and found.assignor not in ours.assignors:
        return fail(
            title,
            f"its {found.members} members use the assignor {found.assignor}, this worker {', '.join(ours.assignors)}: "
            "if they are others' choose another --group-id, else give all the same -X partition.assignment.strategy",
        )
    return None


def position(topic: str, positions: Sequence[Position], *, continues: bool) -> Finding:
    """Whether all that the group has not read is still there."""
    name = f"events of {topic}"
    lost = [each for each in positions if each.committed is not None and each.start != each.committed]
    if not lost:
        waiting = sum(each.high - each.start for each in positions)
        return ok(name, f"{waiting:,} to be read")
    worst = lost[0]
    said = (
        f"partition {worst.partition} is to be read from offset {worst.committed}, and holds {worst.low} to "
        f"{worst.high}{f' ({len(lost)} partitions are so)' if len(lost) > 1 else ''}: what is between was deleted, or "
        "the topic was made anew"
    )
    if continues:
        return warn(name, f"{said}; it goes on without it (--on-gap continue)")
    return fail(name, f"{said}; run would stop: --on-gap continue goes on from the oldest")


def open_transactions(topic: str, ends: Mapping[int, int], stable: Mapping[int, int]) -> Iterator[Finding]:
    """Transactions upstream that are open: nobody reads committed past them. `stable` is asked for after `ends`."""
    held = {each: ends[each] - stable[each] for each in ends.keys() & stable.keys() if stable[each] < ends[each]}
    if not held:
        return
    worst = max(held, key=lambda each: (held[each], -each))
    others = f" ({len(held)} partitions are so)" if len(held) > 1 else ""
    yield warn(
        f"events of {topic}",
        f"partition {worst}: a transaction of a producer is open: {held[worst]:,} offsets from {stable[worst]} on "
        f"cannot be read before it ends{others}; if it stays open, end it where it was begun, or look for it with "
        "kafka-transactions.sh find-hanging",
    )


def oldest_age(waiting: Sequence[Waiting], now: int) -> int | None:
    """How old the oldest event that waits is, in ms."""
    dates = [each.timestamp for each in waiting if each.timestamp > 0]
    return max(0, now - min(dates)) if dates else None


def ahead(newest: int, now: int) -> int:
    """How far the event dated latest is ahead of now, in ms."""
    return max(0, newest - now)


def unreadable(topic: str, remedies: Sequence[str], *, passes: bool) -> Iterator[Finding]:
    """What is to be said of batches at the group's positions that cannot be read; `passes`: run goes past them."""
    name = f"read {topic}"
    if passes:
        yield from (warn(name, f"{each}; run makes a dead letter of it (--on-unreadable)") for each in remedies)
    else:
        yield from (fail(name, each) for each in remedies)


def kind(topic: str, codes: Sequence[str | None]) -> Iterator[Finding]:
    """Whether these are events: the code of what is wrong with each of those that were looked at."""
    wrong = [code for code in codes if code is not None]
    if wrong:
        yield warn(
            f"events of {topic}",
            f"of {len(codes)} looked at {len(wrong)} are invalid ({', '.join(sorted(set(wrong)))}): is it the right "
            "topic?",
        )


def writable(topic: Topic) -> Finding:
    """By what the broker says of this user's rights, where it cannot be tried."""
    name = f"write {topic.name}"
    if topic.allowed is None:
        return warn(name, "not known: the broker does not tell rights")
    if "WRITE" not in topic.allowed:
        return fail(name, "this user lacks the right Write on the topic")
    return ok(name, "allowed, as the broker tells; not tried")


def clock(reading: ClockReading) -> Finding:
    """This machine's clock against the broker's."""
    if reading.latest is None:
        why = "a record is dated ahead of it" if reading.hidden_by >= 0 else "a transaction of somebody else stays open"
        return warn("clock", f"could not be compared with the broker's: {why}; try again")
    behind, early = reading.latest - reading.after, reading.before - reading.latest
    off, where = max((behind, "behind"), (early, "ahead of"))
    if off < _NOTICEABLE_MS:
        return ok("clock", f"agrees with the broker's to {lasting(reading.after - reading.before)} or better")
    say = fail if off >= _WRONG_MS else warn
    return say("clock", f"this machine's is {lasting(off)} {where} the broker's: set both by NTP")


def dates(topic: str, ahead_ms: int) -> Iterator[Finding]:
    """The events' own dates against this machine's clock."""
    if ahead_ms < _NOTICEABLE_MS:
        return
    then = "; its result gets the time of day instead" if ahead_ms > MOST_AHEAD_MS else ""
    yield warn(
        f"events of {topic}",
        f"the newest is dated {lasting(ahead_ms)} ahead of this machine's clock{then}: look at the clocks of the "
        "producers, and at ours",
    )
