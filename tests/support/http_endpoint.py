"""An HTTP server on this machine that answers as a test says."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

HOST = "127.0.0.1"
Answer = tuple[int, object]
"""A status, and bytes or what becomes JSON."""


class Request(NamedTuple):
    """What was asked."""

    path: str
    authorization: str | None
    body: bytes


class Endpoint:
    """Answers by path, otherwise with `default`, and keeps the requests."""

    def __init__(self, default: Answer) -> None:
        self.answers: dict[str, Answer] = {}
        self.default = default
        self.requests: list[Request] = []
        self.url = ""


@contextmanager
def serving(default: Answer = (200, {})) -> Iterator[Endpoint]:
    """Serve on a free port until the end of the block."""
    endpoint = Endpoint(default)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            endpoint.requests.append(Request(path, self.headers.get("Authorization"), body))
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

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        endpoint.url = f"http://{HOST}:{server.server_port}"
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()
