"""HTTP server of /metrics, /livez and /readyz.

One thread, a bounded number of connections, and one deadline per request: a client that sends or reads slowly only
occupies a descriptor for a while. The thread-per-connection server of the standard library had 1,015 threads under 988
slow clients, and did not answer /livez once descriptors had run out.
"""

import errno
import logging
import resource
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry

from consumer.errors import WorkerError
from consumer.observability.health import Health
from consumer.observability.http_messages import HEAD_BYTES, Request, Response, encode, parse, plain_text, respond

Listener = TypeVar("Listener")

logger: Final = logging.getLogger("consumer.observability.http_server")

MOST_CONNECTIONS: Final = 64
REQUEST_SECONDS: Final = 10.0  # from the connection to the last byte of the response
_PROTECTED_SECONDS: Final = 0.02  # for a client to send its request before a newer one may replace it
_LINGER_SECONDS: Final = 1.0  # for a client to close after its response
_PAUSE_SECONDS: Final = 0.2  # until the next accept after one that failed for lack of descriptors or memory
_ACCEPTED_AT_ONCE: Final = 16
_BACKLOG: Final = 1024  # a client beyond it retries after a second
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class PortInUseError(WorkerError):
    """Another process listens on the port."""


class Server:
    """Serves /metrics, /livez and /readyz on a thread of its own until it is closed.

    Port 0 picks a free one, see `port`. Raises WorkerError when it cannot listen on the address.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        health: Health,
        *,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        listener = _listen(host, port)
        self.registry = registry
        self.host: str = host
        self.port: int = listener.getsockname()[1]

        def answer(request: Request) -> Response:
            return respond(request, registry, health)

        self._loop = _Loop(listener, answer, request_seconds)
        self._thread = threading.Thread(target=self._loop.run, name="metrics", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The server's address: http://host:port."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def close(self) -> None:
        """Stop answering; the port is free afterwards."""
        self._loop.stop()
        self._thread.join()


def require_free(host: str, port: int) -> None:
    """Raise WorkerError when a `Server` cannot listen there now."""
    _listen(host, port).close()


def on_first_free(ports: Iterable[int], listen: Callable[[int], Listener]) -> Listener:
    """Return the result of `listen` on the first port that is not in use. Raise the first port's WorkerError."""
    first: PortInUseError | None = None
    for port in ports:
        try:
            return listen(port)
        except PortInUseError as error:
            first = first or error
    raise first or ValueError("no port to try")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.settimeout(0.0)
            listener.bind((host, port))
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:  # the latter of names such as a..b
        why = getattr(error, "strerror", None) or "no such address"
        remedy = "another --metrics-port, or 0 for a free one" if port else "another --metrics-host"
        kind = PortInUseError if getattr(error, "errno", None) == errno.EADDRINUSE else WorkerError
        raise kind(f"metrics cannot be served on {host} port {port}: {why}: try {remedy}") from None
    return listener


def _most_connections() -> int:
    """Return the limit of open connections: 64, or a quarter of the process's descriptors."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if descriptors < 0 else max(1, min(MOST_CONNECTIONS, descriptors // 4))


class _Connection:
    """One client: its request, and the rest of its response. Times are by time.monotonic."""

    def __init__(self, client: socket.socket, seconds: float) -> None:
        self.socket = client
        self.accepted = time.monotonic()
        self.deadline = self.accepted + seconds
        self.request: Request | HTTPStatus | None = None  # not answered yet; a status when it is malformed
        self.response = memoryview(b"")  # the rest to send
        self.answered = False
        self._received = b""

    def receive(self) -> None:
        """Read available bytes. Raise OSError when the client has disconnected."""
        data = self.socket.recv(HEAD_BYTES)
        if self.request is not None:
            return  # bytes after a request are ignored
        if not data:
            raise ConnectionResetError
        if not self.answered:
            self._received += data
            if b"\n" in data or len(self._received) > HEAD_BYTES:
                self.request = parse(self._received)

    def answer(self, response: bytes) -> None:
        """Begin to send the response."""
        self.request, self.answered, self.response = None, True, memoryview(response)

    def send(self) -> None:
        """Send what fits; after the last byte the client has to close. Raise OSError when it has disconnected."""
        self.response = self.response[self.socket.send(self.response) :]
        if not self.response:
            self.socket.shutdown(socket.SHUT_WR)  # close() with unread input would lose the response to a reset
            self.deadline = min(self.deadline, time.monotonic() + _LINGER_SECONDS)


class _Loop:
    """Serves the connections in turn, probes before scrapes."""

    def __init__(self, listener: socket.socket, answer: Callable[[Request], Response], seconds: float) -> None:
        self._listener = listener
        self._answer = answer
        self._seconds = seconds
        self._most = _most_connections()
        self._connections: dict[socket.socket, _Connection] = {}
        self._paused_until: float | None = None  # no connection is accepted before
        self._stopped = False
        self._waker, self._wake = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def stop(self) -> None:
        """Let `run` return. Thread-safe."""
        self._stopped = True
        self._wake.close()  # makes the other end readable

    def run(self) -> None:
        """Serve until stopped, then close all sockets."""
        while not self._stopped:
            for key, _ in self._selector.select(self._timeout()):
                if key.data is not None:
                    key.data()
            self._answer_requests()
            self._expire(time.monotonic())
        for open_socket in (*self._connections, self._listener, self._waker):
            open_socket.close()
        self._selector.close()

    def _timeout(self) -> float | None:
        """Return the seconds until the next deadline, 0 with requests to answer, None without any."""
        if any(connection.request is not None for connection in self._connections.values()):
            return 0.0
        times = [connection.deadline for connection in self._connections.values()]
        if self._paused_until is not None:
            times.append(self._paused_until)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if len(self._connections) >= self._most and not self._make_room():
                return
            try:
                client, _ = self._listener.accept()
            except OSError as error:  # also when none is left, or the client has disconnected
                if error.errno in _EXHAUSTED:
                    self._make_room()
                return
            client.settimeout(0.0)
            self._connections[client] = connection = _Connection(client, self._seconds)
            self._selector.register(client, selectors.EVENT_READ, partial(self._serve, connection))
            self._serve(connection)  # the request mostly arrives with the connection

    def _make_room(self) -> bool:
        """Close the connection that can best be spared; if none can, return False and stop accepting for a while."""
        idle = [connection for connection in self._connections.values() if connection.request is None]
        oldest = min(idle, key=lambda connection: (not connection.answered, connection.accepted), default=None)
        protected = 0.0 if oldest is None or oldest.answered else oldest.accepted + _PROTECTED_SECONDS
        if oldest is None or protected > time.monotonic():
            # select would return at once as long as clients wait in the listener's queue
            self._paused_until = protected or time.monotonic() + _PAUSE_SECONDS
            self._selector.unregister(self._listener)
            return False
        self._close(oldest)
        return True

    def _serve(self, connection: _Connection) -> None:
        """Send or receive, as the socket is ready."""
        if connection.socket not in self._connections:
            return  # closed in this round
        before = bool(connection.response)
        try:
            if connection.response:
                connection.send()
            else:
                connection.receive()
        except BlockingIOError:
            pass
        except OSError:  # the client has disconnected
            self._close(connection)
            return
        if before and not connection.response:
            self._wait_for(connection, selectors.EVENT_READ)

    def _wait_for(self, connection: _Connection, event: int) -> None:
        self._selector.modify(connection.socket, event, partial(self._serve, connection))

    def _answer_requests(self) -> None:
        """Answer all probes, and one scrape, which delays the next probe by milliseconds."""
        probes: list[_Connection] = []
        scrapes: list[_Connection] = []
        for connection in self._connections.values():
            if connection.request is not None:
                is_scrape = isinstance(connection.request, Request) and connection.request.path == "/metrics"
                (scrapes if is_scrape else probes).append(connection)
        for connection in [*probes, *scrapes[:1]]:
            connection.answer(self._response(connection.request))
            self._wait_for(connection, selectors.EVENT_WRITE)
            self._serve(connection)

    def _response(self, request: Request | HTTPStatus | None) -> bytes:
        if not isinstance(request, Request):
            status = request or HTTPStatus.BAD_REQUEST
            return encode(plain_text(status, status.phrase))
        try:
            response = self._answer(request)
        except Exception as error:
            logger.error("the metrics server could not answer", exc_info=error)  # noqa: TRY400 - a line, no traceback
            response = plain_text(HTTPStatus.INTERNAL_SERVER_ERROR, "the log of this worker says why")
        return encode(response, head_only=request.method == "HEAD")

    def _expire(self, now: float) -> None:
        for connection in [connection for connection in self._connections.values() if connection.deadline <= now]:
            self._close(connection)
        if self._paused_until is not None and self._paused_until <= now:
            self._paused_until = None
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _close(self, connection: _Connection) -> None:
        del self._connections[connection.socket]
        self._selector.unregister(connection.socket)
        connection.socket.close()
