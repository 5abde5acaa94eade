"""A proxy that makes a Kafka client forget its brokers while it waits for committed offsets.

From a request for committed offsets on, the connections open by then get no answer to such a request, and read in each
answer to a request for metadata that the cluster has no brokers: a node says so that hung and is not let in again yet
(librdkafka issue 5301). Later connections are served as ever.
"""

import asyncio
import contextlib
import struct
from typing import Final

from tests.faults.proxy import Forwarder

_METADATA: Final = 3
_OFFSET_FETCH: Final = 9
_NO_BROKERS: Final = bytes([1])  # an empty compact array
_NO_TAGS: Final = bytes([0])
_ENDS: Final = (OSError, asyncio.IncompleteReadError, asyncio.CancelledError)


class AmnesiaProxy(Forwarder):
    """Forwards a port of this machine to another until it is told to make clients forget."""

    def __init__(self, port: int, to: int) -> None:
        super().__init__(port, to)
        self.lies = 0
        """Answers without a broker since `forget_at_offset_fetch`."""
        self._topic, self._armed = "", False
        self._connections: set[int] = set()
        self._forgetting: set[int] = set()

    def forget_at_offset_fetch(self, topic: str) -> None:
        """The next request for committed offsets begins it; the answers without brokers hold this topic."""
        self.lies, self._topic, self._armed = 0, topic, True

    async def _forward(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        broker: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        (reader, writer), (there, back) = client, broker
        connection = id(writer)
        self._connections.add(connection)
        try:
            await asyncio.gather(self._requests(connection, reader, back, writer), self._answers(there, writer))
        finally:
            self._connections.discard(connection)
            self._forgetting.discard(connection)
            back.close()
            writer.close()

    async def _requests(
        self, connection: int, reader: asyncio.StreamReader, broker: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(*_ENDS):
            while True:
                frame = await _frame(reader)
                answer = self._own_answer(connection, *struct.unpack_from(">hhi", frame))
                if answer is None:
                    broker.write(_framed(frame))
                else:
                    client.write(answer)
        broker.close()

    async def _answers(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*_ENDS):
            while True:
                client.write(_framed(await _frame(reader)))
        client.close()

    def _own_answer(self, connection: int, api: int, version: int, correlation: int) -> bytes | None:
        """What is answered in the broker's place: None for a request that is passed on, nothing at all for one lost."""
        if self._armed and api == _OFFSET_FETCH:
            self._armed, self._forgetting = False, set(self._connections)
        if connection not in self._forgetting:
            return None
        if api == _METADATA:
            self.lies += 1
            return _framed(_without_brokers(version, correlation, self._topic))
        return b"" if api == _OFFSET_FETCH else None


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


def _framed(message: bytes) -> bytes:
    return struct.pack(">i", len(message)) + message


def _without_brokers(version: int, correlation: int, topic: str) -> bytes:
    """A metadata response, in the versions with compact arrays and topic ids (10 and later). The client takes one
    without brokers seriously only when it holds a topic."""
    assert version >= 10, f"metadata in version {version} is not known here"
    name, no_leader = topic.encode(), 5
    one = struct.pack(">hB", no_leader, len(name) + 1) + name + bytes(16)  # its id
    one += bytes([0, 1]) + struct.pack(">i", 0) + _NO_TAGS  # not internal, no partitions, no operations
    no_cluster_id, no_controller = bytes([0]), struct.pack(">i", -1)
    body = struct.pack(">i", 0) + _NO_BROKERS + no_cluster_id + no_controller + bytes([2]) + one
    if version == 10:
        body += struct.pack(">i", 0)  # no operations of the cluster
    if version >= 13:
        body += struct.pack(">h", 0)  # no error
    return struct.pack(">i", correlation) + _NO_TAGS + body + _NO_TAGS
