"""A TCP proxy that makes a network slow, or cuts it: nothing passes, and nobody is told."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from tests.brokers import HOST

_CHUNK = 65536


class Proxy:
    """Forwards a port of this machine to another; `delay` seconds go by in each direction.

    Cut, it takes what comes and passes nothing on until it is healed: then all of it, in order, as TCP would.
    """

    def __init__(self, port: int, to: int) -> None:
        self.address = f"{HOST}:{port}"
        self.delay = 0.0
        self._port, self._to = port, to
        self._loop = asyncio.new_event_loop()
        self._open: asyncio.Event  # made on the loop
        self._ready = threading.Event()

    def cut(self) -> None:
        """Nothing passes from now on."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        """Everything passes again."""
        self._loop.call_soon_threadsafe(self._open.set)

    async def _serve(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._ended = asyncio.Event()
        async with await asyncio.start_server(self._accept, HOST, self._port):
            self._ready.set()
            await self._ended.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(HOST, self._to)
        except OSError:
            writer.close()
            return
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

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
def running_proxy(port: int, to: int) -> Iterator[Proxy]:
    """A proxy that listens."""
    proxy = Proxy(port, to)
    thread = threading.Thread(target=lambda: proxy._loop.run_until_complete(proxy._serve()), name="proxy")
    thread.start()
    try:
        assert proxy._ready.wait(10), "the proxy does not start"
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(proxy._ended.set)
        thread.join()
        proxy._loop.close()
