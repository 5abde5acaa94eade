"""Faults of a time, drawn before they happen: crashes, pauses, cuts, coordinators that move, retention."""

from collections.abc import Callable, Collection
from typing import Final

from tests.simulation.faults import Faults
from tests.simulation.kafka.cluster import Cluster
from tests.simulation.kafka.log import PartitionLog
from tests.simulation.supervisor import Supervisor
from tests.simulation.workers import GROUP, WorkerProcess
from tests.simulation.world import World

_FEWEST: Final = 5
_MOST: Final = 10


class Nemesis:
    """Plans faults and lets them happen."""

    def __init__(
        self, world: World, cluster: Cluster, faults: Faults, supervisor: Supervisor, inputs: Collection[PartitionLog]
    ) -> None:
        self.can_go_on = True
        self._world = world
        self._cluster = cluster
        self._faults = faults
        self._supervisor = supervisor
        self._inputs = inputs
        self._kinds: dict[str, Callable[[], None]] = {
            "crash": self._crash,
            "stop": self._stop,
            "pause": self._pause,
            "clock jump": self._clock_jump,
            "rebalance": self._rebalance,
            "member expired": self._expire_member,
            "group coordinator moves": self._move_group,
            "transaction coordinator moves": self._move_transactions,
            "cut": self._cut,
            "brokers forgotten": self._forget,
            "retention": self._retention,
            "twin": self._twin,
            "id expired": self._expire_id,
        }

    def plan(self, seconds: float) -> None:
        """Draw faults for the next seconds."""
        drawn = self._faults.random
        kinds = drawn.sample(sorted(self._kinds), drawn.randint(2, 6))  # few kinds, so that some runs are of one kind
        admitted = 0
        for _ in range(drawn.randint(_FEWEST, _MOST)):
            kind, when = drawn.choice(kinds), drawn.uniform(0.5, seconds)
            if self._faults.admit(kind):
                admitted += 1
                self._world.after(when, lambda kind=kind: self._happen(kind))  # type: ignore[misc]  # mypy cannot infer a default
        self.can_go_on = admitted > 0

    def end(self) -> None:
        """Undo what would last."""
        self._cluster.transactions.available = True
        for worker in self._supervisor.running:
            for consumer in worker.consumers:
                consumer.wire.mend()

    def _happen(self, kind: str) -> None:
        if self._faults.active:
            self._world.tell("nemesis", kind)
            self._kinds[kind]()

    def _worker(self) -> WorkerProcess | None:
        running = self._supervisor.running
        return self._faults.pick(running) if running else None

    def _crash(self) -> None:
        if worker := self._worker():
            worker.process.tell("is killed")
            worker.process.kill()

    def _stop(self) -> None:
        if worker := self._worker():
            worker.process.tell("is told to stop")
            worker.stop.set()

    def _pause(self) -> None:
        if worker := self._worker():
            seconds = self._faults.pick([0.5, 3.0, 8.0, 12.0, 25.0, 40.0])
            worker.process.tell(f"is paused for {seconds:g} s")
            worker.process.pause(seconds)

    def _clock_jump(self) -> None:
        if worker := self._worker():
            worker.process.clock_ahead += self._faults.pick([1.0, 10.0, 100.0])

    def _rebalance(self) -> None:
        self._cluster.groups[GROUP].force_rebalance()

    def _expire_member(self) -> None:
        if members := sorted(self._cluster.groups[GROUP].member_ids):
            self._cluster.groups[GROUP].expire(self._faults.pick(members))

    def _move_group(self) -> None:
        self._cluster.groups[GROUP].move(self._faults.pick([0.5, 3.0, 12.0]))

    def _move_transactions(self) -> None:
        transactions = self._cluster.transactions
        transactions.available = False

        def back() -> None:
            transactions.available = True

        self._world.after(self._faults.pick([0.5, 3.0, 12.0]), back)

    def _cut(self) -> None:
        if (worker := self._worker()) and worker.consumers:
            worker.consumers[-1].wire.cut(self._faults.pick([1.0, 5.0, 15.0]))

    def _forget(self) -> None:
        if (worker := self._worker()) and worker.consumers:
            worker.consumers[-1].forget_brokers()

    def _retention(self) -> None:
        partition = self._faults.pick([*self._inputs])
        if partition.end > partition.start:
            partition.delete_before(self._faults.random.randint(partition.start + 1, partition.end))

    def _twin(self) -> None:
        if worker := self._worker():
            self._supervisor.start(worker.slot)

    def _expire_id(self) -> None:
        names = self._cluster.transactions.names()
        if names:
            self._cluster.transactions.expire(self._faults.pick(names))
