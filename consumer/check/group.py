"""Checks of the consumer group, of the waiting events and of the clocks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from consumer.check.finding import Finding, duration, fail, ok, warn
from consumer.kafka.descriptions import ClockReading, ConsumerGroup, FirstRecord, MemberSettings, Position, Topic
from consumer.stream.serialization import MOST_AHEAD_MS

_NOTICEABLE_MS: Final = 1000  # the target of latencies
_WRONG_MS: Final = 60_000


def group(name: str, group: ConsumerGroup, member: MemberSettings) -> Finding:
    """Check the group, and whether this worker may join it."""
    title = f"group {name}"
    if group.allowed is not None and "READ" not in group.allowed:
        return fail(title, "this user lacks the right Read on the group")
    if member.instance is not None and member.instance in group.instances:
        return fail(
            title,
            f"a member has the same -X group.instance.id ({member.instance}) and would be expelled: give each its own",
        )
    if group.state is None:
        return ok(title, "is new: it begins with the oldest event")
    described = f"{group.members} members, {group.state.lower().replace('_', ' ')}"
    return _mismatch(title, group, member) or ok(title, described)


def _mismatch(title: str, group: ConsumerGroup, member: MemberSettings) -> Finding | None:
    """Describe a protocol or assignor unlike the members', which brokers refuse (INCONSISTENT_GROUP_PROTOCOL)."""
    if not group.members or not group.protocol:
        return None
    if group.protocol != member.protocol:
        return warn(
            title,
            f"its {group.members} members use group.protocol={group.protocol}, this worker {member.protocol}: the "
            "brokers may refuse it; choose another --group-id, or end all members and start them with the same",
        )
    if member.protocol == "classic" and group.assignor and group.assignor not in member.assignors:
        return fail(
            title,
            f"its {group.members} members use assignor {group.assignor}, this worker {', '.join(member.assignors)}: "
            "choose another --group-id if they are others', else give all the same -X partition.assignment.strategy",
        )
    return None


def position(topic: str, positions: Sequence[Position], *, continues: bool) -> Finding:
    """Check that no event was deleted unread."""
    name = f"events of {topic}"
    lost = [
        position for position in positions if position.committed is not None and position.start != position.committed
    ]
    if not lost:
        waiting = sum(position.high - position.start for position in positions)
        return ok(name, f"{waiting:,} to be read")
    worst = lost[0]
    gap = (
        f"partition {worst.partition} is to be read from offset {worst.committed}, and holds {worst.low} to "
        f"{worst.high}{f' ({len(lost)} partitions are so)' if len(lost) > 1 else ''}: the events between were "
        "deleted, or the topic was recreated"
    )
    if continues:
        return warn(name, f"{gap}; it goes on without it (--on-gap continue)")
    return fail(name, f"{gap}; run would stop: --on-gap continue goes on from the oldest")


def open_transactions(topic: str, ends: Mapping[int, int], stable: Mapping[int, int]) -> Iterator[Finding]:
    """Warn of open transactions upstream: no read-committed reader passes them. `stable` is read after `ends`."""
    held = {
        partition: ends[partition] - stable[partition]
        for partition in ends.keys() & stable.keys()
        if stable[partition] < ends[partition]
    }
    if not held:
        return
    worst = max(held, key=lambda partition: (held[partition], -partition))
    others = f" ({len(held)} partitions are so)" if len(held) > 1 else ""
    yield warn(
        f"events of {topic}",
        f"partition {worst}: a transaction of a producer is open: {held[worst]:,} offsets from {stable[worst]} on "
        f"cannot be read before it ends{others}; if it stays open, end it where it was begun, or look for it with "
        "kafka-transactions.sh find-hanging",
    )


def oldest_age(waiting: Sequence[FirstRecord], now: int) -> int | None:
    """Return the age of the oldest waiting event, in ms."""
    dates = [record.timestamp for record in waiting if record.timestamp > 0]
    return max(0, now - min(dates)) if dates else None


def ahead(newest: int, now: int) -> int:
    """Return how far the latest event date is ahead of now, in ms."""
    return max(0, newest - now)


def unreadable(topic: str, descriptions: Sequence[str], *, passes: bool) -> Iterator[Finding]:
    """Report unreadable batches at the group's positions; with `passes`, run skips them."""
    name = f"read {topic}"
    if passes:
        yield from (warn(name, f"{text}; run makes a dead letter of it (--on-unreadable)") for text in descriptions)
    else:
        yield from (fail(name, text) for text in descriptions)


def kind(topic: str, codes: Sequence[str | None]) -> Iterator[Finding]:
    """Warn when sampled records are no events. `codes` has one code for each, None for a valid event."""
    wrong = [code for code in codes if code is not None]
    if wrong:
        yield warn(
            f"events of {topic}",
            f"of {len(codes)} looked at {len(wrong)} are invalid ({', '.join(sorted(set(wrong)))}): is it the right "
            "topic?",
        )


def writable(topic: Topic) -> Finding:
    """Check the right to write by what the broker reports, where it cannot be tried."""
    name = f"write {topic.name}"
    if topic.allowed is None:
        return warn(name, "not known: the broker does not tell rights")
    if "WRITE" not in topic.allowed:
        return fail(name, "this user lacks the right Write on the topic")
    return ok(name, "allowed, as the broker tells; not tried")


def clock(reading: ClockReading) -> Finding:
    """Compare this machine's clock with the broker's."""
    if reading.latest is None:
        why = "a record is dated ahead of it" if reading.hidden_by >= 0 else "a transaction of somebody else stays open"
        return warn("clock", f"could not be compared with the broker's: {why}; try again")
    behind, early = reading.latest - reading.after, reading.before - reading.latest
    off, direction = max((behind, "behind"), (early, "ahead of"))
    if off < _NOTICEABLE_MS:
        return ok("clock", f"agrees with the broker's to {duration(reading.after - reading.before)} or better")
    status = fail if off >= _WRONG_MS else warn
    return status("clock", f"this machine's is {duration(off)} {direction} the broker's: set both by NTP")


def dates(topic: str, ahead_ms: int) -> Iterator[Finding]:
    """Compare the events' dates with this machine's clock."""
    if ahead_ms < _NOTICEABLE_MS:
        return
    effect = "; its result gets the time of day instead" if ahead_ms > MOST_AHEAD_MS else ""
    yield warn(
        f"events of {topic}",
        f"the newest is dated {duration(ahead_ms)} ahead of this machine's clock{effect}: look at the clocks of the "
        "producers, and at ours",
    )
