"""Checks of the four topics: they exist, keep what is written, and accept what the worker writes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from consumer.check.finding import Finding, duration, fail, ok, warn
from consumer.kafka.descriptions import Missing, Topic
from consumer.stream.output_limits import LEAST_BYTES, size_limit
from consumer.stream.serialization import MOST_AHEAD_MS

_BEFORE: Final = "message.timestamp.before.max.ms"
_AFTER: Final = "message.timestamp.after.max.ms"
_DIFFERENCE: Final = "message.timestamp.difference.max.ms"  # both of them, before Kafka 3.6
_OUTAGE_MS: Final = 86_400_000  # a worker may be away for a night


@dataclass(frozen=True, slots=True)
class Needs:
    """What the worker needs of the topics."""

    max_record_bytes: int
    oldest_age_ms: int | None = None  # of waiting events; None without any, or when unknown
    newest_ahead_ms: int = 0  # of the latest event date ahead of now; 0 when it is not
    input_retention_ms: int | None = None
    creates: bool = False  # --create-topics

    def join(self, other: "Needs") -> "Needs":
        """Return what the events of both input topics need."""
        ages = [age for age in (self.oldest_age_ms, other.oldest_age_ms) if age is not None]
        kept = [time for time in (self.input_retention_ms, other.input_retention_ms) if time is not None]
        return replace(
            self,
            oldest_age_ms=max(ages, default=None),
            newest_ahead_ms=max(self.newest_ahead_ms, other.newest_ahead_ms),
            input_retention_ms=-1 if -1 in kept else max(kept, default=None),
        )


def missing(topic: Missing, needs: Needs) -> Finding:
    """Report a missing topic."""
    name = f"topic {topic.name}"
    if topic.denied:
        return fail(name, "this user may not see it: the check of rights says what it needs")
    if needs.creates:
        return warn(name, "is not there yet (or hidden from this user): run makes it (--create-topics)")
    hint = f"; the nearest name is {topic.nearest}" if topic.nearest else ""
    return fail(name, f"is missing, or hidden from this user{hint}: create it, or give its right name")


def unmatched(pattern: str) -> Finding:
    """Report a pattern that no topic matches."""
    return warn(f"topic {pattern}", "no topic matches yet; run reads one that appears")


def source(topic: Topic, needs: Needs) -> list[Finding]:
    """Check the input topic."""
    findings = [_described(topic), *_partitions(topic), *_kept(topic, needs)]
    if "compact" in _policy(topic):
        findings.append(warn(_name(topic), "is compacted: of events with one key some go before they are scored"))
    return findings


def output(topic: Topic, needs: Needs, *, dead_letters: bool = False) -> list[Finding]:
    """Check an output topic."""
    findings = [_described(topic), *_partitions(topic), *_sizes(topic, needs, dead_letters=dead_letters)]
    findings += [*_retention(topic, needs), *_dates(topic, needs)]
    if "compact" in _policy(topic):
        findings.append(
            fail(
                _name(topic),
                "is compacted: of records with one key all but the last are lost: set cleanup.policy=delete",
            )
        )
    return findings


def _name(topic: Topic) -> str:
    return f"topic {topic.name}"


def _policy(topic: Topic) -> str:
    return (topic.settings or {}).get("cleanup.policy", "")


def _described(topic: Topic) -> Finding:
    layout = f"{topic.partitions} partitions, replication {topic.replicas}"
    if topic.settings is None:
        return warn(
            _name(topic),
            f"{layout}; its settings cannot be seen: allow this user DescribeConfigs there to have them checked",
        )
    size, retention, most = map(topic.number, ("max.message.bytes", "retention.ms", "retention.bytes"))
    keeps = "for ever" if retention is None or retention < 0 else f"for {duration(retention)}"
    bound = f", at most {most:,} bytes a partition" if most is not None and most >= 0 else ""
    compression = topic.settings.get("compression.type", "producer")
    recompressed = "" if compression == "producer" else f", recompressed ({compression})"
    return ok(
        _name(topic),
        f"{layout} (min.insync.replicas {topic.number('min.insync.replicas')}), keeps records {keeps}{bound}, takes "
        f"{size or 0:,} bytes{recompressed}",
    )


def _partitions(topic: Topic) -> Iterator[Finding]:
    name, least = _name(topic), topic.number("min.insync.replicas") or 1
    if not topic.has_id:
        yield warn(name, "has no id: with brokers older than 2.8 a worker does not notice when the topic is recreated")
    if topic.leaderless:
        yield fail(name, f"{topic.leaderless} of its partitions have no leader: look at the brokers")
    elif topic.in_sync < min(least, topic.replicas):
        yield fail(
            name,
            f"a partition has {topic.in_sync} replicas in sync, and min.insync.replicas is {least}: nothing can be "
            "written; look at the brokers",
        )
    elif topic.replicas < least:  # Kafka 4.3.1 takes the number of replicas for the bound, and accepts the write
        yield warn(
            name,
            f"min.insync.replicas is {least}, and it has {topic.replicas} replicas: older brokers refuse every write; "
            "use 3 replicas, min.insync.replicas=2",
        )
    elif topic.replicas == 1:
        yield warn(name, "has no replicas: what it holds is lost with one broker; use 3, min.insync.replicas=2")
    elif topic.settings is not None and least == 1:
        yield warn(name, "min.insync.replicas is 1: what one broker alone has acknowledged may be lost; set 2")
    elif topic.replicas == least:
        yield warn(
            name, f"min.insync.replicas is {least}, as are its replicas: with one broker away nothing is written"
        )
    if (topic.settings or {}).get("unclean.leader.election.enable") == "true":
        yield warn(name, "unclean.leader.election.enable is true: what was acknowledged may be lost; set false")


def _kept(topic: Topic, needs: Needs) -> Iterator[Finding]:
    kept, age = topic.number("retention.ms"), needs.oldest_age_ms
    if kept is None or kept < 0:
        return
    if age is not None and age > kept / 2:
        yield warn(
            _name(topic),
            f"keeps events for {duration(kept)}, and the oldest that waits is {duration(age)} old: events are deleted "
            "unread beyond it; raise retention.ms until the group has caught up",
        )
    elif kept < _OUTAGE_MS:
        yield warn(
            _name(topic),
            f"keeps events for {duration(kept)}: a worker that is away longer never sees them; raise retention.ms",
        )


def _retention(topic: Topic, needs: Needs) -> Iterator[Finding]:
    kept, age, before = topic.number("retention.ms"), needs.oldest_age_ms, needs.input_retention_ms
    if kept is None or kept < 0:
        return
    keeps = f"keeps records for {duration(kept)}"
    if age is not None and age >= kept:
        yield fail(
            _name(topic),
            f"{keeps}, and the oldest event that waits is {duration(age)} old: what becomes of it carries its date, "
            "and is deleted at once; raise retention.ms",
        )
    elif before is not None and not 0 <= before <= kept:
        length = "for ever" if before < 0 else f"for {duration(before)}"
        yield warn(
            _name(topic),
            f"{keeps}, the input topic {length}: what becomes of an old backlog carries its dates, and is deleted "
            "at once; raise retention.ms",
        )


def _sizes(topic: Topic, needs: Needs, *, dead_letters: bool) -> Iterator[Finding]:
    setting, takes = size_limit(topic.settings or {})
    if dead_letters and takes < LEAST_BYTES:
        yield fail(
            _name(topic),
            f"{setting} is {takes:,}, and a dead letter may need {LEAST_BYTES:,}: run does not start; raise it",
        )
    elif takes < needs.max_record_bytes:
        yield warn(
            _name(topic),
            f"{setting} is {takes:,}, less than --max-record-bytes ({needs.max_record_bytes:,}): what is larger goes "
            "out without its event or its value, or as a dead letter; raise it to have them",
        )


def _dates(topic: Topic, needs: Needs) -> Iterator[Finding]:
    name, age, ahead = _name(topic), needs.oldest_age_ms, needs.newest_ahead_ms
    if (topic.settings or {}).get("message.timestamp.type") == "LogAppendTime":
        yield warn(name, "message.timestamp.type is LogAppendTime: results lose the dates of their events")
        return
    either = topic.number(_DIFFERENCE)
    before, after = (either if limit is None else limit for limit in (topic.number(_BEFORE), topic.number(_AFTER)))
    if before is not None and age is not None and age > before:
        yield warn(
            name,
            f"refuses records dated more than {duration(before)} ago ({_BEFORE}), and the oldest event that waits is "
            f"{duration(age)} old: what becomes of it is dated now, its own date in header source_timestamp; raise "
            "it to keep dates",
        )
    if after is not None and after < MOST_AHEAD_MS:
        refusal = f"refuses records dated more than {duration(after)} ahead ({_AFTER})"
        example = f", and the newest event is {duration(ahead)} ahead" if after < ahead <= MOST_AHEAD_MS else ""
        yield warn(
            name,
            f"{refusal}{example}: the result of an event farther ahead is dated now; raise it to keep dates up to "
            f"{duration(MOST_AHEAD_MS)} ahead",
        )
