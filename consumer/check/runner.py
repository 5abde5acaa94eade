"""All checks in order: those that need no broker, the brokers, then the rest. No check hangs or raises."""

import os
import socket
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain
from typing import Any, Final, TypeVar, TypeVarTuple

from consumer.check import group as groups
from consumer.check import local, schemas, topics
from consumer.check.finding import Finding, Status, fail, ok, skip, warn
from consumer.check.topics import Needs
from consumer.config.connection import connect
from consumer.config.settings import DeliveryGuarantee, Origin, Settings, SettingsError, load_settings, origins
from consumer.config.sources import DEFAULT
from consumer.delivery.background_call import call_with_timeout
from consumer.errors import DeliveryError, UnavailableError, WorkerError
from consumer.formats import ReadValues, latest_schema, value_reader
from consumer.kafka.admin import Admin
from consumer.kafka.client import librdkafka
from consumer.kafka.config import Connection
from consumer.kafka.descriptions import ConsumerGroup, FirstRecord, MemberSettings, Missing, Position, Topic
from consumer.kafka.properties import CONSUMER
from consumer.kafka.reader import GroupReader
from consumer.kafka.unreadable import describe, remedy
from consumer.kafka.write_probe import WriteProbe
from consumer.observability import logs
from consumer.records import Batch
from consumer.runtime import now_ms
from scoring import Scorer
from scoring.decoding import decode_joined

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_SECONDS: Final = 30.0  # for one check; each request has ten
_NOT_COMPARED: Final = "not compared with the broker's: that takes a transaction"


def run_checks(cli_settings: Mapping[str, Any]) -> tuple[list[Origin], Iterator[Finding]]:
    """Return the settings with their origins, and the findings as they come."""
    try:
        settings = load_settings(cli_settings)
        Connection(settings.bootstrap_servers, settings.kafka)  # raises for properties that `run` refuses
        resolved = origins(settings, cli_settings, os.environ)
    except (SettingsError, WorkerError) as error:
        return [], iter([fail("settings", str(error)), skip("everything else", "the settings are wrong")])
    level = "error" if settings.log_level == "info" else settings.log_level  # a person reads this
    logs.configure(level, log_format=settings.log_format)
    changed = sum(setting.origin != DEFAULT for setting in resolved)
    first = ok("settings", f"{len(resolved)} as resolved, {changed} of them not the defaults")
    return resolved, chain([first], local.secrets(cli_settings), local.environment(os.environ), check(settings, now_ms))


def check(settings: Settings, now: Callable[[], int]) -> Iterator[Finding]:
    """Yield the findings as they come. `now` returns ms since the epoch."""
    yield local.versions(librdkafka())
    scorer, artifacts = local.artifacts(settings)
    yield artifacts
    yield local.metrics(settings)
    yield from local.input_format(settings)
    yield from _schemas(settings)
    yield from local.files(settings)
    yield from local.slot(settings)
    connection, failures = _attempt("login", connect, settings)
    yield from failures
    if connection is None:
        yield from (skip(name, "there is no token to log in with") for name in ("broker", *_broker_checks(settings)))
        return
    if settings.login is not None:
        yield ok("login", f"{settings.login}: there is a token")
    connected, failures = _attempt("broker", _connect, connection)
    yield from failures
    if connected is None:
        yield from (skip(name, "no broker answers") for name in _broker_checks(settings))
    else:
        admin, brokers = connected
        yield brokers
        yield from _BrokerChecks(settings, connection, admin, scorer, now).findings()


def _schemas(settings: Settings) -> Iterator[Finding]:
    """Check the schemas that are registered by the name of a topic, as serializers do unless told otherwise."""
    if settings.input_format == "json":
        return
    url, properties = settings.schema_registry_url or "", settings.schema_registry
    for topic in settings.inputs.names:
        subject = f"{topic}-value"
        ask = partial(latest_schema, settings.input_format, url, properties, subject)
        schema, failures = _attempt(f"schema {subject}", ask)
        yield from failures or [schemas.registered(subject, schema, settings.input_format)]


def _attempt(name: str, function: Callable[[*Ts], T], *args: *Ts) -> tuple[T | None, list[Finding]]:
    """Return the function's result, or None and the finding that tells why there is none in time."""
    try:
        return call_with_timeout(f"check {name}", function, *args, seconds=_SECONDS), []
    except (WorkerError, DeliveryError, UnavailableError) as error:
        return None, [fail(name, str(error))]
    except TimeoutError:  # of the client, whose own timeout is shorter
        return None, [fail(name, "no answer in time; look at the brokers")]


def _connect(connection: Connection) -> tuple[Admin, Finding]:
    admin = Admin(connection)
    cluster = admin.cluster()
    brokers = ", ".join(cluster.brokers)
    return admin, ok("broker", f"{len(cluster.brokers)} in cluster {cluster.cluster_id}: {brokers}")


def _member_settings(connection: Connection) -> MemberSettings:
    properties = CONSUMER | dict(connection.properties)
    assignors = [assignor.strip() for assignor in str(properties["partition.assignment.strategy"]).split(",")]
    protocol = str(properties.get("group.protocol", "classic")).lower()
    return MemberSettings(connection.properties.get("group.instance.id"), protocol, assignors)


def _broker_checks(settings: Settings) -> Iterator[str]:
    return chain([f"group {settings.group_id}"], _topic_checks(settings))


def _topic_checks(settings: Settings) -> Iterator[str]:
    yield from (f"events of {name}" for name in settings.inputs.topics)
    yield from (f"topic {name}" for name in (*settings.inputs.topics, *settings.output_topics))
    yield from (f"write {name}" for name in settings.output_topics)
    yield "clock"


class _BrokerChecks:
    """The checks for which brokers answer."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        admin: Admin,
        scorer: Scorer | None,
        now: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._admin = admin
        self._scorer = scorer
        self._now = now

    def findings(self) -> Iterator[Finding]:
        """Check the group, the waiting events, the topics, the rights and the clock."""
        settings = self._settings
        group, failures = _attempt(f"group {settings.group_id}", self._admin.group, settings.group_id)
        yield from failures
        if group is not None:
            yield groups.group(settings.group_id, group, _member_settings(self._connection))
        described, failures = _attempt("topics", self._topics)
        yield from failures
        if described is None:
            yield from (skip(name, "the topics could not be asked for") for name in _topic_checks(settings))
            return
        yield from _attempt("rights", self._require_rights)[1]
        existing = [topic for topic in described.values() if isinstance(topic, Topic)]
        needs = Needs(settings.max_record_bytes, creates=settings.create_topics)
        for source in existing:
            if source.name not in settings.output_topics:
                own = yield from self._source(source, group, needs)
                needs = needs.join(own)
        yield from map(topics.unmatched, settings.inputs.unmatched(described))
        outputs = [topic for topic in existing if topic.name in settings.output_topics]
        for output in outputs:
            dead_letters = output.name == settings.dead_letters_topic
            yield from topics.output(output, needs, dead_letters=dead_letters)
        yield from (topics.missing(topic, needs) for topic in described.values() if isinstance(topic, Missing))
        yield from self._writes(outputs)

    def _topics(self) -> dict[str, Topic | Missing]:
        """Return the inputs, those that a pattern matches included, then the outputs."""
        inputs = self._settings.inputs
        return self._admin.topics([*self._admin.input_topics(inputs), *inputs.outputs])

    def _require_rights(self) -> None:
        """Raise for all rights that `run` would find missing at its start, in one line."""
        settings = self._settings
        ids = None if settings.delivery is DeliveryGuarantee.AT_LEAST_ONCE else f"{settings.group_id}-"
        # missing topics have findings of their own
        admin, inputs = Admin(self._connection), settings.inputs
        admin.require_topics(admin.input_topics(inputs), inputs.outputs, group=settings.group_id, ids=ids, create=())

    def _source(self, source: Topic, group: ConsumerGroup | None, needs: Needs) -> Generator[Finding, None, Needs]:
        """Check an input topic; return `needs` with what its waiting events need of the output topics."""
        if group is None:
            yield skip(f"events of {source.name}", "the group could not be asked")
        else:
            needs = yield from self._events(source, needs)
        yield from topics.source(source, needs)
        return needs

    def _events(self, source: Topic, needs: Needs) -> Generator[Finding, None, Needs]:
        name = f"events of {source.name}"
        positions, failures = _attempt(name, self._positions, source)
        yield from failures
        if positions is None:
            return needs
        yield groups.position(source.name, positions, continues=self._settings.on_gap == "continue")
        yield from self._open_transactions(source)
        read, failures = _attempt(f"read {source.name}", self._read, source, positions)
        yield from failures
        waiting, unreadable = read or (None, [])
        yield from groups.unreadable(source.name, unreadable, passes=self._passes_unreadable)
        # brokers before 3.0 do not tell, and nothing else depends on it
        newest, _ = _attempt(name, self._admin.newest, source.name, source.partitions)
        now = self._now()
        ahead = groups.ahead(max((date for _, date in (newest or {}).values()), default=0), now)
        yield from groups.dates(source.name, ahead)
        if waiting is not None and not unreadable:
            yield ok(f"read {source.name}", "tried: nothing is committed by it")
        codes, failures = _attempt(f"events of {source.name}", self._codes, source.name, waiting or [])
        yield from failures
        yield from groups.kind(source.name, codes or [])
        return replace(
            needs,
            oldest_age_ms=groups.oldest_age(waiting or [], now),
            newest_ahead_ms=ahead,
            input_retention_ms=source.number("retention.ms"),
        )

    @property
    def _passes_unreadable(self) -> bool:
        return self._settings.on_unreadable == "dead-letter"

    def _open_transactions(self, source: Topic) -> Iterator[Finding]:
        name, ends = f"events of {source.name}", partial(self._admin.ends, source.name, source.partitions)
        high, failures = _attempt(name, ends)
        stable, more = _attempt(name, partial(ends, committed=True))
        yield from failures or more
        yield from groups.open_transactions(source.name, high or {}, stable or {})

    def _positions(self, source: Topic) -> list[Position]:
        with closing(GroupReader(self._connection, self._settings.group_id, source.name)) as reader:
            return reader.positions(source.partitions)

    def _read(self, source: Topic, positions: Sequence[Position]) -> tuple[list[FirstRecord], list[str]]:
        """Return the first record of each partition, and a description of each batch that cannot be read."""
        with closing(GroupReader(self._connection, self._settings.group_id, source.name)) as reader:
            waiting = reader.first_records(positions)
            explain = describe if self._passes_unreadable else partial(remedy, group_id=self._settings.group_id)
            return waiting, list(map(explain, reader.unreadable.values()))

    def _codes(self, topic: str, waiting: Sequence[FirstRecord]) -> list[str | None]:
        """Return the code of each event, None for a valid one."""
        waiting = [record for record in waiting if record.value is not None]
        if self._scorer is None or not waiting:
            return []
        batch = Batch(
            topic=topic,
            partitions=[record.partition for record in waiting],
            offsets=[record.offset for record in waiting],
            timestamps=[record.timestamp for record in waiting],
            keys=[None] * len(waiting),
            values=[record.value for record in waiting],
            headers=[record.headers for record in waiting],
        )
        values = self._read_values(batch)
        faults = decode_joined(values.joined).invalid | values.faults
        return [faults[row].code if row in faults else None for row in range(len(waiting))]

    @cached_property
    def _read_values(self) -> ReadValues:
        """The reader of values, which does not wait for a registry. Raises WorkerError."""
        settings = self._settings
        registry = settings.schema_registry_url, settings.schema_registry
        return value_reader(settings.input_format, *registry, 0, time.monotonic)

    def _writes(self, outputs: Sequence[Topic]) -> Iterator[Finding]:
        if self._settings.delivery is DeliveryGuarantee.AT_LEAST_ONCE:
            yield from map(groups.writable, outputs)
            yield ok("clock", _NOT_COMPARED)
            return
        clock = None
        for number, topic in enumerate(outputs):
            allowed = groups.writable(topic)
            if allowed.status is Status.FAIL:
                yield allowed
                continue
            probe, failures = _attempt("transactions", self._write_probe, number)
            yield from failures
            if probe is None:
                yield from map(groups.writable, outputs[number:])
                break
            failures = _attempt(f"write {topic.name}", probe.write, topic)[1]
            yield from failures or [ok(allowed.name, "tried in a transaction that was aborted")]
            if not failures and topic is outputs[-1]:  # dead letters: the least written topic
                clock = self._clock(probe, topic)
            probe.close()
        yield clock or warn("clock", f"{_NOT_COMPARED} on the last topic")

    def _write_probe(self, number: int) -> WriteProbe:
        # one id for each topic: a probe does not wait for a transaction that the one before left open
        transactional_id = f"{self._settings.group_id}-{socket.gethostname()}-check-{os.getpid()}-{number}"
        return WriteProbe(self._connection, transactional_id, self._now)

    def _clock(self, probe: WriteProbe, topic: Topic) -> Finding:
        reading, failures = _attempt("clock", probe.clock, self._admin, topic)
        # a clock that cannot be compared is no reason to fail
        return groups.clock(reading) if reading is not None else replace(failures[0], status=Status.WARN)
