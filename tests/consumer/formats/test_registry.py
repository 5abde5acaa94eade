"""A schema registry answers, refuses, is away, or is none."""

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
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
from tests.support.kafka.certificates import Authority

AVRO = '{"type": "record", "name": "S", "fields": []}'


class Server(HTTPServer):
    """Answers by path, and counts the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, object]] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.queries: list[str] = []
        self.default: tuple[int, object] = (404, {"error_code": 40403, "message": "no"})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self.server.queries.append(query)
        self.server.requests.append((path, self.headers.get("Authorization")))
        status, answer = self.server.answers.get(path, self.server.default)
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def registry(server: Server, clock: Clock | None = None, **properties: str) -> Registry:
    named = {name.replace("_", "."): text for name, text in properties.items()}
    return Registry(server.url, named, 60, clock or Clock())


def test_a_schema_has_its_type_and_references(server: Server) -> None:
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


def test_avro_is_the_type_of_a_schema_without_one(server: Server) -> None:
    server.answers = {"/schemas/ids/7": (200, {"schema": AVRO})}
    assert registry(server).schema(7) == RegisteredSchema(7, "AVRO", AVRO)


def test_a_schema_is_fetched_by_guid(server: Server) -> None:
    server.answers = {f"/schemas/guids/{UUID(int=7)}": (200, {"schema": AVRO})}
    assert registry(server).schema(UUID(int=7)) == RegisteredSchema(UUID(int=7), "AVRO", AVRO)


def test_the_latest_schema_of_a_subject_is_fetched(server: Server) -> None:
    latest = {"subject": "sessions-value", "version": 2, "id": 9, "schema": AVRO}
    server.answers = {"/subjects/sessions-value/versions/latest": (200, latest)}

    assert registry(server).latest("sessions-value") == RegisteredSchema(9, "AVRO", AVRO)
    assert registry(server).latest("other-value") is None


@pytest.mark.parametrize("code", [40401, 40402, 40403])
def test_a_schema_that_is_not_there_is_none(server: Server, code: int) -> None:
    server.default = (404, {"error_code": code, "message": "no"})
    assert registry(server).schema(8) is None


@pytest.mark.parametrize("answer", [b"", b"<html>", {"error": "no"}, {"error_code": 404}])
def test_a_wrong_path_is_an_error(server: Server, answer: object) -> None:
    server.default = (404, answer)
    with pytest.raises(WorkerError, match="answers HTTP 404, not as a schema registry: is the path"):
        registry(server).schema(8)


def test_odd_answers_of_a_registry_mean_no_schema(server: Server) -> None:
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
def test_an_answer_of_another_program_is_an_error(server: Server, status: int, answer: object) -> None:
    server.default = (status, answer)
    with pytest.raises(WorkerError, match=r"answers .*, not as a schema registry: is the path of its URL") as raised:
        registry(server).schema(8)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(("status", "answer"), OTHER_ANSWERS)
def test_an_answer_of_a_proxy_before_the_registry_means_that_it_is_away(
    server: Server, clock: Clock, status: int, answer: object
) -> None:
    fetched = registry(server, clock)
    assert fetched.schema(8) is None  # it is a registry

    server.default = (status, answer)
    with pytest.raises(UnavailableError, match=r"does not answer: .*, not from a schema registry$"):
        fetched.schema(9)
    clock.now += 60
    with pytest.raises(WorkerError, match=r"has not answered for 60 s: .*, not from a schema registry$"):
        fetched.schema(9)


def test_references_end_and_are_fetched_once(server: Server) -> None:
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


def test_a_deleted_version_is_still_referred_to(server: Server) -> None:
    reference = {"name": "a", "subject": "a", "version": 1}
    server.answers = {
        "/schemas/ids/7": (200, {"schema": "main", "references": [reference]}),
        "/subjects/a/versions/1": (200, {"subject": "a", "version": 1, "id": 1, "schema": "text"}),
    }

    registry(server).schema(7)

    assert server.queries == ["", "deleted=true"]


def test_a_header_that_cannot_be_sent_is_not_shown(server: Server) -> None:
    token = {"bearer.auth.token": "secret ", "bearer.auth.credentials.source": "STATIC_TOKEN"}
    others = {"bearer.auth.logical.cluster": "a", "bearer.auth.identity.pool.id": "b"}
    with pytest.raises(UnavailableError, match=r"does not answer: LocalProtocolError$"):
        Registry(server.url, token | others, 60, Clock()).schema(7)


def test_a_registry_that_is_asked_once_is_not_waited_for() -> None:
    with pytest.raises(WorkerError, match=r":1 does not answer: ConnectError"):
        Registry("http://127.0.0.1:1", {}, 0, Clock()).latest("sessions-value")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_an_error(server: Server, status: int) -> None:
    server.default = (status, {"error_code": status, "message": "secret"})
    with pytest.raises(WorkerError, match=rf"refuses access \(HTTP {status}\): set -R basic.auth.user.info") as raised:
        registry(server).schema(7)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_registry_may_be_away_for_a_while(server: Server, clock: Clock, status: int) -> None:
    fetched = registry(server, clock)
    server.default = (status, {})
    for second in (0, 59):
        clock.now = 100 + second
        with pytest.raises(UnavailableError, match=f"does not answer: HTTP {status}"):
            fetched.schema(7)

    server.default = (404, {"error_code": 40403})
    assert fetched.schema(7) is None
    server.default = (status, {})
    with pytest.raises(UnavailableError):
        fetched.schema(7)
    clock.now += 60
    with pytest.raises(WorkerError, match=f"has not answered for 60 s: HTTP {status}"):
        fetched.schema(7)


def test_a_registry_that_refuses_connections_is_away() -> None:
    fetched = Registry("http://127.0.0.1:1", {}, 60, Clock())
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 does not answer: ConnectError"):
        fetched.schema(7)


def test_a_registry_whose_certificate_is_unknown_names_the_property(server: Server, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Authority(tmp_path).store("localhost"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the client hangs up

    with pytest.raises(UnavailableError, match=r"CERTIFICATE_VERIFY_FAILED.*; set -R ssl\.ca\.location$"):
        Registry(f"https://localhost:{server.server_port}", {}, 60, Clock()).schema(7)


def test_the_latest_schema_that_cannot_be_used_is_named(server: Server) -> None:
    latest = {"subject": "sessions-value", "version": 2, "id": 9, "schema": '"shop.City"'}
    server.answers = {"/subjects/sessions-value/versions/latest": (200, latest)}

    with pytest.raises(WorkerError, match=r"^schema 9 cannot be used, its events become dead letters: not an Avro"):
        latest_schema("avro", server.url, {}, "sessions-value")


def test_the_settings_know_the_same_properties_as_numbers() -> None:
    checked = {name for name, fault in SCHEMA_REGISTRY.faults.items() if fault is fault_of_number}
    assert checked == registry_module._NUMERIC


def test_user_and_password_are_sent(server: Server) -> None:
    registry(server, basic_auth_user_info="me:secret").schema(7)
    assert server.requests == [("/schemas/ids/7", "Basic bWU6c2VjcmV0")]


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
        Registry("http://localhost", properties, 60, Clock())
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)
