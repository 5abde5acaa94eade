"""One run: what is drawn from a seed, how it goes, and what came of it."""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from consumer.records import Partition
from tests.simulation.account import Account
from tests.simulation.checks import Checks, ViolationError
from tests.simulation.faults import Fault, Faults
from tests.simulation.kafka.cluster import Cluster
from tests.simulation.kafka.log import PartitionLog
from tests.simulation.nemesis import Nemesis
from tests.simulation.pipeline import ALERTS, DEAD_LETTERS, INPUTS, PATTERN, RESULTS
from tests.simulation.supervisor import Supervisor
from tests.simulation.upstream import Upstream
from tests.simulation.workers import GROUP, Protocol, WorkerSettings
from tests.simulation.world import StuckError, World

LEAST_EVENTS: Final = 30
LEAST_FAULTS: Final = 5
RECOVERY_SECONDS: Final = 400.0
"""The bound, in simulated time: once faults stop, everything is worked off by then. It is the longest time-out of the
product (max.poll.interval.ms, 300 s) and its patience of 60 s, and what follows from them."""

_LATE_SECONDS: Final = 2.0  # after the last thing that was held up

_IDLE_EACH: Final = 32
_IDLE_SECONDS: Final = 120.0  # longer than the watchdog watches
_MOST_STEPS: Final = 60_000
_PROTOCOLS: Final[tuple[Protocol, ...]] = ("cooperative-sticky", "range", "consumer")
_TOPICS: Final = {4: 2, 15: 2, 0: 3, 7: 3, 9: 3, 11: 3}
"""How many topics, by the seed modulo 22. Seeds that found mistakes (test_found.py, planted.toml) keep to one."""
_OUTPUTS: Final = {RESULTS: 2, ALERTS: 1, DEAD_LETTERS: 1}  # partitions


@dataclass(slots=True)
class Run:
    """What came of a run."""

    seed: int
    steps: int = 0
    events: int = 0
    faults: list[Fault] = field(default_factory=list)
    violation: ViolationError | None = None
    story: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is drawn from a seed before a run begins."""

    seed: int
    exactly_once: bool
    protocol: Protocol
    topics: dict[str, int]
    """The input topics with their partitions. The last of three is created while the workers run."""
    topic_at: float
    """When that is: simulated seconds."""
    workers: int
    events: int
    all_invalid: bool
    seconds: float
    settings: WorkerSettings
    rates: dict[str, float]
    results_limit: int
    compacted: bool

    @classmethod
    def draw(cls, seed: int) -> "Schedule":
        """Draw a schedule. Both deliveries and all group protocols take turns.

        One in eleven reads two topics, two in eleven read three: one by name, two by a pattern.
        """
        drawn, more = random.Random(f"schedule {seed}"), random.Random(f"more faults {seed}")
        of_topics = random.Random(f"topics {seed}")
        all_invalid = drawn.random() < 0.1
        exactly_once, protocol = seed % 4 != 3, _PROTOCOLS[seed // 4 % 3]
        part = drawn.choice([1, 2, 3, 5])
        topics = INPUTS[: _TOPICS.get(seed % 22, 1)]
        settings = WorkerSettings(
            topics if topics != INPUTS else (INPUTS[0], PATTERN),
            of_topics.choice([1_000, 5_000, None]) if topics == INPUTS else None,
            protocol,
            exactly_once,
            batch_events=drawn.choice([part, part, 2 * part, 4 * part]),
            part_events=part,
            breaker_ratio=drawn.choice([0.5, 0.9]),
            breaker_window=drawn.choice([0, 0, 0, 10]),
            breaker_run=drawn.choice([0, 0, 0, 4]),
            continue_on_gap=drawn.random() < 0.5,
            pass_over_unreadable=drawn.random() < 0.5,
            settings_seen=drawn.random() < 0.5,
        )
        events = drawn.randint(LEAST_EVENTS, LEAST_EVENTS + 20)
        if all_invalid:  # so many in a row are no more than there are: the breaker must not trip
            settings = replace(settings, breaker_window=0, breaker_run=events + 1)
        partitions = max(drawn.randint(1, 4), len(topics))
        if topics == INPUTS:
            partitions += of_topics.randint(0, 3)
        return cls(
            seed,
            exactly_once,
            protocol,
            topics={topic: len(range(each, partitions, len(topics))) for each, topic in enumerate(topics)},
            workers=drawn.choice([1, 2, 2, 3, 4]),
            events=events,
            all_invalid=all_invalid,
            seconds=drawn.uniform(5.0, 25.0),
            settings=settings,
            rates={kind: drawn.choice(rates) for kind, rates in _RATES.items()}
            | {kind: more.choice(rates) for kind, rates in _MORE_RATES.items()},
            results_limit=drawn.choice([1 << 20, 1 << 20, 18_000]),
            compacted=drawn.random() < 0.2,
            topic_at=of_topics.uniform(0.5, 5.0),
        )


_RATES: Final = {
    "error": (0.0, 0.0, 0.01, 0.03, 0.1),
    "request lost": (0.0, 0.0, 0.01, 0.03),
    "request late": (0.0, 0.0, 0.02, 0.05),
    "request slow": (0.0, 0.0, 0.05),
    "answer lost": (0.0, 0.0, 0.01, 0.05),
    "hang": (0.0, 0.5),
    "queue full": (0.0, 0.0, 0.1),
    "send delayed": (0.0, 0.0, 0.1),
    "fetch delayed": (0.0, 0.0, 0.1),
    "unreadable batch": (0.0, 0.0, 0.0, 0.1),
    "search fails": (0.0, 0.0, 0.3),
    "topic denied": (0.0, 0.0, 0.0, 0.1),
}
_MORE_RATES: Final = {  # drawn by themselves, so that the seeds before them stay what they were where these are 0
    "slow scoring": (0.0, 0.0, 0.05, 0.3),
    "send stalled": (0.0, 0.0, 0.0, 0.01),
    "partition not committed": (0.0, 0.0, 0.0, 0.1),
    "consumer hangs": (0.0, 0.0, 0.0, 0.02),
}


def run(seed: int, only: Collection[int] | None = None, *, with_story: bool = False) -> Run:
    """Run the schedule of a seed; `only`: with no faults but those of these numbers."""
    schedule = Schedule.draw(seed)
    world = World(seed, with_story=with_story)
    faults = Faults(seed, schedule.rates, only)
    result = Run(seed)
    try:
        result.events = _run(schedule, world, faults)
    except ViolationError as violation:
        result.violation = violation
    except StuckError as error:
        result.violation = ViolationError("progress", str(error))
    finally:
        world.close()
    result.steps, result.faults, result.story = world.steps, faults.happened, world.story
    return result


def _run(schedule: Schedule, world: World, faults: Faults) -> int:
    """Take one schedule through; return how many events it had."""
    cluster = Cluster(world)
    inputs: dict[Partition, PartitionLog] = {}
    _create_inputs(schedule, world, cluster, inputs)
    accounts: dict[str, Account] = {}
    checks = Checks(inputs, accounts, exactly_once=schedule.exactly_once)
    cluster.follow(checks)
    for topic, partitions in _OUTPUTS.items():
        cluster.create_topic(topic, partitions, dict(_topic_settings(schedule, topic)))
    kind: Literal["consumer", "classic"] = "consumer" if schedule.protocol == "consumer" else "classic"
    cluster.create_group(GROUP, kind)
    upstream = Upstream(world, faults, inputs.values(), all_invalid=schedule.all_invalid)
    upstream.plan(schedule.events, schedule.seconds)
    # at-least-once: events that are read again count again
    most_in_row = schedule.events if schedule.all_invalid and schedule.exactly_once else None
    supervisor = Supervisor(world, cluster, faults, schedule.settings, schedule.workers, most_in_row, accounts)
    nemesis = Nemesis(world, cluster, faults, supervisor, inputs.values())
    nemesis.plan(schedule.seconds)
    world.run(lambda: False, most_steps=_MOST_STEPS, until=schedule.seconds + 2.0)
    while len(faults.happened) < LEAST_FAULTS and nemesis.can_go_on:
        nemesis.plan(5.0)
        world.run(lambda: False, most_steps=_MOST_STEPS, until=world.now + 5.0)
    faults.active = False
    nemesis.end()
    world.tell("world", "no more faults")

    def worked_off() -> bool:
        return upstream.open == 0 and not checks.lag() and not cluster.transactions.any_open

    if not world.run(worked_off, most_steps=_MOST_STEPS, until=world.now + RECOVERY_SECONDS):
        raise ViolationError("progress", f"not worked off within {RECOVERY_SECONDS:g} s: lag {checks.lag()}")
    world.run(lambda: False, most_steps=_MOST_STEPS, until=max(world.now, faults.late_until) + _LATE_SECONDS)
    if schedule.seed % _IDLE_EACH == 0:  # with nothing to do nobody ends
        world.run(lambda: False, most_steps=_MOST_STEPS, until=world.now + _IDLE_SECONDS)
    # a worker that was paused until now may have begun one more
    world.run(lambda: not cluster.transactions.any_open, most_steps=_MOST_STEPS, until=world.now + RECOVERY_SECONDS)
    supervisor.check_accounts()
    checks.check_outputs({topic: cluster.topics[topic].partitions for topic in _OUTPUTS})
    return upstream.count


def _create_inputs(schedule: Schedule, world: World, cluster: Cluster, inputs: dict[Partition, PartitionLog]) -> None:
    """Create the input topics, the third one later, and add their partitions to `inputs`."""

    def create(topic: str) -> None:
        for number, log in enumerate(cluster.create_topic(topic, schedule.topics[topic]).partitions):
            inputs[Partition(topic, number)] = log
        world.tell("upstream", f"{topic} is created")

    for topic in schedule.topics:
        if topic == INPUTS[2]:
            world.after(schedule.topic_at, lambda: create(INPUTS[2]))
        else:
            create(topic)


def _topic_settings(schedule: Schedule, topic: str) -> Iterator[tuple[str, str]]:
    if topic == RESULTS:
        yield "max.message.bytes", str(schedule.results_limit)
    if schedule.compacted:
        yield "cleanup.policy", "compact"
