"""A schema registry answers, refuses, is away, or is none."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from consumer.config.client_properties import SCHEMA_REGISTRY
from consumer.config.values import fault_of_number
from consumer.errors import UnavailableError, WorkerError
from consumer.formats import latest_schema
from consumer.formats import registry as registry_module
from consumer.formats.registry import Registry
from consumer.formats.schema import RegisteredSchema
from tests.support.fakes import FakeClock
from tests.support.http_endpoint import Endpoint, serving
from tests.support.kafka.certificates import Authority

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


NO_SCHEMAS: list[object] = [
    *(b"<html>secret</html>", b"", b"\xff", [], None, 7, {}, {"schema": None}, {"schema": {}}),
    {"schema": "{}", "schemaType": 7},
    {"schema": "{}", "references": 7},
    {"schema": "{}", "references": [7]},
    {"schema": "{}", "references": [{}]},
    {"schema": "{}", "references": [{"name": "a"}]},
]
OTHER_ANSWERS = [
    *((200, answer) for answer in NO_SCHEMAS),
    (301, b""),
    (302, b"<html>"),
    (400, {"message": "secret"}),
    (404, b"<html>"),
    (404, {"error_code": 404, "message": "secret"}),
    (404, {"error_code": [40403]}),
]


@pytest.mark.parametrize(("status", "answer"), OTHER_ANSWERS)
def test_an_answer_of_another_program_is_an_error(server: Endpoint, status: int, answer: object) -> None:
    server.default = (status, answer)
    with pytest.raises(WorkerError, match=r"answers .*, not as a schema registry: is the path of its URL") as raised:
        registry(server).schema(8)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(("status", "answer"), OTHER_ANSWERS)
def test_an_answer_of_a_proxy_before_the_registry_means_that_it_is_away(
    server: Endpoint, status: int, answer: object
) -> None:
    clock = FakeClock()
    fetched = registry(server, clock)
    assert fetched.schema(8) is None  # it is a registry

    server.default = (status, answer)
    with pytest.raises(UnavailableError, match=r"does not answer: .*, not from a schema registry$"):
        fetched.schema(9)
    clock.sleep(60)
    with pytest.raises(WorkerError, match=r"has not answered for 60 s: .*, not from a schema registry$"):
        fetched.schema(9)


def test_references_end_and_are_fetched_once(server: Endpoint) -> None:
    def version(name: str, *needed: str) -> dict[str, object]:
        references = [{"name": each, "subject": each, "version": 1} for each in needed]
        return {"subject": name, "version": 1, "id": 1, "schema": name, "references": references}

    server.answers = {
        "/schemas/ids/7": (200, version("main", "a", "b")),
        "/subjects/a/versions/1": (200, version("a", "b", "c")),
        "/subjects/b/versions/1": (200, version("b", "c")),
        "/subjects/c/versions/1": (200, version("c", "a")),  # a cycle
    }

    schema = registry(server).schema(7)

    assert schema is not None
    assert list(schema.references) == ["c", "b", "a"]
    assert len(server.requests) == 4


def test_a_deleted_version_is_still_referred_to(server: Endpoint) -> None:
    reference = {"name": "a", "subject": "a", "version": 1}
    server.answers = {
        "/schemas/ids/7": (200, {"schema": "main", "references": [reference]}),
        "/subjects/a/versions/1": (200, {"subject": "a", "version": 1, "id": 1, "schema": "text"}),
    }

    registry(server).schema(7)

    assert [request.query for request in server.requests] == ["", "deleted=true"]


def test_a_header_that_cannot_be_sent_is_not_shown(server: Endpoint) -> None:
    token = {"bearer.auth.token": "secret ", "bearer.auth.credentials.source": "STATIC_TOKEN"}
    others = {"bearer.auth.logical.cluster": "a", "bearer.auth.identity.pool.id": "b"}
    with pytest.raises(UnavailableError, match=r"does not answer: LocalProtocolError$"):
        Registry(server.url, token | others, 60, FakeClock()).schema(7)


def test_a_registry_that_is_asked_once_is_not_waited_for() -> None:
    with pytest.raises(WorkerError, match=r":1 does not answer: ConnectError"):
        Registry("http://127.0.0.1:1", {}, 0, FakeClock()).latest("sessions-value")


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


def test_a_failure_long_ago_is_no_part_of_an_absence() -> None:
    clock = FakeClock()
    fetched = Registry("http://127.0.0.1:1", {}, 60, clock)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            fetched.schema(7)
        clock.sleep(61)


def test_a_registry_that_refuses_connections_is_away() -> None:
    fetched = Registry("http://127.0.0.1:1", {}, 60, FakeClock())
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 does not answer: ConnectError"):
        fetched.schema(7)


def test_a_registry_whose_certificate_is_unknown_names_the_property(tmp_path: Path) -> None:
    with (
        serving(certificate=Authority(tmp_path).store("localhost")) as server,
        pytest.raises(UnavailableError, match=r"CERTIFICATE_VERIFY_FAILED.*; set -R ssl\.ca\.location$"),
    ):
        registry(server).schema(7)


def test_the_latest_schema_that_cannot_be_used_is_named(server: Endpoint) -> None:
    latest = {"subject": "sessions-value", "version": 2, "id": 9, "schema": '"shop.City"'}
    server.answers = {"/subjects/sessions-value/versions/latest": (200, latest)}

    with pytest.raises(WorkerError, match=r"^schema 9 cannot be used, its events become dead letters: not an Avro"):
        latest_schema("avro", server.url, {}, "sessions-value")


def test_the_settings_know_the_same_properties_as_numbers() -> None:
    checked = {name for name, fault in SCHEMA_REGISTRY.faults.items() if fault is fault_of_number}
    assert checked == registry_module._NUMERIC


def test_user_and_password_are_sent(server: Endpoint) -> None:
    registry(server, basic_auth_user_info="me:secret").schema(7)
    assert [request.authorization for request in server.requests] == ["Basic bWU6c2VjcmV0"]


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
