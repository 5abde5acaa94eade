"""A schema registry answers, refuses, is away, or is none."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from consumer.config.client_properties import SCHEMA_REGISTRY
from consumer.config.values import fault_of_number
from consumer.errors import UnavailableError, WorkerError
from consumer.formats import registry as registry_module
from consumer.formats.registry import Registry
from consumer.formats.schema import RegisteredSchema
from tests.support.fakes import FakeClock
from tests.support.http_endpoint import Endpoint, serving

AVRO = '{"type": "record", "name": "S", "fields": []}'


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with serving((404, {"error_code": 40403, "message": "no"})) as server:
        yield server


def registry(server: Endpoint, clock: FakeClock | None = None, **properties: str) -> Registry:
    named = {name.replace("_", "."): text for name, text in properties.items()}
    return Registry(server.url, named, 60, clock or FakeClock())


def test_a_schema_has_its_type_and_references(server: Endpoint) -> None:
    reference = {"name": "Place", "subject": "places", "version": 3}
    inner = {"name": "City", "subject": "cities", "version": 1}
    server.answers = {
        "/schemas/ids/7": (200, {"schema": "main", "schemaType": "PROTOBUF", "references": [reference]}),
        "/subjects/places/versions/3": (
            200,
            {"subject": "places", "version": 3, "id": 2, "schema": "place", "references": [inner]},
        ),
        "/subjects/cities/versions/1": (200, {"subject": "cities", "version": 1, "id": 1, "schema": "city"}),
    }

    schema = registry(server).schema(7)

    assert schema == RegisteredSchema(7, "PROTOBUF", "main", {"City": "city", "Place": "place"})
    assert list(schema.references) == ["City", "Place"]


def test_avro_is_the_type_of_a_schema_without_one(server: Endpoint) -> None:
    server.answers = {"/schemas/ids/7": (200, {"schema": AVRO})}
    assert registry(server).schema(7) == RegisteredSchema(7, "AVRO", AVRO)


def test_a_schema_is_fetched_by_guid(server: Endpoint) -> None:
    server.answers = {f"/schemas/guids/{UUID(int=7)}": (200, {"schema": AVRO})}
    assert registry(server).schema(UUID(int=7)) == RegisteredSchema(UUID(int=7), "AVRO", AVRO)


def test_the_latest_schema_of_a_subject_is_fetched(server: Endpoint) -> None:
    latest = {"subject": "sessions-value", "version": 2, "id": 9, "schema": AVRO}
    server.answers = {"/subjects/sessions-value/versions/latest": (200, latest)}

    assert registry(server).latest("sessions-value") == RegisteredSchema(9, "AVRO", AVRO)
    assert registry(server).latest("other-value") is None


@pytest.mark.parametrize("code", [40401, 40402, 40403])
def test_a_schema_that_is_not_there_is_none(server: Endpoint, code: int) -> None:
    server.default = (404, {"error_code": code, "message": "no"})
    assert registry(server).schema(8) is None


@pytest.mark.parametrize("answer", [b"", b"<html>", {"error": "no"}, {"error_code": 404}])
def test_a_wrong_path_is_an_error(server: Endpoint, answer: object) -> None:
    server.default = (404, answer)
    with pytest.raises(WorkerError, match="answers HTTP 404, not as a schema registry: is the path"):
        registry(server).schema(8)


def test_odd_answers_of_a_registry_mean_no_schema(server: Endpoint) -> None:
    fetched = registry(server)
    assert fetched.schema(8) is None  # it is a registry

    server.default = (404, b"")
    assert fetched.schema(UUID(int=7)) is None
    server.default = (422, {"error_code": 42201, "message": "no"})
    assert fetched.schema(9) is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_an_error(server: Endpoint, status: int) -> None:
    server.default = (status, {"error_code": status, "message": "secret"})
    with pytest.raises(WorkerError, match=rf"refuses access \(HTTP {status}\): set -R basic.auth.user.info") as raised:
        registry(server).schema(7)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_registry_may_be_away_for_a_while(server: Endpoint, status: int) -> None:
    clock = FakeClock()
    fetched = registry(server, clock)
    server.default = (status, {})
    for seconds in (0, 59):
        clock.sleep(seconds)
        with pytest.raises(UnavailableError, match=f"does not answer: HTTP {status}"):
            fetched.schema(7)

    server.default = (404, {"error_code": 40403})
    assert fetched.schema(7) is None
    server.default = (status, {})
    with pytest.raises(UnavailableError):
        fetched.schema(7)
    clock.sleep(60)
    with pytest.raises(WorkerError, match=f"has not answered for 60 s: HTTP {status}"):
        fetched.schema(7)


def test_a_registry_that_refuses_connections_is_away() -> None:
    fetched = Registry("http://127.0.0.1:1", {}, 60, FakeClock())
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 does not answer: ConnectError"):
        fetched.schema(7)


def test_the_settings_know_the_same_properties_as_numbers() -> None:
    checked = {name for name, fault in SCHEMA_REGISTRY.faults.items() if fault is fault_of_number}
    assert checked == registry_module._NUMERIC


def test_user_and_password_are_sent(server: Endpoint) -> None:
    registry(server, basic_auth_user_info="me:secret").schema(7)
    assert server.requests == [("/schemas/ids/7", "Basic bWU6c2VjcmV0", b"")]


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"ssl.ca.location": "/nowhere"}, "No such file"),
        ({"basic.auth.user.info": "secret"}, "basic.auth.user.info must be in the form"),
        ({"timeout": "soon"}, "could not convert"),
        ({"other": "1"}, "Unrecognized properties: other"),
    ],
)
def test_wrong_properties_are_one_line(properties: dict[str, str], message: str) -> None:
    with pytest.raises(WorkerError, match=r"^the schema registry's client refuses its settings: ") as raised:
        Registry("http://localhost", properties, 60, FakeClock())
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)
