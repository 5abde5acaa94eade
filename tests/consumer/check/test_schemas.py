"""A registered schema is compared with the contract."""

import pytest

from consumer.check import schemas
from consumer.check.finding import Status
from consumer.formats import LatestSchema
from scoring.contract import CATEGORIES, DATE, IDENTITIES, NUMERIC

KINDS = {
    **{name: {"number", "null"} for name in NUMERIC},
    **{name: {"string", "null"} for name in (*CATEGORIES, DATE, *IDENTITIES)},
}


@pytest.mark.parametrize(
    ("schema", "input_format", "status", "message"),
    [
        (LatestSchema(7, "AVRO", KINDS), "avro", Status.OK, "id 7, AVRO: all 18 fields"),
        (LatestSchema(7, "JSON", {}), "json-schema", Status.OK, "id 7, JSON: it names no fields"),
        (LatestSchema(7, "JSON", KINDS), "avro", Status.FAIL, "its type is JSON, and --input-format avro reads AVRO"),
        (None, "avro", Status.WARN, "none is registered under this name: is it the right registry?"),
        (
            LatestSchema(7, "AVRO", {**KINDS, "language": {"number"}}),
            "avro",
            Status.FAIL,
            "language can be number, not a string: such events become dead letters",
        ),
    ],
)
def test_a_schema_is_compared(schema: LatestSchema | None, input_format: str, status: Status, message: str) -> None:
    finding = schemas.registered("sessions-value", schema, input_format)
    assert (finding.name, finding.status, finding.message) == ("schema sessions-value", status, message)


def test_missing_fields_are_a_warning_with_what_looks_like_them() -> None:
    kinds = {("clickEvents" if name == "click_events" else name): each for name, each in KINDS.items()}
    finding = schemas.registered("s-value", LatestSchema(7, "AVRO", kinds), "avro")
    assert finding.status is Status.WARN
    assert finding.message == (
        "id 7, AVRO: without click_events, which are imputed; clickEvents looks like click_events"
    )
