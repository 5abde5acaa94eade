"""Events that other people's serializers write get the scores and codes of the same events as dicts."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scoring import InvalidEvent, Scorer, Verdict
from scoring.contract import IDENTITIES
from scoring.verdicts import WIRE_FIELDS
from tests.deploy.compilers import Command, build_go, build_java, run
from tests.support.checker import Seen
from tests.support.end_to_end import Line, stop
from tests.support.kafka.registry import SchemaRegistry
from tests.support.kafka.topics import Topics
from tests.support.schema_validation import as_text
from tests.support.session_rows import OUT_OF_RANGE, Cell, Fault, Rows, random_rows
from tests.support.wire import read

HERE = Path(__file__).parent / "producers"
SCHEMAS = {"avro": "session.avsc", "json-schema": "session.schema.json", "protobuf": "session.proto"}
TYPES = {member["name"]: member["type"][1] for member in json.loads((HERE / "session.avsc").read_text())["fields"]}
COUNT = 200
SEED = 21

Event = dict[str, Any]
Outcome = dict[str, Any]  # the fields of a result, or the code and the field of a dead letter

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]  # registries may be slow


@pytest.fixture(scope="module")
def registry(request: pytest.FixtureRequest) -> Iterator[str]:
    request.getfixturevalue("java_and_maven")
    with SchemaRegistry() as registry:
        yield registry.url


@pytest.fixture(scope="module", params=["python", "java", "go"])
def producer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Builds a copy of the producer, and gives its command."""
    if request.param == "python":
        return [sys.executable, "-m", "tests.deploy.producers.confluent"]
    place = tmp_path_factory.mktemp("producer") / request.param
    shutil.copytree(HERE / request.param, place)
    return (
        build_go(place, "producer") if request.param == "go" else build_java(place, "producer", place / "jars.sha256")
    )


@pytest.fixture
def line(kafka: str, topics: Topics) -> Line:
    return Line.on(kafka, topics)


@pytest.mark.parametrize("input_format", SCHEMAS)
def test_producers_events_have_the_outcomes_of_dicts(
    producer: Command, input_format: str, registry: str, line: Line, tmp_path: Path
) -> None:
    events, cases, schema = random_events(), tmp_path / "cases.jsonl", HERE / SCHEMAS[input_format]
    cases.write_text("".join(f"{json.dumps(event)}\n" for event in events))

    run(*producer, line.bootstrap, registry, line.sessions, input_format, schema, cases, cwd=tmp_path)
    with line.running(tmp_path / "log", "--input-format", input_format, "--schema-registry-url", registry) as process:
        line.wait_for(lambda done: done >= COUNT, process)
        assert stop(process) == 0

    expected = [
        outcome(event, verdict) for event, verdict in zip(events, Scorer.load().score_many(events), strict=True)
    ]
    assert {each.get("code") for each in expected} == {None, "out_of_range", "bad_date"}
    assert outcomes(line) == {str(number): each for number, each in enumerate(expected)}


def random_events() -> list[Event]:
    """Return events of the schemas' types with gaps of both kinds, a fifth with values out of range or no date."""
    rows = random_rows(SEED, 200 * COUNT)
    fit = rows.where(fits, frozenset())
    is_valid = rows.where(lambda cell: fits(cell) and cell.fault is None, frozenset())
    events = [*events_of(rows.take(fit & ~is_valid))[: COUNT // 5], *events_of(rows.take(is_valid))]
    return events[:COUNT]


def events_of(rows: Rows) -> list[Event]:
    return [
        {cell.field: cell.value for cell in cells if cell.gap is None or cell.gap % 2}
        for cells in zip(*rows.columns(lambda cell: cell).values(), strict=True)
    ]


def fits(cell: Cell) -> bool:
    """Return True for what a serializer takes."""
    if cell.fault not in {None, Fault.BAD_DATE, *OUT_OF_RANGE - {Fault.INFINITE}}:
        return False
    match TYPES[cell.field]:
        case "long":
            return cell.value is None or (isinstance(cell.value, int) and abs(cell.value) < 2**63)
        case "string":
            return cell.value is None or isinstance(cell.value, str)
    return True


def outcome(event: Event, verdict: Verdict | InvalidEvent) -> Outcome:
    if isinstance(verdict, InvalidEvent):
        return {"code": verdict.code, "field": verdict.field}
    fields = {**verdict.as_dict(), **{name: event.get(name) for name in IDENTITIES}}
    return dict(json.loads(json.dumps(fields)))


def outcomes(line: Line) -> dict[str, Outcome]:
    """Return the outcome of each record by its key."""
    found = {}
    results, letters = (list(map(Seen.of, read(line.bootstrap, topic))) for topic in (line.results, line.dead_letters))
    for each in results:
        result = json.loads(each.value or b"")
        found[(each.key or b"").decode()] = {name: result.get(name) for name in (*WIRE_FIELDS, *IDENTITIES)}
    for each in letters:
        headers = as_text(each.headers)
        found[(each.key or b"").decode()] = {name: headers.get(f"dead_letter.{name}") for name in ("code", "field")}
    assert len(found) == len(results) + len(letters)
    return found
