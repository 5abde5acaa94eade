"""Every kind of output has every output field: a new one cannot be forgotten in one of them."""

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyarrow import parquet

from consumer.offline.score_files import score_files
from consumer.stream.output_limits import TopicLimits
from consumer.stream.pipeline import Pipeline, Topics
from scoring import Scorer
from scoring.tables import TableOptions
from scoring.verdicts import WIRE_FIELDS
from tests.support.artifacts import hand_computed

Row = dict[str, Any]

EVENTS: list[Row] = [
    {"transaction_amount": 20, "click_events": 3},
    {"transaction_amount": 20, "click_events": 31},
    {"transaction_amount": 12000.5, "click_events": 37, "time_on_page": 600, "device_type": "Mobile"},
]
LEVELS = ["Low", "Medium", "High"]
LINES = [json.dumps(event).encode() for event in EVENTS]


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return hand_computed.scorer()


@pytest.fixture(scope="module")
def verdicts(scorer: Scorer) -> list[Row]:
    verdicts = [scorer.score(event).as_dict() for event in EVENTS]
    assert [verdict["risk_level"] for verdict in verdicts] == LEVELS
    assert [list(verdict) for verdict in verdicts] == [list(WIRE_FIELDS)] * len(EVENTS)
    return verdicts


def output_fields(row: dict[Any, Any]) -> Row:
    return {name: value for name, value in row.items() if name in WIRE_FIELDS}


def scored(scorer: Scorer, target: Path) -> Path:
    source = target.with_name("in.jsonl")
    source.write_bytes(b"\n".join(LINES))
    score_files(scorer, [source], target, table=TableOptions(allow_missing=True))
    return target


def test_csv_has_every_output_field(scorer: Scorer, verdicts: list[Row], tmp_path: Path) -> None:
    with scored(scorer, tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(map(output_fields, csv.DictReader(file)))
    assert rows == [{name: cell(value) for name, value in verdict.items()} for verdict in verdicts]


def cell(value: Any) -> str:
    return ";".join(value) if isinstance(value, list) else str(value)


def test_json_lines_have_every_output_field(scorer: Scorer, verdicts: list[Row], tmp_path: Path) -> None:
    lines = scored(scorer, tmp_path / "out.jsonl").read_bytes().splitlines()
    assert [output_fields(json.loads(line)) for line in lines] == verdicts


def test_parquet_has_every_output_field(scorer: Scorer, verdicts: list[Row], tmp_path: Path) -> None:
    rows = parquet.read_table(scored(scorer, tmp_path / "out.parquet")).to_pylist()
    assert list(map(output_fields, rows)) == verdicts


def test_frames_have_every_output_field(scorer: Scorer, verdicts: list[Row]) -> None:
    frame = scorer.score_frame(pd.DataFrame(EVENTS), allow_missing=True)
    assert [output_fields(row) for row in frame.to_dict("records")] == verdicts


def test_results_and_alerts_have_every_output_field(scorer: Scorer, verdicts: list[Row]) -> None:
    pipeline = Pipeline(scorer, Topics("r", "a", "d"), "scorers", lambda _: TopicLimits(1_000_000), lambda: 0)
    records = pipeline.process(hand_computed.batch(*LINES)).records
    assert [record.topic for record in records] == ["r", "r", "r", "a"]
    assert [output_fields(json.loads(record.value or b"")) for record in records] == [*verdicts, verdicts[-1]]
