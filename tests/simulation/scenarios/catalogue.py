"""All scenarios by name, what real Kafka showed in each, and how they are run on it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.simulation.scenarios import (
    aborts,
    expiry,
    fencing,
    last_stable_offset,
    rebalances,
    retention,
    timeouts,
)
from tests.simulation.scenarios.real import RealBackend
from tests.simulation.scenarios.simulated import SimulatedBackend
from tests.simulation.scenarios.steps import Observed, Scenario
from tests.support.kafka.brokers import KafkaBroker

MEASURED: Final = Path(__file__).with_name("measured.json")

BROKER: Final = {
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "100",
    "group.consumer.session.timeout.ms": "4000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.heartbeat.interval.ms": "200",
    "group.consumer.min.heartbeat.interval.ms": "100",
}
"""Settings of the broker: what takes a minute by default takes seconds."""

_STEADY: Final[Mapping[str, Scenario]] = {
    **fencing.SCENARIOS,
    **aborts.SCENARIOS,
    **rebalances.SCENARIOS,
    **last_stable_offset.SCENARIOS,
    **timeouts.SCENARIOS,
    **retention.SCENARIOS,
}
_EXPIRING: Final[dict[str, Scenario]] = dict(expiry.SCENARIOS)
SCENARIOS: Final[dict[str, Scenario]] = {**_STEADY, **_EXPIRING}

_AT_ONCE: Final = 12  # they wait most of the time


def expected() -> dict[str, Any]:
    """Return what real Kafka showed, by scenario."""
    measured: dict[str, Any] = json.loads(MEASURED.read_text())
    return measured


def plain(observed: Observed) -> Any:
    """Return it as JSON has it: tuples are lists."""
    return json.loads(json.dumps(observed))


def run_on_the_model(name: str, seed: int) -> Any:
    """Return what a scenario shows on the model of Kafka."""
    return plain(SimulatedBackend(seed, expiring=name in _EXPIRING).run(SCENARIOS[name]))


@contextmanager
def running_on_real_kafka(names: Iterable[str]) -> Iterator[Mapping[str, Future[Any]]]:
    """Run scenarios on brokers of their own, several at once."""
    wanted = list(names)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(_AT_ONCE))
        brokers: dict[bool, str] = {}
        for expiring in {name in _EXPIRING for name in wanted}:
            properties = {**BROKER, **(expiry.BROKER if expiring else {})}
            brokers[expiring] = stack.enter_context(KafkaBroker(properties=properties)).address
        yield {name: pool.submit(_run, SCENARIOS[name], brokers[name in _EXPIRING]) for name in wanted}


def _run(scenario: Scenario, bootstrap: str) -> Any:
    with RealBackend(bootstrap) as backend:
        return plain(scenario(backend))
