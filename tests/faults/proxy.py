"""A TCP proxy that makes a network slow, or cuts it: nothing passes, and nobody is told."""

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Self, TypeVar

from tests.support.kafka.brokers import HOST, KafkaBroker, free_ports

_CHUNK = 65536
F = TypeVar("F", bound="Forwarder")


class Forwarder(ABC):
    """Forwards a port of this machine to another, on a loop of its own."""

    def __init__(self, port: int, to: int) -> None:
        self.address = f"{HOST}:{port}"
        self._port, self._to = port, to
        self._loop = asyncio.new_event_loop()
        self._ready, self._ended = threading.Event(), asyncio.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Listen until the end of the block."""
        thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), name="proxy")
        thread.start()
        try:
            assert self._ready.wait(10), "the proxy does not start"
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._ended.set)
            thread.join()
            self._loop.close()

    async def _serve(self) -> None:
        async with await asyncio.start_server(self._accept, HOST, self._port):
            self._ready.set()
            await self._ended.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(HOST, self._to)
        except OSError:
            writer.close()
            return
        await self._forward((reader, writer), (there, back))

    @abstractmethod
    async def _forward(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        broker: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Carry both directions of one connection until it ends."""


class Proxy(Forwarder):
    """Forwards a port of this machine to another; `delay` seconds go by in each direction.

    Cut, it takes what comes and passes nothing on until it is healed: then all of it, in order, as TCP would.
    """

    def __init__(self, port: int, to: int) -> None:
        super().__init__(port, to)
        self.delay = 0.0
        self._open = asyncio.Event()
        self._open.set()

    def cut(self) -> None:
        """Nothing passes from now on."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        """Everything passes again."""
        self._loop.call_soon_threadsafe(self._open.set)

    async def _forward(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        broker: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(self._carry(client[0], broker[1]), self._carry(broker[0], client[1]))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, until either end closes."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1000)
        reading = asyncio.create_task(self._read(reader, chunks))
        with contextlib.suppress(OSError):
            while (due_and_chunk := await chunks.get())[1]:
                await asyncio.sleep(due_and_chunk[0] - self._loop.time())
                await self._open.wait()
                writer.write(due_and_chunk[1])
                await writer.drain()
        reading.cancel()
        writer.close()

    async def _read(self, reader: asyncio.StreamReader, chunks: asyncio.Queue[tuple[float, bytes]]) -> None:
        chunk = b"-"
        while chunk:
            try:
                chunk = await reader.read(_CHUNK)
            except OSError:
                chunk = b""
            await chunks.put((self._loop.time() + self.delay, chunk))


@contextlib.contextmanager
def broker_behind(proxy: Callable[[int, int], F]) -> Iterator[tuple[str, F]]:
    """Start a broker with two ways to it. Yields the address past the proxy, and the proxy."""
    port, behind, near, controller = free_ports(4)
    properties = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,FAR:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": f"PLAINTEXT://{HOST}:{near},FAR://{HOST}:{behind},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{near},FAR://{HOST}:{port}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
    }
    with KafkaBroker(near, properties) as node, proxy(port, behind).running() as running:
        yield node.address, running
