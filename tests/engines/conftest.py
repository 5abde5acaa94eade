"""Events with gaps and faults, as dicts and as a table.

Without Spark and Ray, as in `make test`, nothing here is collected.
"""

import csv
import gzip
from collections.abc import Iterable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest

from scoring import InvalidEvent, Scorer
from scoring.contract import CATEGORIES, DATE, IDENTITIES
from scoring.tables.verdict_columns import OUTPUT

ROOT: Final = Path(__file__).parents[2]
ROWS: Final = 3000
TEXTS: Final = (*CATEGORIES, DATE, *IDENTITIES)
INVALID: Final[dict[str, Any]] = {"click_events": -1, "transaction_date": "yesterday", "time_on_page": -0.5}

Event = dict[str, Any]

if find_spec("pyspark") is None or find_spec("ray") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def events() -> list[Event]:
    """The first sessions of the test data, of which every seventh is invalid."""
    with gzip.open(ROOT / "artifacts" / "datasets" / "test.csv.gz", "rt", encoding="utf-8") as file:
        events = [_event(row) for row in islice(csv.DictReader(file), ROWS)]
    faults = list(INVALID.items())
    for i in range(0, ROWS, 7):
        field, value = faults[i % len(faults)]
        events[i][field] = value
    return events


def _event(row: dict[str, str]) -> Event:
    """Return a row of CSV without its label."""
    own = {name: value or None for name, value in row.items() if name not in {"label", "attack_kind"}}
    return {name: value if value is None or name in TEXTS else float(value) for name, value in own.items()}


@pytest.fixture(scope="session")
def table(events: list[Event]) -> pa.Table:
    """Return a table of the events, with their positions and a column that has the name of an output field."""
    return pa.Table.from_pylist([{"position": i, **event, "risk_level": "old"} for i, event in enumerate(events)])


@pytest.fixture(scope="session")
def expected(events: list[Event]) -> list[Event]:
    """Return the columns of the output for each event, from score_many."""
    empty = dict.fromkeys(OUTPUT.names)
    answers = Scorer.load().score_many(events)
    faults = [answer for answer in answers if isinstance(answer, InvalidEvent)]
    assert {fault.field for fault in faults} == set(INVALID)
    return [
        {**empty, "error_code": answer.code, "error_field": answer.field}
        if isinstance(answer, InvalidEvent)
        else {**empty, **answer.as_dict()}
        for answer in answers
    ]


def assert_scored(rows: Iterable[Event], events: list[Event], expected: list[Event]) -> None:
    """Compare each row with its event and with the expected output, exactly."""
    ordered = sorted(rows, key=lambda row: row["position"])
    assert ordered == [{"position": i, **events[i], **expected[i]} for i in range(ROWS)]
