"""The statistics of librdkafka: when brokers answered, how fast, whether it knows any, and where partitions end."""

import math
from collections import deque
from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

import msgspec

from consumer.records import Partition
from consumer.runtime import SYSTEM, Clock

_REPORTS_KEPT = 30  # one comes every 2 s (statistics.interval.ms)
_CONNECTING_MS = 5000  # at its start a client, too, knows brokers by name only, but not for so long
_MAX_ENDS = 512  # ends remembered of one partition: for eight minutes exact, beyond that to a part in 256


class End(NamedTuple):
    """The end of a partition: up to `stable` it can be read, up to `high` it is written."""

    stable: int
    high: int

    @property
    def unstable(self) -> int:
        """Offsets held back by a transaction that is open."""
        return max(0, self.high - self.stable)


class ClientStatistics:
    """A `stats_cb`; never raises. `last_answer` is by `clock`, -infinity before the first."""

    def __init__(self, last_answer: float = -math.inf, clock: Clock = SYSTEM.clock) -> None:
        self._clock = clock
        self.last_answer = last_answer
        self.brokers_forgotten = False  # no broker is connected or tried, not even those of bootstrap.servers
        self._throttled: deque[float] = deque([0.0], maxlen=_REPORTS_KEPT)
        self._round_trips: deque[float] = deque(maxlen=_REPORTS_KEPT)
        self.ends: dict[Partition, End] = {}  # of those that were fetched from

    def __call__(self, document: str) -> None:
        """Read one report."""
        try:
            report = msgspec.json.decode(document, type=_Report)
        except msgspec.MsgspecError:
            return
        brokers, group = report.brokers.values(), report.cgrp
        # "logical" is a role, the coordinator's, that some known broker has to play; one in INIT is known by name only:
        # seen after a hang, no connection to it was ever made, and the coordinator was looked for without end
        unknown = all(broker.source == "logical" or broker.state == "INIT" for broker in brokers)
        self.brokers_forgotten = unknown and group.state != "up" and group.stateage > _CONNECTING_MS
        self.ends = {
            Partition(name, number): End(partition.ls_offset, partition.hi_offset)
            for name, topic in report.topics.items()
            for number, partition in topic.partitions.items()
            if number >= 0 and partition.ls_offset >= 0
        }
        self._throttled.append(max((broker.throttle.max for broker in brokers), default=0) / 1000)
        # of the coordinator alone: a leader holds a fetch back until there are records. And the shortest alone: a join
        # is held back for the other members (3 s seen), and percentiles are 0 above 500 ms (librdkafka 2.16)
        self._round_trips.extend(
            broker.rtt.min / 1e6 for broker in brokers if broker.source == "logical" and broker.rtt.cnt
        )
        idle = [broker.rxidle for broker in brokers if broker.state == "UP" and broker.rxidle >= 0]
        if idle:
            self.last_answer = max(self.last_answer, self._clock() - min(idle) / 1e6)

    @property
    def throttled_seconds(self) -> float:
        """The longest that a broker held an answer back in the last minute, so that no scrape misses it."""
        return max(self._throttled)

    @property
    def round_trip_seconds(self) -> float | None:
        """The usual round trip to the group's coordinator in the last minutes; None before its first answer."""
        return median(self._round_trips) if self._round_trips else None


class _Throttle(msgspec.Struct, frozen=True):
    max: int = 0  # milliseconds


class _RoundTrips(msgspec.Struct, frozen=True):
    cnt: int = 0  # answers since the last report
    min: int = 0  # microseconds


class _BrokerStatistics(msgspec.Struct):
    throttle: _Throttle = _Throttle()
    rtt: _RoundTrips = _RoundTrips()
    state: str = ""
    source: str = ""
    rxidle: int = -1  # microseconds since it last sent anything


class _GroupStatistics(msgspec.Struct, frozen=True):
    state: str = ""  # "up": it has a coordinator
    stateage: int = 1 << 62  # milliseconds


class _PartitionStatistics(msgspec.Struct):
    ls_offset: int = -1
    hi_offset: int = -1


class _TopicStatistics(msgspec.Struct):
    partitions: dict[int, _PartitionStatistics] = {}


class _Report(msgspec.Struct):
    brokers: dict[str, _BrokerStatistics] = {}
    topics: dict[str, _TopicStatistics] = {}
    cgrp: _GroupStatistics = _GroupStatistics()


class PartitionProgress(NamedTuple):
    """How far a partition is read, and where it ends."""

    read_to: int
    end: int


class OldestWait:
    """Remembers when the ends of partitions were first seen, until what lies before them is read."""

    def __init__(self) -> None:
        self._ends: dict[
            Partition, deque[tuple[int, float]]
        ] = {}  # partition -> ends past what is read, and since when

    def update(self, partitions: Mapping[Partition, PartitionProgress], now: float) -> dict[Partition, float]:
        """Return by partition the seconds since its end was first seen past what is read; 0 where it is not.

        A partition that is not named is forgotten: another worker has it.
        """
        self._ends = {partition: self._ends.get(partition, deque()) for partition in partitions}
        return {each: self._age(self._ends[each], progress, now) for each, progress in partitions.items()}

    def _age(self, ends: deque[tuple[int, float]], progress: PartitionProgress, now: float) -> float:
        if ends and progress.end < ends[-1][0]:
            ends.clear()  # the topic was deleted and created again
        if progress.end > (ends[-1][0] if ends else progress.read_to):
            ends.append((progress.end, now))
        while ends and ends[0][0] <= progress.read_to:
            ends.popleft()
        if len(ends) > _MAX_ENDS:
            first, *others = ends
            ends.clear()
            ends.extend([first, *others[1::2]])
        return now - ends[0][1] if ends else 0.0
