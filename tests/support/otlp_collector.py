"""An OTLP collector: takes spans over HTTP, as protobuf, and remembers them and every byte of them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

HOST = "127.0.0.1"


class Collector:
    """What has been sent to it."""

    def __init__(self) -> None:
        self.received = b""
        self.paths: list[str] = []
        self.resources: list[dict[str, str | int]] = []
        self.spans: list[Span] = []
        self.url = ""

    def take(self, path: str, body: bytes) -> None:
        """One request."""
        self.received += body
        self.paths.append(path)
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(attributes(sent.resource.attributes))
            self.spans += [span for scope in sent.scope_spans for span in scope.spans]

    def named(self, beginning: str) -> list[Span]:
        """The spans whose name begins with it."""
        return [span for span in self.spans if span.name.startswith(beginning)]

    def children(self, parent: Span) -> dict[str, Span]:
        """By name."""
        return {span.name: span for span in self.spans if span.parent_span_id == parent.span_id}


def attributes(pairs: Any) -> dict[str, str | int]:
    """Texts and whole numbers by name."""
    found: dict[str, str | int] = {}
    for pair in pairs:
        assert isinstance(pair, KeyValue)
        found[pair.key] = pair.value.string_value or pair.value.int_value
    return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """One that runs."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        collector.url = f"http://{HOST}:{server.server_port}"
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
