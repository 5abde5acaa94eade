"""/metrics, /livez and /readyz: what the process knows of itself, and the thread that tells it over HTTP."""

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from consumer.errors import WorkerError

LOOP_SECONDS: Final = 90.0  # longest that the loop may be silent: its longest pause, one delivery, and some
BROKER_SECONDS: Final = (
    15.0  # how lately a broker must have answered to be ready: even an idle member hears one every 5 s
)
logger: Final = logging.getLogger(__name__)
_PLAIN: Final = "text/plain; charset=utf-8"


class Health:
    """Liveness and readiness as of now. Told by one thread, asked by any.

    `clock` is monotonic, in seconds; `stopping` says whether the worker was told to stop.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        stopping: Callable[[], bool] = lambda: False,
        *,
        loop_seconds: float = LOOP_SECONDS,
        broker_seconds: float = BROKER_SECONDS,
    ) -> None:
        self._clock = clock
        self._loop_seconds = loop_seconds
        self._broker_seconds = broker_seconds
        self._ticked = clock()
        self._joined = False
        self._answered = -float("inf")  # when a broker last did
        self._stopping = stopping

    def tick(self) -> None:
        """The loop has come round."""
        self._ticked = self._clock()

    def kafka(self, *, joined: bool, silent_seconds: float) -> None:
        """Whether the group has given this worker its share, and how long ago a broker last answered."""
        self._joined = joined
        self._answered = self._clock() - silent_seconds

    def not_live(self) -> str | None:
        """Why the process should be started anew; None when it need not. Never the broker's doing."""
        silent = self._clock() - self._ticked
        return f"the loop has not come round for {silent:.0f} s" if silent > self._loop_seconds else None

    def not_ready(self) -> str | None:
        """Why no events are being scored; None when they are, or would be if there were any."""
        if self._stopping():
            return "stopping"
        silent = self._clock() - self._answered
        if silent > self._broker_seconds:
            return "no broker has answered yet" if silent == float("inf") else f"no broker answered for {silent:.0f} s"
        return self.not_live() or (None if self._joined else "the consumer group has not assigned partitions yet")


class Server:
    """Serves /metrics, /livez and /readyz from threads of its own until it is closed.

    Port 0 takes a free one: `port` says which. Raises WorkerError when the address cannot be had.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry, health: Health) -> None:
        self._http = _bind(host, port, _handler(registry, health))
        self.host: str = host
        self.port: int = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is: http://host:port."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def close(self) -> None:
        """Answer no more; the port is free afterwards."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own looks the host's full name up, which can take seconds

    def handle_error(self, *_: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # a client that goes away in the middle is no news
            logger.error("the metrics server could not answer", exc_info=error)


def _bind(host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> _Http:
    try:
        return _Http(host, port, handler)
    except (OSError, UnicodeError) as error:  # the latter of names such as a..b
        why = getattr(error, "strerror", None) or "no such address"
        remedy = "another --metrics-port, or 0 for a free one" if port else "another --metrics-host"
        raise WorkerError(f"metrics cannot be served on {host} port {port}: {why}: try {remedy}") from None


def require_free(host: str, port: int) -> None:
    """Raises WorkerError when a `Server` could not be had there now."""
    _bind(host, port, BaseHTTPRequestHandler).server_close()


def _handler(registry: CollectorRegistry, health: Health) -> type[BaseHTTPRequestHandler]:
    def answer(path: str, accept: str | None) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        if path == "/metrics":
            encode, kind = choose_encoder(accept or "")
            return 200, kind, encode(registry)
        if path in ("/livez", "/readyz"):
            reason = health.not_live() if path == "/livez" else health.not_ready()
            return (200, _PLAIN, b"ok\n") if reason is None else (503, _PLAIN, f"{reason}\n".encode())
        return 404, _PLAIN, b"/metrics, /livez or /readyz\n"

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # a client that says nothing holds no thread for longer

        def do_GET(self) -> None:
            status, kind, body = answer(self.path.split("?", 1)[0], self.headers.get("Accept"))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *args: Any) -> None:
            """Say nothing: a scrape every few seconds is no news."""

    return Handler
