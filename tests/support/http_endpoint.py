"""An HTTP server on this machine that answers as a test says."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

HOST = "127.0.0.1"
Answer = tuple[int, object]
"""A status, and bytes or what becomes JSON."""


class Request(NamedTuple):
    """What was asked."""

    path: str
    authorization: str | None
    body: bytes
    query: str


class Endpoint:
    """Answers by path, otherwise with `default`, and keeps the requests."""

    def __init__(self, default: Answer) -> None:
        self.answers: dict[str, Answer] = {}
        self.default = default
        self.requests: list[Request] = []
        self.url = ""


@contextmanager
def serving(default: Answer = (200, {}), certificate: Path | None = None) -> Iterator[Endpoint]:
    """Serve on a free port until the end of the block; by TLS with a certificate, for `localhost`."""
    endpoint = Endpoint(default)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            endpoint.requests.append(Request(path, self.headers.get("Authorization"), body, query))
            status, answer = endpoint.answers.get(path, endpoint.default)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Print nothing: a client may hang up."""

    with Server((HOST, 0), Handler) as server:
        endpoint.url = f"http://{HOST}:{server.server_port}"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            endpoint.url = f"https://localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()
