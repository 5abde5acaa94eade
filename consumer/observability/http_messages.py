"""Requests and responses of the metrics server."""

import re
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, generate_latest

from consumer.observability.health import Health

HEAD_BYTES: Final = 16 * 1024
_PLAIN: Final = "text/plain; charset=utf-8"
_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")


class Request(NamedTuple):
    """Method, path without its query, and the Accept header."""

    method: str
    path: str
    accept: str


class Response(NamedTuple):
    """Status, content type and body."""

    status: HTTPStatus
    content_type: str
    body: bytes


def parse(received: bytes) -> Request | HTTPStatus | None:
    """Read the head of a request; None when it is incomplete, a status when it is malformed or too long."""
    head = received.lstrip(b"\r\n")
    end = _END_OF_HEAD.search(head)
    if end is None:
        if len(received) <= HEAD_BYTES:  # leading empty lines count, too
            return None
        too_long = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        return too_long if b"\n" in received else HTTPStatus.REQUEST_URI_TOO_LONG
    first, *lines = head[: end.start()].decode("latin-1").split("\n")
    match first.split():
        case [method, target, version] if version.startswith("HTTP/1."):
            headers = [line.partition(":") for line in lines]
            accept = [value.strip() for name, _, value in headers if name.strip().lower() == "accept"]
            return Request(method, target.partition("?")[0], ",".join(accept))
    return HTTPStatus.BAD_REQUEST


def respond(request: Request, registry: CollectorRegistry, health: Health) -> Response:
    """Answer a request."""
    if request.method not in {"GET", "HEAD"}:
        return plain_text(HTTPStatus.METHOD_NOT_ALLOWED, "GET or HEAD")
    if request.path == "/metrics":
        return Response(HTTPStatus.OK, *_exposition(registry, request.accept))
    if request.path in {"/livez", "/readyz"}:
        reason = health.liveness_failure() if request.path == "/livez" else health.readiness_failure()
        return plain_text(HTTPStatus.OK, "ok") if reason is None else plain_text(HTTPStatus.SERVICE_UNAVAILABLE, reason)
    return plain_text(HTTPStatus.NOT_FOUND, "/metrics, /livez or /readyz")


def _exposition(registry: CollectorRegistry, accept: str) -> tuple[str, bytes]:
    """Return content type and body in the accepted format, in the default one when Accept is malformed."""
    try:
        encode, content_type = choose_encoder(accept)
        if content_type.isascii() and content_type.isprintable():  # it repeats the version of the request
            return content_type, encode(registry)
    except Exception:  # noqa: BLE001, S110 - of several kinds, by untrusted text; an error of our own is raised again below
        pass
    return choose_encoder("")[1], generate_latest(registry)


def plain_text(status: HTTPStatus, text: str) -> Response:
    return Response(status, _PLAIN, f"{text}\n".encode())


def encode(response: Response, *, head_only: bool = False) -> bytes:
    """Return the bytes of a response, after which the connection is closed."""
    status, content_type, body = response
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(["Allow: GET, HEAD"] if status == HTTPStatus.METHOD_NOT_ALLOWED else []),
    ]
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return head if head_only else head + body
