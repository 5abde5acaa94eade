"""The coordinator of a consumer group of KIP-848: it assigns by itself, and members come round by their heartbeats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from confluent_kafka import KafkaError

from tests.simulation.kafka.assignors import assign_evenly
from tests.simulation.kafka.sessions import Client, Sessions
from tests.simulation.world import World

Partitions = dict[int, int]  # partition -> the member epoch since which it is assigned (KIP-1251)


class HeartbeatRequest(NamedTuple):
    """ConsumerGroupHeartbeat. Epoch 0 joins; `owned` is left out (None) where it has not changed.

    A full request has the assignment sent again. `topics` returns those that there are of the ones subscribed to: the
    coordinator itself matches patterns.
    """

    member_id: str
    epoch: int
    owned: frozenset[int] | None
    client: Client
    full: bool
    topics: Callable[[], Sequence[str]]


class HeartbeatAnswer(NamedTuple):
    """The answer: the member's epoch, and its assignment if it has changed."""

    error: int | None
    epoch: int = 0
    partitions: frozenset[int] | None = None


@dataclass(frozen=True)
class _Member:
    rebalance_seconds: float
    epoch: int = 0
    previous_epoch: int = -1
    assigned: Partitions = field(default_factory=dict)
    revoking: Partitions = field(default_factory=dict)
    """Partitions that it has to give up and has not yet acknowledged."""


@dataclass
class ConsumerCoordinator:
    """Members, epochs and the target assignment of one group."""

    world: World
    group_id: str
    available: Callable[[], bool]
    partitions: Callable[[str], Sequence[int]]
    """Returns the indexes of a topic's partitions."""
    generation: int = 0
    """The group epoch."""
    members: dict[str, _Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.world, self.available, self.expire)
        self._target: dict[str, frozenset[int]] = {}
        self._topics: Callable[[], Sequence[str]] = lambda: ()  # that the members read: all the same

    # -- requests ----------------------------------------------------------------------------------------------------

    def heartbeat(self, request: HeartbeatRequest) -> HeartbeatAnswer:
        """Handle ConsumerGroupHeartbeat of a member that stays or joins."""
        error = self._check_heartbeat(request)
        if error is not None:
            return HeartbeatAnswer(error)
        if request.member_id not in self.members:
            self._add(request)
        self.sessions.hear(request.member_id)
        before = self.members[request.member_id]
        member = self._reconciled(request.member_id, request.owned)
        self._update(request.member_id, member)
        changed = member.assigned.keys() != before.assigned.keys()
        sends = request.epoch == 0 or request.full or changed
        return HeartbeatAnswer(None, member.epoch, frozenset(member.assigned) if sends else None)

    def leave(self, member_id: str) -> None:
        """Handle ConsumerGroupHeartbeat with epoch -1."""
        self._remove(member_id, "left")

    def has_news(self, member_id: str, epoch: int) -> bool:
        """Return whether a heartbeat would tell the member anything."""
        member = self.members.get(member_id)
        return member is None or epoch != member.epoch or self._reconciled(member_id, None) != member

    # -- what others ask ---------------------------------------------------------------------------------------------

    def expire(self, member_id: str) -> None:
        """Put a member out whose session has ended."""
        self._remove(member_id, "session ended")

    def force_rebalance(self) -> None:
        """Assign anew, regardless of what members have."""
        if self.members:
            self._assign("forced", keep=False)

    def match_topics(self) -> None:
        """Assign the partitions of topics that match since the last assignment."""
        if self.members and self.available() and set(self._all_partitions()).difference(*self._target.values()):
            self._assign("other topics match")

    def check_commit(
        self, member_id: str, generation: int, *, transactional: bool, partitions: frozenset[int]
    ) -> int | None:
        """Return why these offsets may not be committed: Kafka's error code, or None.

        Since Kafka 4.3 an older epoch will do for partitions that the member has had since then (KIP-1251).
        """
        stale = KafkaError.ILLEGAL_GENERATION if transactional else KafkaError.STALE_MEMBER_EPOCH
        if generation < 0 and (not self.members or (transactional and generation == -1 and not member_id)):
            return None
        member = self.members.get(member_id)
        if member is None:
            return KafkaError.UNKNOWN_MEMBER_ID
        if generation == member.epoch:
            return None
        held = member.assigned | member.revoking
        since_then = partitions and all(number in held and held[number] <= generation for number in partitions)
        return None if generation < member.epoch and since_then else stale

    def reload(self) -> None:
        """Come back on another broker, which knows everything from the log."""
        self.sessions.restart_all()
        self.match_topics()

    # -- members -----------------------------------------------------------------------------------------------------

    def _check_heartbeat(self, request: HeartbeatRequest) -> int | None:
        member = self.members.get(request.member_id)
        if member is None:
            return None if request.epoch == 0 else KafkaError.UNKNOWN_MEMBER_ID
        if request.epoch == member.epoch:
            return None
        lost_answer = request.owned is not None and request.owned <= member.assigned.keys()
        return None if request.epoch == member.previous_epoch and lost_answer else KafkaError.FENCED_MEMBER_EPOCH

    def _add(self, request: HeartbeatRequest) -> None:
        self.members[request.member_id] = _Member(request.client.rebalance_seconds)
        self._topics = request.topics
        self.sessions.begin(request.member_id, request.client)
        self._assign(f"{request.member_id} joins")

    def _remove(self, member_id: str, reason: str) -> None:
        if self.members.pop(member_id, None) is None:
            return
        self._target.pop(member_id, None)
        self.world.tell(self.group_id, f"{member_id}: {reason}")
        self.sessions.end(member_id)
        self._assign(f"{member_id} is gone")

    def _assign(self, reason: str, *, keep: bool = True) -> None:
        self.generation += 1
        self.world.tell(self.group_id, f"group epoch {self.generation}: {reason}")
        if not self.members:
            return
        names = list(self.members)
        if not keep:
            self.world.random.shuffle(names)
        nothing: frozenset[int] = frozenset()
        owned = {name: self._target.get(name, nothing) if keep else nothing for name in names}
        target = assign_evenly(owned, self._all_partitions())
        if not keep:
            target = dict(zip(names, (target[name] for name in sorted(names)), strict=True))
        self._target = target
        self._tell_members()

    def _all_partitions(self) -> list[int]:
        return [number for topic in self._topics() for number in self.partitions(topic)]

    def _tell_members(self) -> None:
        for member_id, member in self.members.items():
            if self.has_news(member_id, member.epoch):
                self.sessions.notify(member_id)

    # -- reconciliation, as CurrentAssignmentBuilder has it ----------------------------------------------------------

    def _reconciled(self, member_id: str, owned: frozenset[int] | None) -> _Member:
        """Return the member as the next heartbeat makes it. `owned` acknowledges what it has given up."""
        member = self.members[member_id]
        if member.revoking:
            if owned is None or owned & member.revoking.keys():
                return member
            return self._next(member_id, replace(member, revoking={}), member.epoch + 1, owned)
        return self._next(member_id, member, member.epoch, owned)

    def _next(self, member_id: str, member: _Member, epoch: int, owned: frozenset[int] | None) -> _Member:
        target = self._target[member_id]
        assigned = {number: since for number, since in member.assigned.items() if number in target}
        revoking = {number: since for number, since in member.assigned.items() if number not in target}
        if revoking and (owned is None or owned & revoking.keys()):
            return replace(member, epoch=epoch, assigned=assigned, revoking=revoking)
        taken = self._held_by_others(member_id)
        given = dict.fromkeys(sorted(target - assigned.keys() - taken), self.generation)
        previous = member.previous_epoch if member.epoch == self.generation else member.epoch
        return replace(member, epoch=self.generation, previous_epoch=previous, assigned=assigned | given, revoking={})

    def _held_by_others(self, member_id: str) -> set[int]:
        return {
            number
            for name, member in self.members.items()
            if name != member_id
            for number in (*member.assigned, *member.revoking)
        }

    def _update(self, member_id: str, member: _Member) -> None:
        before = self.members[member_id]
        if member == before:
            return
        self.members[member_id] = member
        if member.revoking and not before.revoking:
            self._await_revocation(member_id, member)
        if not (before.assigned | before.revoking).keys() <= (member.assigned | member.revoking).keys():
            self._tell_members()  # partitions are free that others wait for

    def _await_revocation(self, member_id: str, member: _Member) -> None:
        def end() -> None:
            current = self.members.get(member_id)
            if current is None or current.revoking != member.revoking or current.epoch != member.epoch:
                return
            if not self.available():
                self._await_revocation(member_id, member)
            else:
                self._remove(member_id, "has not given up its partitions in time")

        self.world.after(member.rebalance_seconds, end)
