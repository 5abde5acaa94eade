import ast
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from unittest.mock import MagicMock, Mock

import pytest

from consumer.at_least_once import AtLeastOnce
from consumer.batching import Limits
from consumer.delivery import Delivery, ExactlyOnce
from consumer.errand import Errand
from consumer.errors import UnansweredError, UndeliveredError, WorkerError
from consumer.kafka.assignment import Subscription
from consumer.kafka.client import Clients
from consumer.kafka.config import Connection
from consumer.kafka.consumer import Source
from consumer.kafka.producer import KafkaProducer
from consumer.kafka.unreadable import Blocked, Probe
from consumer.patience import Patience
from consumer.runtime import SYSTEM, Runtime, Thread, start_daemon
from consumer.watchdog import Watchdog
from tests.fakes import FakeClock, FakeLog, FakeProducer

ROOT = Path(__file__).parents[2] / "consumer"
SIMULATED = [
    *("worker", "delivery", "at_least_once", "errand", "patience", "batching", "breaker", "watchdog"),
    *(f"kafka/{name}" for name in ("consumer", "assignment", "producer", "positions", "membership", "messages")),
    *(f"kafka/{name}" for name in ("identity", "statistics", "client", "unreadable", "waiting", "asking", "errors")),
]


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a module imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("module", SIMULATED)
def test_only_the_runtime_gives_a_worker_time_and_threads(module: str) -> None:
    assert imported(ROOT / f"{module}.py").isdisjoint({"time", "threading", "_thread", "asyncio"})


def test_the_check_sees_what_the_runtime_imports() -> None:
    assert imported(ROOT / "runtime.py") >= {"time", "threading"}


def test_a_started_thread_is_a_named_daemon() -> None:
    seen = SYSTEM.make_queue()
    start_daemon(lambda: seen.put(threading.current_thread()), "errand").join(10.0)
    thread = seen.get(timeout=10.0)
    assert (thread.name, thread.daemon) == ("errand", True)


def test_an_empty_queue_raises_once_the_time_is_over() -> None:
    began = time.monotonic()
    with pytest.raises(Empty):
        SYSTEM.make_queue().get(timeout=0.05)
    assert time.monotonic() - began >= 0.05


class Halted:
    """A runtime whose threads never run: whoever waits for one waits in vain, and only the clock goes on."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.threads: list[str] = []
        self.waits: list[float | None] = []  # of queues, events and threads
        self.runtime = Runtime(self.clock, self.clock.sleep, self._start, lambda: self, lambda: self)

    def _start(self, _: Callable[[], None], name: str) -> Thread:
        self.threads.append(name)
        return self

    def _pass(self, timeout: float | None) -> None:
        self.waits.append(timeout)
        self.clock.sleep(timeout or 0.0)

    def join(self, timeout: float | None = None) -> None:
        self._pass(timeout)

    def put(self, item: object, /) -> None: ...

    def empty(self) -> bool:
        return True

    def get(self, *, timeout: float | None = None) -> object:
        self._pass(timeout)
        raise Empty

    def set(self) -> None: ...

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        self._pass(timeout)
        return False


def test_a_call_is_waited_for_at_once_until_its_bound() -> None:
    halted = Halted()
    errand = Errand(18.0, halted.runtime)
    errand.start(lambda _: None)
    assert errand.busy()
    with pytest.raises(UnansweredError, match="no answer within 18 s"):
        errand.result()
    assert (halted.threads, halted.waits) == (["errand"], [18.0])


def exactly_once(log: FakeLog, patience: Patience) -> Delivery:
    return ExactlyOnce(lambda name: FakeProducer(log, name), ("id-0", "id-1"), lambda: lambda: b"member", patience)


def at_least_once(log: FakeLog, patience: Patience) -> Delivery:
    return AtLeastOnce(lambda: FakeProducer(log), log.commit_offsets, patience)


@pytest.mark.parametrize("make", [exactly_once, at_least_once])
def test_a_delivery_runs_on_the_runtime_of_its_patience(make: Callable[[FakeLog, Patience], Delivery]) -> None:
    halted = Halted()
    delivery = make(FakeLog(), Patience(call_seconds=15.0, runtime=halted.runtime))
    delivery.start()
    delivery.publish([])
    delivery.commit("sessions", {0: 1})
    with pytest.raises(UndeliveredError, match="no answer within 18 s"):
        delivery.settle()
    assert (halted.threads, halted.waits) == (["errand"], [18.0])


def test_a_watchdog_looks_by_the_clock_of_its_runtime() -> None:
    halted = Halted()
    dog = Watchdog(80.0, look_seconds=20.0, end=Mock(side_effect=SystemExit), runtime=halted.runtime)
    with dog.on_duty(threading.Event()):
        assert halted.threads == ["watchdog"]
    halted.waits.clear()
    dog.watch("the commit")
    with pytest.raises(SystemExit):
        dog._watch(threading.Event())
    assert halted.waits == [20.0] * 5  # at 80 s the bound is reached, not passed


def test_a_source_is_made_of_the_clients_and_the_runtime_that_it_is_given() -> None:
    halted, clients = Halted(), Clients(consumer=Mock(), admin=Mock())
    connection = Connection("nowhere:9092", clients=clients)
    source = Source(connection, Subscription("scorer", "sessions"), Limits(), Patience(runtime=halted.runtime))
    for made in (clients.consumer, clients.admin):
        assert isinstance(made, Mock)
        config = made.call_args.args[0]
        assert config["bootstrap.servers"] == "nowhere:9092"
        assert config["error_cb"]._clock is halted.clock
    for part in (source, source._statistics, source._identity, source._left_out._seldom):
        assert part._clock is halted.clock
    assert source._blocked._runtime is halted.runtime
    source.close()
    assert (halted.threads, halted.waits) == (["close"], [10.0])


def test_a_producer_is_made_by_the_client_and_dropped_by_the_clock_that_it_is_given() -> None:
    halted, made = Halted(), MagicMock()
    made.return_value.__len__.return_value = 1  # it never gets rid of a record
    made.return_value.poll.side_effect = halted.clock.sleep
    producer = KafkaProducer(Connection("nowhere:9092", clients=Clients(producer=made)), runtime=halted.runtime)
    began = halted.clock()
    producer.drop()
    assert 1.0 <= halted.clock() - began < 1.1


def test_a_search_for_an_unreadable_batch_runs_on_its_runtime() -> None:
    halted = Halted()
    blocked = Blocked(lambda *_: None, halted.runtime)
    blocked.add(0, WorkerError("its checksum is wrong"))
    blocked.search({0: 10}, 0)
    assert not list(blocked.finished(0))
    halted.clock.sleep(31.0)
    assert list(blocked.finished(0)) == [(0, None)]
    assert halted.threads == ["unreadable"]


def test_a_probe_is_made_of_the_clients_and_the_runtime_that_it_is_given() -> None:
    halted, made = Halted(), MagicMock()

    def consume(_: int, seconds: float) -> list[object]:
        halted.clock.sleep(seconds)
        return []

    made.return_value.consume.side_effect = consume
    probe = Probe(
        Connection("nowhere:9092", clients=Clients(consumer=made)), "scorer", "sessions", 0, runtime=halted.runtime
    )
    with pytest.raises(WorkerError, match="nothing came of partition 0 within 30 s"):
        probe.at(5)
    assert halted.threads == ["close"]
