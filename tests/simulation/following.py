"""A group with members whose applications do nothing but follow its rebalances."""

from collections.abc import Callable
from itertools import combinations
from typing import Literal, NamedTuple

from consumer.kafka.membership import is_member, member_id
from tests.simulation.clients.membership import Membership
from tests.simulation.kafka.groups import Group
from tests.simulation.world import Process, World

Protocol = Literal["cooperative-sticky", "range", "consumer"]
PROTOCOLS: list[Protocol] = ["cooperative-sticky", "range", "consumer"]
SESSION, HEARTBEAT, MAX_POLL, REFRESH = 10.0, 0.5, 60.0, 5.0


class Callback(NamedTuple):
    """A rebalance callback: its kind, how many partitions, and the generation that the metadata names within it."""

    kind: str
    partitions: int
    generation: int


class Follower:
    """A process that polls and holds the partitions that it is given."""

    def __init__(
        self, world: World, name: str, group: Group, protocol: Protocol, topics: Callable[[], tuple[str, ...]]
    ) -> None:
        self.process = Process(world, name)
        self.reachable = True
        self.polls = True
        self.partitions: frozenset[int] = frozenset()
        self.callbacks: list[Callback] = []
        self.membership = Membership(
            self.process,
            group,
            protocol,
            session_seconds=SESSION,
            heartbeat_seconds=HEARTBEAT,
            max_poll_seconds=MAX_POLL,
            refresh_seconds=REFRESH,
            topics=topics,
            reachable=lambda: self.reachable,
            wake=lambda: None,
        )
        self.membership.start()
        self.process.start(self._run, "application")

    @property
    def member(self) -> tuple[str, int]:
        """The member id and the generation that the metadata names."""
        metadata = self.membership.metadata()
        return member_id(metadata).decode(), int.from_bytes(metadata[7:11], "little", signed=True)

    @property
    def kinds(self) -> list[str]:
        """The callbacks so far."""
        return [callback.kind for callback in self.callbacks]

    def set_reachable(self, reachable: bool) -> None:
        """Cut the connection, or mend it."""
        self.reachable = reachable
        self.membership.reachability_changed()

    def close(self) -> None:
        """Leave the group."""
        self.polls = False
        self.membership.stop()
        while self.membership.next_operation() is not None:
            self._follow()
        self.partitions = frozenset()
        self.membership.leave()

    def _run(self) -> None:
        while True:
            self.process.sleep(0.1 + self.process.world.random.random() * 0.5)
            if self.polls:
                self.membership.polled()
                self._follow()

    def _follow(self) -> None:
        operation = self.membership.next_operation()
        if operation is None:
            return
        self.callbacks.append(Callback(operation.kind, len(operation.partitions), self.member[1]))
        if operation.kind == "assign":
            assert not operation.partitions & self.partitions
            self.partitions |= operation.partitions
        else:
            assert operation.partitions <= self.partitions
            self.partitions -= operation.partitions
        self.membership.done(operation)


class FollowedGroup:
    """One group and its members."""

    def __init__(self, seed: object, protocol: Protocol, partitions: int = 6) -> None:
        self.world = World(seed, with_story=True)
        self.protocol = protocol
        self.topics = {"sessions": range(partitions)}
        kind: Literal["classic", "consumer"] = "consumer" if protocol == "consumer" else "classic"
        self.group = Group(self.world, "group", self.topics.__getitem__, kind)
        self.followers: list[Follower] = []

    @property
    def partitions(self) -> int:
        """The number of partitions of all topics."""
        return sum(map(len, self.topics.values()))

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic that the members subscribe to, and have yet to find."""
        self.topics[name] = range(self.partitions, self.partitions + partitions)
        self.group.topic_created()
        for follower in self.followers:
            follower.membership.topic_created()

    def add(self) -> Follower:
        """Start one more."""
        name = f"worker-{len(self.followers)}"
        follower = Follower(self.world, name, self.group, self.protocol, lambda: tuple(self.topics))
        self.followers.append(follower)
        return follower

    def join(self, count: int) -> list[Follower]:
        """Start some, and return them once all have their partitions; how they came by them is forgotten."""
        followers = [self.add() for _ in range(count)]
        self.settle()
        for each in followers:
            each.callbacks.clear()
        return followers

    def living(self) -> list[Follower]:
        """Return those that live and poll."""
        return [each for each in self.followers if each.process.alive and each.polls]

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.run(lambda: False, seconds)

    def run(self, done: Callable[[], bool], seconds: float = 120.0) -> bool:
        """Let time pass until `done`; at each step no partition may have two owners that could commit it."""

        world = self.world
        deadline = world.now + seconds
        world.after(seconds, lambda: None)  # there is an event to step to
        self._check()
        while not (met := done()) and world.now < deadline:
            world.step()
            self._check()
        return met

    def settle(self) -> None:
        """Let time pass until each partition has an owner that may commit it, and each member has its share."""
        assert self.run(self._is_settled), "\n".join(["not settled", *(self.world.story or [])[-60:]])

    def may_commit(self, follower: Follower, partitions: frozenset[int]) -> bool:
        """Return whether its transaction would be let through with these partitions."""
        name, generation = follower.member
        error = self.group.check_commit(name, generation, transactional=True, partitions=partitions)
        return error is None and is_member(follower.membership.metadata())

    def _is_settled(self) -> bool:
        living = self.living()
        held = [number for each in living for number in each.partitions]
        may_commit = all(each.partitions and self.may_commit(each, each.partitions) for each in living)
        return sorted(held) == list(range(self.partitions)) and may_commit

    def _check(self) -> None:
        for one, other in combinations(self.followers, 2):
            shared = one.partitions & other.partitions
            if shared:
                both = [each for each in (one, other) if any(self.may_commit(each, frozenset({n})) for n in shared)]
                assert len(both) < 2, f"two may commit {shared} at {self.world.now:.3f}"
