"""The same scenarios on real Kafka and on the model of it are held by one table of what was measured."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from types import ModuleType
from typing import Any, Final

import pytest

from tests.simulation.scenarios import aborts, fencing, last_stable_offset, rebalances, retention, timeouts
from tests.simulation.scenarios.catalogue import (
    SCENARIOS,
    expected,
    run_on_the_model,
    running_on_real_kafka,
)

EXPECTED: Final = expected()
SEEDS: Final = range(10)  # each another schedule of the model; a millisecond or two


def test_every_scenario_is_measured() -> None:
    assert list(EXPECTED) == list(SCENARIOS)


@pytest.mark.parametrize("module", [fencing, aborts, rebalances, last_stable_offset, timeouts, retention])
def test_every_kind_has_three_scenarios_or_more(module: ModuleType) -> None:
    assert len(module.SCENARIOS) >= 3


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_model_shows_what_was_measured(name: str) -> None:
    for seed in SEEDS:
        assert run_on_the_model(name, seed) == EXPECTED[name], f"seed {seed}"


@pytest.fixture(scope="module")
def on_real_kafka(request: pytest.FixtureRequest, java_and_maven: None) -> Iterator[Mapping[str, Future[Any]]]:  # noqa: ARG001 - a condition
    """Those of the scenarios that this run has chosen, run at once on brokers of their own."""
    chosen = [item for item in request.session.items if isinstance(item, pytest.Function)]
    names = [str(item.callspec.params["name"]) for item in chosen if "on_real_kafka" in item.fixturenames]
    with running_on_real_kafka(names) as futures:
        yield futures


@pytest.mark.kafka
@pytest.mark.timeout(300)  # the first of them waits while others run
@pytest.mark.parametrize("name", SCENARIOS)
def test_real_kafka_shows_what_was_measured(name: str, on_real_kafka: Mapping[str, Future[Any]]) -> None:
    assert on_real_kafka[name].result() == EXPECTED[name]
