"""Brokers that go and come back: what was promised holds, and the work goes on within a minute."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.cluster import NODES, Cluster, running_cluster
from tests.faults.conftest import Counted, Full, LineOn, Recovered
from tests.faults.stream import Watch, survive
from tests.support.end_to_end import Line
from tests.support.kafka.brokers import KafkaBroker
from tests.support.kafka.topics import Topics

pytestmark = pytest.mark.usefixtures("java_and_maven")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as running:
        yield running


@pytest.fixture
def replicated(cluster: Cluster, line_on: LineOn) -> Line:
    """A line on three nodes."""
    return line_on(cluster.address)


def bounce(cluster: Cluster, number: int, end: Callable[[KafkaBroker], None]) -> None:
    """One node ends, the cluster goes on without it, and it comes back."""
    node = cluster.nodes[number]
    end(node)
    cluster.see_off(number)
    node.start()
    cluster.settle()


def test_brokers_restarted_in_turn_cost_nothing(
    cluster: Cluster, replicated: Line, tmp_path: Path, full: Full, recovered: Recovered
) -> None:
    def fault(_: Watch) -> None:
        for number in (list(cluster.nodes) * 3)[: full(1, 3 * NODES)]:
            bounce(cluster, number, KafkaBroker.stop)

    recovered(survive(replicated, tmp_path / "log", fault))


def test_brokers_killed_in_turn_cost_nothing(
    cluster: Cluster, replicated: Line, tmp_path: Path, full: Full, recovered: Recovered
) -> None:
    def fault(_: Watch) -> None:
        for number in (list(cluster.nodes) * 3)[: full(1, 3 * NODES)]:
            bounce(cluster, number, KafkaBroker.kill)

    recovered(survive(replicated, tmp_path / "log", fault))


def test_a_partition_leader_killed_out_of_three_is_not_waited_for(
    cluster: Cluster, replicated: Line, tmp_path: Path, recovered: Recovered
) -> None:
    leader = cluster.leader(replicated.sessions, 0)
    try:
        took = survive(replicated, tmp_path / "log", lambda _: cluster.nodes[leader].kill())
    finally:
        cluster.see_off(leader)
        cluster.nodes[leader].start()
        cluster.settle()
    recovered(took)


def test_a_broker_that_hangs_is_told_by_readyz_and_waited_for(
    tmp_path: Path, full: Full, counted: Counted, recovered: Recovered
) -> None:
    with KafkaBroker() as node:
        line = Line.on(node.address, Topics(node.address))
        counted(line)

        def fault(watch: Watch) -> None:
            began = time.monotonic()
            os.kill(node.pid, signal.SIGSTOP)
            try:
                watch.wait_for(503, seconds=28)
                time.sleep(max(0.0, full(20, 30) - (time.monotonic() - began)))
                assert watch.ready == 503
            finally:
                os.kill(node.pid, signal.SIGCONT)

        recovered(survive(line, tmp_path / "log", fault))
