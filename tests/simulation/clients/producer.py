"""A producer behind confluent_kafka's interface: the transactional state machine of librdkafka 2.16."""

import struct
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from consumer.records import Headers
from tests.simulation.clients.wire import TIMED_OUT, Wire
from tests.simulation.faults import ErrorCode, Faults
from tests.simulation.kafka.cluster import Cluster
from tests.simulation.kafka.log import PartitionLog, Record, Transaction
from tests.simulation.kafka.transactions import BrokerError, Identity
from tests.simulation.world import Process

_STATE: Final = ErrorCode(KafkaError._STATE)
_FENCED: Final = ErrorCode(KafkaError._FENCED, fatal=True)
_FENCING: Final = {KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
_INCONSISTENT: Final = ErrorCode(KafkaError._INCONSISTENT, abort=True)  # "message(s) failed delivery"
_QUEUE: Final = 10_000
_STALLED_SECONDS: Final = 20.0  # longer than the product waits for a flush
_EXPIRED: Final = {KafkaError.UNKNOWN_PRODUCER_ID, KafkaError.INVALID_PRODUCER_ID_MAPPING}
_ADD_PARTITIONS_BACKOFF: Final = {  # seconds, until the client asks again to add a partition to the transaction
    KafkaError.CONCURRENT_TRANSACTIONS: 0.02,
    KafkaError.NOT_COORDINATOR: 0.5,
    KafkaError.COORDINATOR_NOT_AVAILABLE: 0.5,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS: 0.5,
}
_MAGIC: Final = b"CGMDv2:"


class _Outgoing(NamedTuple):
    """A record that is queued, for a partition or (-1) for any; once it is sent, why the coordinator refuses that."""

    topic: str
    record: Record
    partition: int = -1
    error: int | None = None


class _Failure(NamedTuple):
    """A record that is not delivered: what its transaction fails on, and the code in its own report."""

    error: ErrorCode
    report: int
    outgoing: _Outgoing


@dataclass(frozen=True, slots=True)
class Committer:
    """The member that group metadata names."""

    generation: int
    group_id: str
    member_id: str

    @classmethod
    def parse(cls, metadata: bytes) -> "Committer":
        """Read librdkafka's own form."""
        (generation,) = struct.unpack_from("=i", metadata, len(_MAGIC))
        group_id, member_id = metadata[len(_MAGIC) + 4 :].split(b"\0")[:2]
        return cls(generation, group_id.decode(), member_id.decode())


class SimulatedProducer:
    """One client. A record that is queued is sent by the client's own thread, some time later."""

    def __init__(self, process: Process, cluster: Cluster, faults: Faults, config: dict[str, Any]) -> None:
        self._process = process
        self._world = process.world
        self._cluster = cluster
        self._wire = Wire(process, faults)
        self._faults = faults
        self._name: str | None = config.get("transactional.id")
        self._timeout = int(config.get("transaction.timeout.ms", 60_000)) / 1000
        self._max_bytes = int(config.get("message.max.bytes", 1 << 20))
        self._linger = int(config.get("linger.ms", 0)) / 1000
        self._on_delivery: Callable[[KafkaError | None, Message], None] = config.get("on_delivery", _ignore)
        self._identity: Identity | None = None
        self._in_transaction = False
        self._registered = False  # the coordinator knows of the transaction
        self._added: dict[PartitionLog, Transaction] = {}  # partitions that the coordinator knows of
        self._error: ErrorCode | None = None  # what the transaction failed on first
        self._needs_new_id = False  # a record has found the producer id expired: the next abort takes another one
        self._untold = False  # a fatal error that no poll has raised yet
        self._queue: deque[_Outgoing] = deque()
        self._in_flight = 0
        self._undelivered = 0  # records of this transaction that failed, or were purged
        self._arrival = 0.0  # of the last batch sent
        self._reports: deque[tuple[KafkaError, Message]] = deque()
        self._sending = False
        self._flushing: list[Any] = []  # threads that wait for the queue to empty
        self._purges = 0

    def __len__(self) -> int:
        return len(self._queue) + self._in_flight + len(self._reports) + self._untold

    # -- transactions ------------------------------------------------------------------------------------------------

    def init_transactions(self, timeout: float) -> None:
        """Take the transactional id."""
        name = self._require_name()
        owner = self._process.name

        def effect() -> Identity:
            return self._cluster.transactions.init_producer(name, owner, self._timeout)

        self._identity = self._transact("init", effect, timeout, hangs=False)
        self._process.tell(f"has {name}, epoch {self._identity.epoch}")

    def begin_transaction(self) -> None:
        """Begin a transaction, locally."""
        self._process.require_alive()
        self._raise_error()
        if self._in_transaction or self._identity is None:
            raise KafkaException(_STATE.error("a transaction is open"))
        self._in_transaction, self._registered = True, False
        self._added.clear()
        self._undelivered = 0

    def send_offsets_to_transaction(
        self, offsets: Sequence[TopicPartition], group_metadata: bytes, timeout: float
    ) -> None:
        """Make offsets part of the transaction."""
        self._require_transaction()
        committer = Committer.parse(group_metadata)
        identity, cluster = self._require_identity(), self._cluster
        chosen = {cluster.index(each.topic, each.partition): each.offset for each in offsets}

        def effect() -> None:
            cluster.transactions.add_offsets(identity)
            self._registered = True
            group = cluster.groups[committer.group_id]
            cluster.transactions.commit_offsets(identity, group, committer.member_id, committer.generation, chosen)

        self._transact("send offsets", effect, timeout, hangs=True)
        self._process.tell(f"{self._name}: offsets {chosen}")

    def commit_transaction(self, timeout: float) -> None:
        """Send what is queued, then commit."""
        self._require_transaction()
        deadline = self._world.now + timeout
        if self._flush(timeout):
            raise KafkaException(TIMED_OUT.error())
        self._raise_error()
        if self._undelivered:
            self._fail(_INCONSISTENT)
            self._raise_error()
        self._end(committed=True, seconds=max(0.0, deadline - self._world.now))
        self._in_transaction = False

    def abort_transaction(self, timeout: float) -> None:
        """Give the transaction up."""
        self._process.require_alive()
        if self._error is not None and self._error.fatal:
            raise KafkaException(self._error.error())
        if not self._in_transaction:
            raise KafkaException(_STATE.error("no transaction is open"))
        self._purge()
        if self._error is not None and self._error.code in _EXPIRED:
            self._registered = False
        self._error = None
        self._end(committed=False, seconds=timeout)
        if self._needs_new_id:  # until it is there the abort is not done, and the next call goes on with it
            self._take_new_id(timeout)
        self._in_transaction = False

    def _take_new_id(self, seconds: float) -> None:
        """Replace an expired producer id. One that only send_offsets has found expired is kept (librdkafka 2.16)."""
        name, owner, identity = self._require_name(), self._process.name, self._require_identity()

        def effect() -> Identity:
            return self._cluster.transactions.init_producer(name, owner, self._timeout, identity)

        self._identity = self._transact("abort transaction", effect, seconds, hangs=False)
        self._needs_new_id = False

    def _end(self, *, committed: bool, seconds: float) -> None:
        identity, transactions = self._require_identity(), self._cluster.transactions
        if self._registered:
            kind = "commit transaction" if committed else "abort transaction"
            self._transact(kind, lambda: transactions.end(identity, committed=committed), seconds, hangs=committed)
            self._registered = False

    def _transact(self, kind: str, effect: Callable[[], Any], seconds: float, *, hangs: bool) -> Any:
        try:
            return self._wire.call(kind, effect, seconds, hangs=hangs)
        except BrokerError as refused:
            self._fail(_as_error(refused.code))
            raise KafkaException(_as_error(refused.code).error()) from refused
        except KafkaException as exception:
            error = exception.args[0]
            if error.fatal() or error.txn_requires_abort():
                self._fail(ErrorCode(error.code(), abort=error.txn_requires_abort(), fatal=error.fatal()))
            raise

    def _fail(self, error: ErrorCode) -> None:
        if self._error is None or (error.fatal and not self._error.fatal):
            self._error = error
            self._untold = error.fatal

    def _raise_error(self) -> None:
        if self._error is not None:
            raise KafkaException(self._error.error())

    def _require_name(self) -> str:
        assert self._name is not None, "not a transactional producer"
        return self._name

    def _require_identity(self) -> Identity:
        assert self._identity is not None, "the transactional id is not taken"
        return self._identity

    def _require_transaction(self) -> None:
        self._process.require_alive()
        self._raise_error()
        if not self._in_transaction:
            raise KafkaException(_STATE.error("no transaction is open"))

    # -- records -----------------------------------------------------------------------------------------------------

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int = -1,
        callback: object = None,
        on_delivery: object = None,
        timestamp: int = 0,
        headers: Headers | None = None,
    ) -> None:
        """Queue a record. Raises BufferError when the queue is full."""
        del callback, on_delivery
        self._process.require_alive()
        if self._name is not None and not self._in_transaction:
            raise KafkaException(_STATE.error("no transaction is open"))
        if self._error is not None:
            raise KafkaException(ErrorCode(KafkaError._FATAL if self._error.fatal else KafkaError._STATE).error())
        if len(key or b"") + len(value or b"") > self._max_bytes:
            raise KafkaException(ErrorCode(KafkaError.MSG_SIZE_TOO_LARGE).error())
        if len(self._queue) >= _QUEUE or (self._queue and self._faults.happens("queue full")):
            raise BufferError
        self._queue.append(_Outgoing(topic, Record(key, value, headers or [], timestamp), partition))
        self._send_soon()

    def poll(self, timeout: float) -> int:
        """Serve delivery reports."""
        self._process.require_alive()
        if timeout > 0 and not self._reports:
            self._process.sleep(timeout)
        return self._serve()

    def flush(self, timeout: float) -> int:
        """Wait until all records are delivered or have failed; return how many are not."""
        self._process.require_alive()
        return self._flush(timeout)

    def purge(self) -> None:
        """Drop what is queued and forget what is in flight."""
        self._process.require_alive()
        self._purge()

    def _flush(self, seconds: float) -> int:
        deadline = self._world.now + seconds
        self._serve()
        if self._linger:
            self._world.after(0.0, self._send)  # a flush does not wait for more
        while (self._queue or self._in_flight) and (left := deadline - self._world.now) > 0:
            self._flushing.append(self._world.current)
            self._world.current.wait(left)
            self._serve()
        return len(self._queue) + self._in_flight

    def _serve(self) -> int:
        if self._untold and self._error is not None:  # a fatal error comes out of poll and flush, once
            self._untold = False
            fatal = KafkaException(self._error.error())
            if len(self._reports) % 2:  # the client raises it within the callback of a report
                raise SystemError("returned a result with an exception set") from fatal
            if self._reports:  # the callback has cleared it: by chance, which the parity stands for
                raise SystemError("returned NULL without setting an exception")
            raise fatal
        served = len(self._reports)
        for _ in range(served):
            error, message = self._reports.popleft()
            self._on_delivery(error, message)
        return served

    def _purge(self) -> None:
        self._undelivered += len(self._queue) + self._in_flight
        self._queue.clear()
        self._in_flight = 0
        self._purges += 1
        self._wake()

    def _send_soon(self, delay: float | None = None) -> None:
        if not self._sending:
            self._sending = True
            self._world.after(self._linger or self._wire.latency() if delay is None else delay, self._send)

    def _send(self) -> None:
        """Send some of what is queued, as the client's own thread does."""
        self._sending = False
        process = self._process
        if not process.alive or not self._queue:
            return
        if process.paused or self._wire.is_cut or self._faults.happens("send delayed"):
            self._send_soon(max(process.paused_until, self._wire.cut_until, self._world.now + 1.0) - self._world.now)
            return
        if self._faults.happens("send stalled"):
            self._send_soon(_STALLED_SECONDS)
            return
        batch, backoff = self._take()
        if batch:
            self._in_flight += len(batch)
            purges = self._purges
            self._arrival = max(self._arrival, self._world.now + self._wire.latency())  # batches keep their order
            self._world.after(self._arrival - self._world.now, lambda: self._arrive(batch, purges))
        if self._queue:
            self._send_soon(backoff)

    def _take(self) -> tuple[list[_Outgoing], float | None]:
        """Take some of what is queued; return it, and how long to wait where the coordinator is not ready for it."""
        batch: list[_Outgoing] = []
        count = len(self._queue) if self._linger else self._world.random.randint(1, len(self._queue))
        while len(batch) < count:
            outgoing = self._register(self._queue[0])
            if outgoing.error in _ADD_PARTITIONS_BACKOFF:
                return batch, _ADD_PARTITIONS_BACKOFF[outgoing.error]
            self._queue.popleft()
            batch.append(outgoing)
        return batch, None

    def _register(self, outgoing: _Outgoing) -> _Outgoing:
        """Make the record's partition part of the transaction, which is asked before records are sent there."""
        topic, record, number, _ = outgoing
        partitions = self._cluster.topics[topic].partitions
        if number < 0:
            number = self._partition_of(record, len(partitions))
        if self._identity is None:
            return outgoing._replace(partition=number)
        if partitions[number] not in self._added:
            try:
                self._added[partitions[number]] = self._cluster.transactions.add_partition(
                    self._identity, partitions[number]
                )
            except BrokerError as error:
                return outgoing._replace(error=error.code)
            self._registered = True
        return _Outgoing(topic, record._replace(transaction=self._added[partitions[number]]), number)

    def _arrive(self, batch: list[_Outgoing], purges: int) -> None:
        """Append the batch; it may be that its producer is gone by now."""
        refused = self._refused(batch)
        failed: list[_Failure] = []
        for outgoing in batch:
            if failed and self._name is not None and failed[0].error.fatal:
                failed.append(failed[0]._replace(outgoing=outgoing))
                continue
            failure = self._append(outgoing, refused.get((outgoing.topic, outgoing.partition)))
            if failure is not None:
                failed.append(failure)
        self._world.after(self._wire.latency(), lambda: self._acknowledge(len(batch), failed, purges))

    def _refused(self, batch: list[_Outgoing]) -> dict[tuple[str, int], int]:
        """Return the partitions that refuse their part of the batch, which is all of it for one bad record."""
        codes = ((each, self._cluster.topics[each.topic].refuses(each.record)) for each in batch)
        return {(each.topic, each.partition): code for each, code in codes if code is not None}

    def _append(self, outgoing: _Outgoing, refusal: int | None) -> _Failure | None:
        topic, record, partition, error = outgoing
        if error is not None:  # the record never leaves the client
            return _Failure(_as_error(error), KafkaError._PURGE_QUEUE, outgoing)
        if (planned := self._faults.error("report")) is not None:
            return _Failure(planned, planned.code, outgoing)
        if refusal is not None:
            return _Failure(ErrorCode(refusal, abort=True), refusal, outgoing)
        try:
            self._cluster.append(self._identity, topic, partition, record)
        except BrokerError as refused:
            return _Failure(_as_error(refused.code), refused.code, outgoing)
        return None

    def _partition_of(self, record: Record, count: int) -> int:
        return self._world.random.randrange(count) if record.key is None else zlib.crc32(record.key) % count

    def _acknowledge(self, count: int, failed: list[_Failure], purges: int) -> None:
        if purges != self._purges or not self._process.alive:
            return
        self._in_flight -= count
        self._undelivered += len(failed)
        for error, code, outgoing in failed:
            if self._name is not None:
                self._needs_new_id = self._needs_new_id or error.code in _EXPIRED
                self._fail(error)
            message = Message(topic=outgoing.topic, key=outgoing.record.key, value=outgoing.record.value)
            self._reports.append((ErrorCode(code).error(), message))
        self._wake()

    def _wake(self) -> None:
        waiting, self._flushing = self._flushing, []
        for task in waiting:
            task.wake()


def _as_error(code: int) -> ErrorCode:
    """Return a broker's code as the client raises it."""
    return _FENCED if code in _FENCING else ErrorCode(code, abort=True)


def _ignore(error: KafkaError | None, message: Message) -> None:
    """Serve no report."""
