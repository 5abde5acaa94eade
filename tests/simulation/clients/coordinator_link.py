"""What lies between a client and its group coordinator: delays, pauses, broken connections, moves."""

from collections.abc import Callable
from typing import TypeVar

from tests.simulation.kafka.groups import Group
from tests.simulation.world import Process

A = TypeVar("A")

_RETRY_SECONDS = 0.5  # how long librdkafka waits before it looks for its coordinator again


class CoordinatorLink:
    """Sends requests; tells when the coordinator stops to hear this client, or hears it again."""

    def __init__(
        self, process: Process, group: Group, reachable: Callable[[], bool], changed: Callable[[], None]
    ) -> None:
        self.silent_since: float | None = None
        """Since when no heartbeat is answered; None while they are."""
        self.heard = True
        """Whether this client's heartbeats arrive where its coordinator is, or is going to be."""
        self._process = process
        self._world = process.world
        self.group = group
        self._reachable = reachable
        self._changed = changed
        self._closed = False
        self._asked = 0
        self._arrival = 0.0  # of the latest request: they arrive in order
        self._outstanding: dict[int, Callable[[], None]] = {}  # request -> what tells the client that it has failed
        process.on_exit.append(self.update)
        process.on_pause.append(self._paused)
        group.on_move.append(self.update)

    def ask(self, request: Callable[[Callable[[A], None]], None], handle: Callable[[A | None], None]) -> None:
        """Send a request and hand its answer to `handle`: None where the connection breaks before it comes."""
        self._asked += 1
        number = self._asked
        self._outstanding[number] = lambda: self._deliver(lambda: handle(None))

        def answer(what: A) -> None:
            if number in self._outstanding:
                self._world.after(self._delay(), lambda: self._receive(number, lambda: handle(what)))

        def arrive() -> None:
            if number not in self._outstanding:
                return
            if self._process.paused:
                self._world.after(self._process.paused_until - self._world.now, arrive)
            elif self._connected():
                request(answer)
            else:
                self._world.after(_RETRY_SECONDS * (1 + self._world.random.random()), lambda: self._fail(number))

        self._send(arrive)

    def tell(self, request: Callable[[], None]) -> None:
        """Send a request whose answer does not matter."""

        def arrive() -> None:
            if self._connected():
                request()

        self._send(arrive)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Have the client do something after so long, if it still lives; a paused one does it when it goes on."""
        self._world.after(seconds, lambda: self._deliver(action))

    def update(self) -> None:
        """Look whether the connection has broken, or is there again."""
        process = self._process
        heard = process.alive and not process.paused and not self._closed and self._reachable()
        silent = not (heard and self.group.available)
        if not self._connected():
            for number in list(self._outstanding):
                self._fail(number)
        if heard == self.heard and silent == (self.silent_since is not None):
            return
        self.heard = heard
        self.silent_since = (self.silent_since or self._world.now) if silent else None
        self._changed()

    def close(self) -> None:
        """Send and receive nothing any more."""
        self._closed = True
        self._process.on_exit.remove(self.update)
        self._process.on_pause.remove(self._paused)
        self.group.on_move.remove(self.update)
        self._outstanding.clear()
        self.update()

    def _connected(self) -> bool:
        return self._process.alive and not self._closed and self.group.available and self._reachable()

    def _send(self, arrive: Callable[[], None]) -> None:
        self._arrival = max(self._arrival, self._world.now + self._delay())
        self._world.after(self._arrival - self._world.now, arrive)

    def _delay(self) -> float:
        return 0.001 + self._world.random.random() * 0.02

    def _receive(self, number: int, handle: Callable[[], None]) -> None:
        if self._outstanding.pop(number, None) is not None:
            self._deliver(handle)

    def _fail(self, number: int) -> None:
        fail = self._outstanding.pop(number, None)
        if fail is not None:
            fail()

    def _deliver(self, action: Callable[[], None]) -> None:
        if not self._process.alive or self._closed:
            return
        if self._process.paused:
            self._world.after(self._process.paused_until - self._world.now, lambda: self._deliver(action))
        else:
            action()

    def _paused(self) -> None:
        self.update()
        self._world.after(self._process.paused_until - self._world.now, self._go_on)

    def _go_on(self) -> None:
        if self._process.paused:
            self._world.after(self._process.paused_until - self._world.now, self._go_on)
        elif not self._closed:
            self.update()
