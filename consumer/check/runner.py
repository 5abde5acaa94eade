"""All checks, in order: what needs no broker, then the brokers, then what needs them; none hangs or raises."""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, Final, TypeVar

from consumer.check import group as groups
from consumer.check import local, topics
from consumer.check.finding import Finding, Status, fail, ok, skip, warn
from consumer.check.topics import Needs
from consumer.config.settings import Delivery, Origin, Settings, SettingsError, load_settings, origins
from consumer.config.sources import DEFAULT
from consumer.delivery.background_call import call_with_timeout
from consumer.errors import DeliveryError, WorkerError
from consumer.kafka.admin import Admin
from consumer.kafka.client import librdkafka
from consumer.kafka.config import Connection
from consumer.kafka.descriptions import MemberSettings, Missing, Position, Topic, Waiting
from consumer.kafka.inspector import Inspector
from consumer.kafka.properties import CONSUMER
from consumer.kafka.reader import Glance
from consumer.kafka.unreadable import describe, remedy
from consumer.kafka.write_probe import Trial
from consumer.observability import logs
from scoring import InvalidEvent, Scorer

T = TypeVar("T")

_SECONDS: Final = 30.0  # for one check, of which each question has ten


def run_checks(cli_settings: Mapping[str, Any]) -> tuple[list[Origin], Iterator[Finding]]:
    """Return the settings with their origins, and the findings as they come."""
    try:
        chosen = load_settings(cli_settings)
        connection = Connection(chosen.bootstrap_servers, chosen.kafka)
        found = origins(chosen, cli_settings, os.environ)
    except (SettingsError, WorkerError) as error:
        return [], iter([fail("settings", str(error)), skip("everything else", "the settings are wrong")])
    level = "error" if chosen.log_level == "info" else chosen.log_level  # a person reads this
    logs.configure(level, log_format=chosen.log_format)
    others = sum(each.origin != DEFAULT for each in found)
    first = ok("settings", f"{len(found)} as resolved, {others} of them not the defaults")
    return found, chain(
        [first],
        local.secrets(cli_settings),
        local.environment(os.environ),
        check(chosen, connection, lambda: time.time_ns() // 1_000_000),
    )


def check(chosen: Settings, connection: Connection, now: Callable[[], int]) -> Iterator[Finding]:
    """What is found, one after the other. `now` is in ms since the epoch."""
    yield local.versions(librdkafka())
    scorer, found_set = local.artifacts(chosen)
    yield found_set
    yield local.metrics(chosen)
    yield from local.files(chosen)
    yield from local.slot(chosen)
    reached, found = _asked("broker", lambda: _reach(connection))
    yield from found
    if reached is None:
        yield from (skip(name, "no broker answers") for name in _needing_brokers(chosen))
    else:
        inspector, answered = reached
        yield answered
        yield from _Checkup(chosen, connection, inspector, scorer, now).findings()


def _asked(name: str, ask: Callable[[], T]) -> tuple[T | None, list[Finding]]:
    """The answer; without one, the finding that says why. What is not answered in time is given up."""
    try:
        return call_with_timeout(f"check {name}", ask, seconds=_SECONDS), []
    except (WorkerError, DeliveryError) as error:
        return None, [fail(name, str(error))]
    except TimeoutError:  # of the client, which has been asked to be sooner
        return None, [fail(name, "no answer in time; look at the brokers")]


def _reach(connection: Connection) -> tuple[Inspector, Finding]:
    inspector = Inspector(connection)
    found = inspector.cluster()
    return inspector, ok("broker", f"{len(found.brokers)} in cluster {found.cluster_id}: {', '.join(found.brokers)}")


def _outputs(chosen: Settings) -> tuple[str, ...]:
    return chosen.results_topic, chosen.alerts_topic, chosen.dead_letters_topic


def _membership(connection: Connection) -> MemberSettings:
    properties = CONSUMER | dict(connection.properties)
    assignors = [each.strip() for each in str(properties["partition.assignment.strategy"]).split(",")]
    protocol = str(properties.get("group.protocol", "classic")).lower()
    return MemberSettings(connection.properties.get("group.instance.id"), protocol, assignors)


def _needing_brokers(chosen: Settings) -> Iterator[str]:
    return chain([f"group {chosen.group_id}"], _of_topics(chosen))


def _of_topics(chosen: Settings) -> Iterator[str]:
    outputs = _outputs(chosen)
    yield f"events of {chosen.input_topic}"
    yield from (f"topic {name}" for name in (chosen.input_topic, *outputs))
    yield from (f"write {name}" for name in outputs)
    yield "clock"


class _Checkup:
    """What is asked of brokers that answer."""

    def __init__(
        self,
        chosen: Settings,
        connection: Connection,
        inspector: Inspector,
        scorer: Scorer | None,
        now: Callable[[], int],
    ) -> None:
        self._chosen = chosen
        self._connection = connection
        self._inspector = inspector
        self._scorer = scorer
        self._now = now
        self._needs = Needs(chosen.max_record_bytes, creates=chosen.create_topics)

    def findings(self) -> Iterator[Finding]:
        """The group, what waits, the topics, the rights, the clock."""
        chosen = self._chosen
        group, found = _asked(f"group {chosen.group_id}", lambda: self._inspector.group(chosen.group_id))
        yield from found
        if group is not None:
            yield groups.group(chosen.group_id, group, _membership(self._connection))
        names = (chosen.input_topic, *_outputs(chosen))
        there, found = _asked("topics", lambda: self._inspector.topics(names))
        yield from found
        if there is None:
            yield from (skip(name, "the topics could not be asked for") for name in _of_topics(chosen))
            return
        yield from _asked("rights", self._rights)[1]
        source, *outputs = (there[name] for name in names)
        if isinstance(source, Topic):
            if group is None:
                yield skip(f"events of {source.name}", "the group could not be asked")
            else:
                yield from self._events(source)
            yield from topics.source(source, self._needs)
        for output in outputs:
            if isinstance(output, Topic):
                dead_letters = output.name == chosen.dead_letters_topic
                yield from topics.output(output, self._needs, dead_letters=dead_letters)
        yield from (topics.missing(each, self._needs) for each in there.values() if isinstance(each, Missing))
        yield from self._writes([each for each in outputs if isinstance(each, Topic)])

    def _rights(self) -> None:
        """Raise for all rights that `run` would find missing at its start, in one line."""
        chosen = self._chosen
        ids = None if chosen.delivery is Delivery.AT_LEAST_ONCE else f"{chosen.group_id}-"
        # missing topics have lines of their own
        Admin(self._connection).require_topics(
            [chosen.input_topic], _outputs(chosen), group=chosen.group_id, ids=ids, create=()
        )

    def _events(self, source: Topic) -> Iterator[Finding]:
        """What waits; and what that asks of the other topics is noted."""
        name = f"events of {source.name}"
        positions, found = _asked(name, lambda: self._positions(source))
        yield from found
        if positions is None:
            return
        yield groups.position(source.name, positions, continues=self._chosen.on_gap == "continue")
        yield from self._open_transactions(source)
        looked_at, found = _asked(f"read {source.name}", lambda: self._waiting(source, positions))
        yield from found
        waiting, unreadable = looked_at or (None, [])
        yield from groups.unreadable(source.name, unreadable, passes=self._passes_unreadable)
        # brokers before 3.0 do not tell, and nothing else hangs on it
        newest, _ = _asked(name, lambda: self._inspector.newest(source.name, source.partitions))
        now = self._now()
        ahead = groups.ahead(max((date for _, date in (newest or {}).values()), default=0), now)
        yield from groups.dates(source.name, ahead)
        self._needs = replace(
            self._needs,
            oldest_age_ms=groups.oldest_age(waiting or [], now),
            newest_ahead_ms=ahead,
            input_retention_ms=source.number("retention.ms"),
        )
        if waiting is not None and not unreadable:
            yield ok(f"read {source.name}", "tried: nothing is committed by it")
        yield from groups.kind(source.name, self._codes(waiting or []))

    @property
    def _passes_unreadable(self) -> bool:
        return self._chosen.on_unreadable == "dead-letter"

    def _open_transactions(self, source: Topic) -> Iterator[Finding]:
        ask, name = self._inspector.ends, f"events of {source.name}"
        ends, found = _asked(name, lambda: ask(source.name, source.partitions))
        stable, more = _asked(name, lambda: ask(source.name, source.partitions, committed=True))
        yield from found or more
        yield from groups.open_transactions(source.name, ends or {}, stable or {})

    def _positions(self, source: Topic) -> list[Position]:
        with closing(Glance(self._connection, self._chosen.group_id, source.name)) as glance:
            return glance.positions(source.partitions)

    def _waiting(self, source: Topic, positions: Sequence[Position]) -> tuple[list[Waiting], list[str]]:
        """The first records, and what is to be said of batches that cannot be read."""
        with closing(Glance(self._connection, self._chosen.group_id, source.name)) as glance:
            waiting = glance.waiting(positions)
            say = describe if self._passes_unreadable else partial(remedy, group_id=self._chosen.group_id)
            return waiting, [say(each) for each in glance.unreadable.values()]

    def _codes(self, waiting: Sequence[Waiting]) -> list[str | None]:
        values = [each.value for each in waiting if each.value is not None]
        verdicts = self._scorer.score_many(values) if self._scorer else []
        return [each.code if isinstance(each, InvalidEvent) else None for each in verdicts]

    def _writes(self, outputs: Sequence[Topic]) -> Iterator[Finding]:
        if self._chosen.delivery is Delivery.AT_LEAST_ONCE:
            yield from map(groups.writable, outputs)
            yield ok("clock", "not compared with the broker's: that takes a transaction")
            return
        compared = None
        for number, topic in enumerate(outputs):
            told = groups.writable(topic)
            if told.status is Status.FAIL:
                yield told
                continue
            trial, found = _asked("transactions", partial(self._trial, number))
            yield from found
            if trial is None:
                yield from map(groups.writable, outputs[number:])
                break
            found = self._write(trial, topic)
            yield from found or [ok(told.name, "tried in a transaction that was aborted")]
            if not found and topic is outputs[-1]:  # dead letters: the topic least written to
                compared = self._clock(trial, topic)
            trial.close()
        yield compared or warn("clock", "not compared with the broker's: that takes a transaction on the last topic")

    def _trial(self, number: int) -> Trial:
        # an id for each: what is open under one is not waited for by the next
        own = f"{self._chosen.group_id}-{socket.gethostname()}-check-{os.getpid()}-{number}"
        return Trial(self._connection, own, self._now)

    def _write(self, trial: Trial, topic: Topic) -> list[Finding]:
        return _asked(f"write {topic.name}", lambda: trial.write(topic))[1]

    def _clock(self, trial: Trial, topic: Topic) -> Finding:
        reading, found = _asked("clock", lambda: trial.clock(self._inspector, topic))
        # a clock that cannot be compared stops nobody
        return groups.clock(reading) if reading is not None else replace(found[0], status=Status.WARN)
