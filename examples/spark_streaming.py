"""Scores the events of a Kafka topic by Spark Structured Streaming, and writes a JSON result for each to another topic.

    pip install '.[spark]'
    spark-submit --packages org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0 examples/spark_streaming.py \
        --bootstrap-servers localhost:9092 --topic sessions --output-topic scored --checkpoint /var/lib/scored

The connector must have the version of pyspark. With --available-now it ends when it has scored what is there.

Delivery is at least once. Spark's Kafka sink has no transactions: after a failure or a restart Spark scores its last
micro-batch again, and results that were written before appear twice. Drop repeats by `result_id`: it is the topic,
partition and offset of the event, and the same each time. `session-scorer run` delivers exactly once.

An invalid event has `error_code` and `error_field` in its result instead of a verdict.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from scoring import InvalidEvent, Verdict
from scoring.engines import load_scorer

COLUMNS = ("topic", "partition", "offset", "key", "value")


def score_records(records: DataFrame, artifacts: str | None = None) -> DataFrame:
    """Return the key of each Kafka record, and as the value its result."""
    return records.select(*COLUMNS).mapInArrow(partial(_score_batches, artifacts), "key binary, value binary")


def _score_batches(artifacts: str | None, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    scorer = load_scorer(artifacts, allow_unverified=False, manifest_sha256=None)  # once in a worker
    for batch in batches:
        topics, partitions, offsets, keys, values = (batch.column(name).to_pylist() for name in COLUMNS)
        answers = scorer.score_many(value or b"" for value in values)  # the bytes, so that faults keep their codes
        results = []
        for topic, partition, offset, answer in zip(topics, partitions, offsets, answers, strict=True):
            results.append(msgspec.json.encode({"result_id": f"{topic}-{partition}-{offset}", **_fields(answer)}))
        yield pa.RecordBatch.from_arrays(
            [pa.array(keys, pa.binary()), pa.array(results, pa.binary())], ["key", "value"]
        )


def _fields(answer: Verdict | InvalidEvent) -> dict[str, Any]:
    if isinstance(answer, InvalidEvent):
        return {"error_code": answer.code, "error_field": answer.field}
    return answer.as_dict()


def main() -> None:
    """Read the options, and score until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Scores a Kafka topic by Spark Structured Streaming, at least once.")
    parser.add_argument("--bootstrap-servers", default="localhost:9092", metavar="HOST:PORT")
    parser.add_argument("--topic", default="sessions")
    parser.add_argument("--output-topic", default="scored")
    parser.add_argument("--checkpoint", required=True, help="directory that all workers reach, and no other query uses")
    parser.add_argument("--artifacts", help="directory of a set on the workers [the one that ships]")
    parser.add_argument("--available-now", action="store_true", help="end when what is there is scored")
    options = parser.parse_args()
    spark = SparkSession.builder.appName("session-scorer").getOrCreate()
    kafka = {"kafka.bootstrap.servers": options.bootstrap_servers}
    source = {"subscribe": options.topic, "startingOffsets": "earliest", "kafka.isolation.level": "read_committed"}
    records = spark.readStream.format("kafka").options(**kafka, **source, maxOffsetsPerTrigger="100000").load()
    sink = {"topic": options.output_topic, "checkpointLocation": options.checkpoint}
    results = score_records(records, options.artifacts).writeStream.format("kafka").options(**kafka, **sink)
    query = (results.trigger(availableNow=True) if options.available_now else results).start()
    try:
        query.awaitTermination()
    except KeyboardInterrupt:
        query.stop()


if __name__ == "__main__":
    main()
