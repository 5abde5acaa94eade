"""Ray Datasets, on two local workers, beside score_many."""

import os
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
import ray
from ray.data import Dataset
from ray.data.expressions import col

from scoring import TableError
from scoring.engines import load_scorer
from scoring.engines.ray import score_dataset
from scoring.tables.verdict_columns import OUTPUT
from tests.engines.conftest import ROOT, Event, assert_scored

pytestmark = [
    pytest.mark.timeout(200),  # starts Ray's own processes, and loads the set in two workers
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\..*"),  # of its own settings, which it sets itself
]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """A Ray of two workers on this machine.

    Ray gives its workers niceness 15, 68 times fewer turns than a busy neighbour's: two of them did not import their
    packages in a minute beside other tests. Workers of niceness 0 did in seconds.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=100 << 20,
            _node_ip_address="127.0.0.1",
            _system_config={"worker_niceness": 0},
        )
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield
        ray.shutdown()


@pytest.fixture
def dataset(table: pa.Table) -> Dataset:
    return ray.data.from_arrow([table.slice(start, 375) for start in range(0, table.num_rows, 375)])


def test_verdicts_equal_those_of_score_many(dataset: Dataset, events: list[Event], expected: list[Event]) -> None:
    scored = score_dataset(dataset).materialize()
    assert scored.columns() == [*(name for name in dataset.columns() if name != "risk_level"), *OUTPUT.names]
    assert_scored(scored.take_all(), events, expected)


def test_set_is_loaded_once_per_worker(dataset: Dataset) -> None:
    def count_loads(_batch: dict[str, Any]) -> dict[str, Any]:
        info = load_scorer.cache_info()
        return {"pid": [os.getpid()], "loads": [info.misses], "uses": [info.hits]}

    scored = score_dataset(dataset, batch_size=100)
    counts = scored.map_batches(count_loads, batch_size=100).take_all()  # after each batch, in the same worker
    assert {row["loads"] for row in counts} == {1}
    assert max(row["uses"] for row in counts) > 4


def test_empty_blocks_are_scored(dataset: Dataset) -> None:
    assert [row["position"] for row in score_dataset(dataset.filter(expr=col("position") == 8)).take_all()] == [8]
    assert score_dataset(dataset.filter(expr=col("position") < 0)).take_all() == []


def test_too_few_columns_are_refused_on_the_driver(dataset: Dataset) -> None:
    few = dataset.select_columns(["position", "click_events"])
    with pytest.raises(TableError, match="only 1 of the 16 model fields"):
        score_dataset(few)
    assert score_dataset(few, allow_missing=True).count() == dataset.count()


def test_fields_inside_a_struct_are_named(table: pa.Table) -> None:
    with pytest.raises(TableError, match="the fields are inside 'sessions'"):
        score_dataset(ray.data.from_arrow(pa.table({"sessions": table.to_struct_array().combine_chunks()})))
