"""Spark DataFrames, on two local workers, beside score_many."""

import json
import os
import sys
from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from examples.spark_streaming import score_records
from scoring import InvalidEvent, Scorer, TableError
from scoring.engines import load_scorer
from scoring.engines.spark import score_dataframe
from scoring.tables.verdict_columns import OUTPUT
from tests.engines.conftest import ROOT, Event, assert_scored

pytestmark = [
    pytest.mark.timeout(200),  # starts a JVM, and compiles kernels in two workers
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),  # nothing uses it
]


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """A session with two workers, whose batches are small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        session = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "100").getOrCreate()
        yield session
        session.stop()


@pytest.fixture(scope="module")
def dataframe(spark: SparkSession, table: pa.Table) -> DataFrame:
    return spark.createDataFrame(table).repartition(8)


def test_verdicts_equal_those_of_score_many(dataframe: DataFrame, events: list[Event], expected: list[Event]) -> None:
    scored = score_dataframe(dataframe)
    assert scored.columns == [*(name for name in dataframe.columns if name != "risk_level"), *OUTPUT.names]
    assert_scored((row.asDict() for row in scored.collect()), events, expected)


def test_set_is_loaded_once_per_worker(spark: SparkSession, dataframe: DataFrame) -> None:
    def count_loads(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        list(batches)
        info = load_scorer.cache_info()
        yield pa.RecordBatch.from_pylist([{"pid": os.getpid(), "loads": info.misses, "uses": info.hits}])

    score_dataframe(dataframe).count()  # 30 batches in 8 tasks
    counts = spark.range(8).repartition(8).mapInArrow(count_loads, "pid long, loads long, uses long").collect()
    assert {row.loads for row in counts} == {1}
    assert 1 <= len({row.pid for row in counts}) <= 2
    assert all(row.uses > 4 for row in counts)


def test_empty_partitions_are_scored(dataframe: DataFrame) -> None:
    scored = score_dataframe(dataframe.where("position = 8"))
    assert [row.position for row in scored.collect()] == [8]
    assert score_dataframe(dataframe.where("position < 0")).collect() == []


def test_too_few_columns_are_refused_on_the_driver(dataframe: DataFrame) -> None:
    few = dataframe.select("position", "click_events")
    with pytest.raises(TableError, match="only 1 of the 16 model fields"):
        score_dataframe(few)
    assert score_dataframe(few, allow_missing=True).where("error_code is null").count() > 0


def test_fields_inside_a_struct_are_named(dataframe: DataFrame) -> None:
    nested = dataframe.selectExpr("array(struct(*)) as sessions")
    with pytest.raises(TableError, match="the fields are inside 'sessions'"):
        score_dataframe(nested)


def test_columns_are_replaced_whatever_their_case(dataframe: DataFrame) -> None:
    scored = score_dataframe(dataframe.withColumnRenamed("risk_level", "Risk_Level"))
    assert [name for name in scored.columns if name.lower() == "risk_level"] == ["risk_level"]


def test_streaming_example_keeps_error_codes(spark: SparkSession) -> None:
    values = [b'{"click_events": 35}', b"not json", b"[]", b'{"click_events": "35"}', b'{"time_on_page": -1}', None]
    records = [("sessions", 1, i, b"key", value) for i, value in enumerate(values)]
    dataframe = spark.createDataFrame(records, "topic string, partition int, offset long, key binary, value binary")

    results = {row.value: bytes(row.key) for row in score_records(dataframe).collect()}

    assert set(results.values()) == {b"key"}
    by_id = {result.pop("result_id"): result for result in map(json.loads, results)}
    for i, answer in enumerate(Scorer.load().score_many(value or b"" for value in values)):
        if isinstance(answer, InvalidEvent):
            fields = {"error_code": answer.code, "error_field": answer.field}
        else:
            fields = answer.as_dict()
        assert by_id[f"sessions-1-{i}"] == fields
