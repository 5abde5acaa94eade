"""Who starts the workers, and starts them again: one in each slot, sometimes two by mistake."""

from typing import Final

from tests.simulation.account import Account
from tests.simulation.checks import ViolationError
from tests.simulation.faults import Faults
from tests.simulation.kafka.cluster import Cluster
from tests.simulation.workers import WorkerProcess, WorkerSettings, without_limits
from tests.simulation.world import World

_RESTART_SECONDS: Final = 5.0  # at most, until a process that ended is started again
_OUR_FAULT: Final = "please report it"


class Supervisor:
    """Keeps one worker running in each slot."""

    def __init__(
        self,
        world: World,
        cluster: Cluster,
        faults: Faults,
        settings: WorkerSettings,
        slots: int,
        invalid: int | None,
        accounts: dict[str, Account],
    ) -> None:
        """`invalid`: so many events are there, all invalid, and no breaker may count more. `accounts` gets what each
        process says of itself, by its name."""
        self.settings = settings
        self._invalid = invalid
        self._world = world
        self._cluster = cluster
        self._faults = faults
        self._number = 0
        self._accounts = accounts
        self._running: list[WorkerProcess] = []
        for slot in range(slots):
            world.after(world.random.uniform(0.0, 1.0), lambda slot=slot: self.start(slot))  # type: ignore[misc]  # mypy cannot infer a default

    @property
    def running(self) -> list[WorkerProcess]:
        """The processes that live."""
        return [each for each in self._running if each.alive]

    def start(self, slot: int) -> None:
        """Start a worker in a slot."""
        self._number += 1
        worker = WorkerProcess(self._world, self._cluster, self._faults, self.settings, slot, self._number)
        self._accounts[worker.process.name] = worker.account
        worker.process.tell("starts")
        worker.process.on_exit.append(lambda: self._ended(worker))
        self._running.append(worker)

    def check_accounts(self) -> None:
        """Compare what the processes that run say with what they have committed."""
        for worker in self.running:
            self._check_account(worker)

    def _check_account(self, worker: WorkerProcess) -> None:
        if self.settings.exactly_once and (wrong := worker.account.miscounted(stopped=worker.stopped)):
            raise ViolationError("counts", f"{worker.process.name}: {wrong}")
        if wrong := worker.account.overlooked():
            raise ViolationError("breaker", f"{worker.process.name}: {wrong}")

    def _ended(self, worker: WorkerProcess) -> None:
        self._running.remove(worker)
        self._check_account(worker)
        if worker.reason is not None:
            if _OUR_FAULT in worker.reason:
                raise ViolationError("failure", worker.reason)
            if worker.account.needless_end(worker.reason, worker.process.clock_ahead):
                raise ViolationError("needless end", f"{worker.process.name}: {worker.reason}")
            if self._invalid is not None and "breaker_run" in worker.reason:
                raise ViolationError("breaker", f"{worker.reason}, of {self._invalid} in all")
            self.settings = without_limits(self.settings, worker.reason)
        if not any(each.slot == worker.slot for each in self._running):
            self._world.after(
                self._world.random.uniform(0.1, _RESTART_SECONDS), lambda: self._start_if_none(worker.slot)
            )

    def _start_if_none(self, slot: int) -> None:
        if not any(each.slot == slot for each in self._running):
            self.start(slot)
