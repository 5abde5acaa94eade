"""Groups of members behind simulated clients: each partition has one owner that may commit, in every protocol."""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Literal, cast

import pytest

from consumer.kafka.membership import is_member, member_id
from tests.simulation.clients.membership import Membership
from tests.simulation.kafka.groups import Group
from tests.simulation.world import Process, World

Protocol = Literal["cooperative-sticky", "range", "consumer"]
PROTOCOLS: list[Protocol] = ["cooperative-sticky", "range", "consumer"]
PARTITIONS = 6
SESSION, HEARTBEAT, MAX_POLL = 10.0, 0.5, 60.0


class Application:
    """A process that polls: it carries out what its membership asks, and holds partitions."""

    def __init__(self, world: World, name: str, group: Group, protocol: Protocol) -> None:
        self.process = Process(world, name)
        self.reachable = True
        self.polls = True
        self.partitions: frozenset[int] = frozenset()
        self.operations: list[str] = []
        self.membership = Membership(
            self.process,
            group,
            protocol,
            session_seconds=SESSION,
            heartbeat_seconds=HEARTBEAT,
            max_poll_seconds=MAX_POLL,
            reachable=lambda: self.reachable,
            wake=lambda: None,
        )
        self.membership.start()
        self.process.start(self._run, "application")

    def set_reachable(self, reachable: bool) -> None:
        self.reachable = reachable
        self.membership.reachability_changed()

    def leave(self) -> None:
        self.polls = False
        self.membership.stop()
        self._carry_out()
        self.partitions = frozenset()
        self.membership.leave()

    def metadata(self) -> tuple[str, int]:
        metadata = self.membership.metadata()
        return member_id(metadata).decode(), int.from_bytes(metadata[7:11], "little", signed=True)

    def _run(self) -> None:
        while True:
            self.process.sleep(0.1 + self.process.world.random.random() * 0.5)
            if self.polls:
                self.membership.polled()
                self._carry_out()

    def _carry_out(self) -> None:
        operation = self.membership.next_operation()
        if operation is None:
            return
        self.operations.append(operation.kind)
        if operation.kind == "assign":
            self.partitions |= operation.partitions
        else:
            assert operation.partitions <= self.partitions
            self.partitions -= operation.partitions
        self.membership.done(operation)


class Cluster:
    """One group and its applications."""

    def __init__(self, seed: object, protocol: Protocol) -> None:
        self.world = World(seed, with_story=True)
        self.protocol = protocol
        kind: Literal["classic", "consumer"] = "consumer" if protocol == "consumer" else "classic"
        self.group = Group(self.world, "group", lambda: PARTITIONS, kind)
        self.applications: list[Application] = []

    def add(self) -> Application:
        application = Application(self.world, f"worker-{len(self.applications)}", self.group, self.protocol)
        self.applications.append(application)
        return application

    def living(self) -> Iterator[Application]:
        return (each for each in self.applications if each.process.alive and each.polls)

    def settled(self) -> bool:
        held = [number for each in self.living() for number in each.partitions]
        return sorted(held) == list(range(PARTITIONS)) and all(
            self.may_commit(each, each.partitions) and each.partitions for each in self.living()
        )

    def may_commit(self, application: Application, partitions: frozenset[int]) -> bool:
        member, generation = application.metadata()
        return is_member(application.membership.metadata()) and all(
            self.group.check_commit(member, generation, transactional=True, partitions=[number]) is None
            for number in partitions
        )

    def check(self) -> None:
        for one, other in combinations(self.applications, 2):
            shared = one.partitions & other.partitions
            if shared:
                assert not (self.may_commit(one, shared) and self.may_commit(other, shared)), (shared, self.world.now)

    def run(self, done: Callable[[], bool], seconds: float = 120.0) -> bool:
        def checked() -> bool:
            self.check()
            return done()

        return self.world.run(checked, most_steps=100_000, until=self.world.now + seconds)

    def settle(self) -> None:
        assert self.run(self.settled), "\n".join(cast("list[str]", self.world.story)[-60:])


@pytest.fixture(params=PROTOCOLS)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    return Cluster("groups", request.param)


def test_two_members_share_the_partitions(cluster: Cluster) -> None:
    cluster.add()
    cluster.settle()
    cluster.add()
    cluster.settle()
    assert [len(each.partitions) for each in cluster.applications] == [3, 3]


def test_leaving_hands_partitions_over_at_once(cluster: Cluster) -> None:
    one, other = cluster.add(), cluster.add()
    cluster.settle()
    began = cluster.world.now
    one.leave()
    cluster.settle()
    assert len(other.partitions) == PARTITIONS
    assert cluster.world.now - began < SESSION / 2


def test_killed_member_is_replaced_after_its_session(cluster: Cluster) -> None:
    one, other = cluster.add(), cluster.add()
    cluster.settle()
    began = cluster.world.now
    one.process.kill()
    cluster.settle()
    assert len(other.partitions) == PARTITIONS
    assert SESSION - HEARTBEAT <= cluster.world.now - began < SESSION + 5


def test_paused_member_loses_its_partitions(cluster: Cluster) -> None:
    one, other = cluster.add(), cluster.add()
    cluster.settle()
    one.process.pause(2 * SESSION)
    assert cluster.run(lambda: len(other.partitions) == PARTITIONS, 2 * SESSION)
    assert one.partitions  # it does not know yet
    assert is_member(one.membership.metadata())
    cluster.settle()
    assert "lost" in one.operations


def test_unreachable_member_loses_its_partitions(cluster: Cluster) -> None:
    one, other = cluster.add(), cluster.add()
    cluster.settle()
    one.set_reachable(False)
    assert cluster.run(lambda: len(other.partitions) == PARTITIONS, 2 * SESSION)
    cluster.run(lambda: False, 2 * SESSION)
    one.set_reachable(True)
    cluster.settle()
    assert "lost" in one.operations


def test_member_that_does_not_poll_leaves(cluster: Cluster) -> None:
    one, other = cluster.add(), cluster.add()
    cluster.settle()
    one.polls = False
    assert cluster.run(lambda: len(other.partitions) == PARTITIONS, 2 * MAX_POLL)
    one.polls = True
    cluster.settle()
    assert "lost" in one.operations


def test_move_of_coordinator_renews_sessions(cluster: Cluster) -> None:
    one, other = cluster.add(), cluster.add()
    cluster.settle()
    one.operations.clear()
    other.operations.clear()
    cluster.group.move(0.8 * SESSION)
    cluster.run(lambda: False, 3 * SESSION)
    assert one.operations == other.operations == []
    cluster.settle()


def _disturb(cluster: Cluster) -> None:
    """Draw a fault."""
    random = cluster.world.random
    living = list(cluster.living())
    chosen = random.choice(living)
    match random.randrange(9):
        case 0:
            cluster.group.force_rebalance()
        case 1 if cluster.group.member_ids:
            cluster.group.expire(random.choice(cluster.group.member_ids))
        case 2:
            cluster.group.move(random.random() * 2 * SESSION)
        case 3:
            chosen.process.pause(random.random() * 3 * SESSION)
        case 4:
            chosen.set_reachable(not chosen.reachable)
        case 5 if len(living) > 1:
            chosen.process.kill()
        case 6 if len(living) > 1 and not chosen.process.paused:
            chosen.leave()
        case 7 if len(living) < 4:
            cluster.add()
        case _:
            cluster.group.force_rebalance()


def _run_disturbed(seed: int, protocol: Protocol) -> Cluster:
    cluster = Cluster(seed, protocol)
    cluster.add()
    cluster.add()
    for _ in range(12):
        cluster.run(lambda: False, cluster.world.random.random() ** 2 * 15)
        _disturb(cluster)
    for each in cluster.living():
        each.set_reachable(True)
    cluster.settle()
    return cluster


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("part", range(3))
def test_no_partition_has_two_committing_owners(protocol: Protocol, part: int) -> None:
    for seed in range(part, 300, 3):
        _run_disturbed(seed, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_same_seed_gives_the_same_story(protocol: Protocol) -> None:
    one, other = (_run_disturbed(7, protocol).world.story for _ in range(2))
    assert one == other
