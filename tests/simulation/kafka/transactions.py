"""The transaction coordinator: producer ids and epochs, fencing, time-outs, expiry, two-phase commit.

As Kafka's TransactionCoordinator has it for clients of transaction version 1 (librdkafka 2.16): EndTxn is answered once
the decision is written; the markers follow, each partition's at its own time.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import KafkaError

from tests.simulation.kafka.groups import Group
from tests.simulation.kafka.log import PartitionLog, Transaction
from tests.simulation.world import World

_MARKER_SECONDS = 0.05


class BrokerError(Exception):
    """A broker refuses a request."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Identity:
    """A producer as the brokers know it."""

    name: str  # transactional id
    producer_id: int
    epoch: int


class _Offset(NamedTuple):
    """A committed offset, and where its record stands in the log of offsets."""

    value: int
    position: int


@dataclass(slots=True)
class _State:
    """What the coordinator knows of one transactional id."""

    identity: Identity
    owner: str
    timeout: float
    transaction: Transaction | None = None
    partitions: list[PartitionLog] = field(default_factory=list)
    offsets: dict[int, "_Offset"] = field(default_factory=dict)
    group: Group | None = None
    markers_left: int = 0  # after the decision: the transaction is completing


class TransactionCoordinator:
    """Serves all transactional ids of the cluster. Raises BrokerError with Kafka's code."""

    def __init__(
        self,
        world: World,
        on_commit: Callable[[Transaction, Mapping[int, int]], None],
        on_take: Callable[[str, str], None],
        cleanup_seconds: float,
    ) -> None:
        """`on_commit` is called when a transaction is decided to commit, with its offsets; `on_take` when a client
        takes a transactional id, with both names.

        `cleanup_seconds` is `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
        """
        self.available = True
        self.unstable: Counter[int] = Counter()
        """Input partition -> transactions with offsets of it that have not ended."""
        self._world = world
        self._on_commit = on_commit
        self._on_take = on_take
        self._cleanup_seconds = cleanup_seconds
        self._ids: dict[str, _State] = {}
        self._producer_ids = itertools.count(1)
        self._numbers = itertools.count(1)
        self._offset_records = itertools.count()
        self._applied: dict[int, int] = {}  # input partition -> position of the record whose offset counts

    def init_producer(self, name: str, owner: str, timeout: float, current: Identity | None = None) -> Identity:
        """Take a transactional id: end what is open under it, and fence whoever had it.

        `current`: only if this identity is still the latest one, or the id has expired.
        """
        self._require_available()
        state = self._ids.get(name)
        if state is not None and current not in {None, state.identity}:
            raise BrokerError(KafkaError.PRODUCER_FENCED)
        if state is None:
            identity = Identity(name, next(self._producer_ids), 0)
            self._ids[name] = _State(identity, owner, timeout)
            self._on_take(name, owner)
            return identity
        if state.markers_left:
            raise BrokerError(KafkaError.CONCURRENT_TRANSACTIONS)
        self._bump(state)
        if state.transaction is not None:
            self._decide(state, committed=False)
            raise BrokerError(KafkaError.CONCURRENT_TRANSACTIONS)
        state.owner, state.timeout = owner, timeout
        self._on_take(name, owner)
        return state.identity

    def add_partition(self, identity: Identity, partition: PartitionLog) -> Transaction:
        """Make a partition part of the transaction, which begins with the first one."""
        state = self._state(identity)
        transaction = self._begin(state)
        if partition not in state.partitions:
            state.partitions.append(partition)
        return transaction

    def require_open(self, identity: Identity, transaction: Transaction | None) -> None:
        """Verify for a partition's leader that the producer's transaction is open, and no other one."""
        state = self._ids.get(identity.name)
        if state is None or state.identity.producer_id != identity.producer_id:
            raise BrokerError(KafkaError.UNKNOWN_PRODUCER_ID)
        if state.identity.epoch != identity.epoch:
            raise BrokerError(KafkaError.INVALID_PRODUCER_EPOCH)
        if state.transaction is not transaction or state.markers_left:
            raise BrokerError(KafkaError.INVALID_TXN_STATE)

    def add_offsets(self, identity: Identity) -> None:
        """Make the group's offsets part of the transaction."""
        self._begin(self._state(identity))

    def commit_offsets(
        self, identity: Identity, group: Group, member_id: str, generation: int, offsets: dict[int, int]
    ) -> None:
        """Hold offsets until the transaction is decided (TxnOffsetCommit, at the group's coordinator)."""
        if not group.available:
            raise BrokerError(KafkaError.NOT_COORDINATOR)
        state = self._ids.get(identity.name)
        if state is None or state.identity.producer_id != identity.producer_id:
            raise BrokerError(KafkaError.INVALID_PRODUCER_ID_MAPPING)
        if state.identity.epoch != identity.epoch:
            raise BrokerError(KafkaError.INVALID_PRODUCER_EPOCH)
        if state.transaction is None or state.markers_left:
            raise BrokerError(KafkaError.INVALID_TXN_STATE)
        if code := group.check_commit(member_id, generation, transactional=True, partitions=offsets):
            raise BrokerError(code)
        state.group = group
        for partition in offsets.keys() - state.offsets.keys():
            self.unstable[partition] += 1
        state.offsets |= self._written(offsets)

    def commit_plain_offsets(self, group: Group, offsets: dict[int, int]) -> None:
        """Commit a group's offsets without a transaction; what a transaction holds since earlier counts no more."""
        self._apply(group, self._written(offsets))

    def _written(self, offsets: dict[int, int]) -> dict[int, _Offset]:
        position = next(self._offset_records)
        return {partition: _Offset(offset, position) for partition, offset in offsets.items()}

    def end(self, identity: Identity, *, committed: bool) -> None:
        """Decide the transaction."""
        state = self._state(identity)
        if state.transaction is None:
            raise BrokerError(KafkaError.INVALID_TXN_STATE)
        self._decide(state, committed=committed)

    @property
    def any_open(self) -> bool:
        """Whether some transaction has not ended, markers included."""
        return any(state.transaction is not None for state in self._ids.values())

    def names(self) -> list[str]:
        """Return all transactional ids that are known."""
        return list(self._ids)

    def expire(self, name: str) -> bool:
        """Forget an id that is idle, as after transactional.id.expiration.ms; return whether it was."""
        state = self._ids.get(name)
        if state is None or state.transaction is not None:
            return False
        del self._ids[name]
        self._world.tell("coordinator", f"{name} is forgotten")
        return True

    def _state(self, identity: Identity) -> _State:
        self._require_available()
        state = self._ids.get(identity.name)
        if state is None or state.identity.producer_id != identity.producer_id:
            raise BrokerError(KafkaError.INVALID_PRODUCER_ID_MAPPING)
        if state.identity.epoch != identity.epoch:
            raise BrokerError(KafkaError.PRODUCER_FENCED)
        if state.markers_left:
            raise BrokerError(KafkaError.CONCURRENT_TRANSACTIONS)
        return state

    def _require_available(self) -> None:
        if not self.available:
            raise BrokerError(KafkaError.NOT_COORDINATOR)

    def _bump(self, state: _State) -> None:
        old = state.identity
        state.identity = Identity(old.name, old.producer_id, old.epoch + 1)

    def _begin(self, state: _State) -> Transaction:
        if state.transaction is None:
            transaction = Transaction(f"{state.identity.name}#{next(self._numbers)}", state.owner)
            state.transaction = transaction
            retry = state.timeout + self._world.random.random() * self._cleanup_seconds
            self._world.after(retry, lambda: self._time_out(state, transaction))
        return state.transaction

    def _time_out(self, state: _State, transaction: Transaction) -> None:
        if state.transaction is transaction and not state.markers_left:
            self._world.tell("coordinator", f"{transaction} has timed out")
            self._bump(state)
            self._decide(state, committed=False)

    def _decide(self, state: _State, *, committed: bool) -> None:
        transaction = state.transaction
        assert transaction is not None
        transaction.committed = committed
        self._world.tell("coordinator", f"{transaction} is {'committed' if committed else 'aborted'}")
        if committed:
            self._on_commit(transaction, {number: offset.value for number, offset in state.offsets.items()})
        state.markers_left = len(state.partitions) + 1
        for partition in state.partitions:
            self._world.after(self._marker_delay(), lambda each=partition: self._write_marker(state, each))  # type: ignore[misc]  # mypy cannot infer a default
        self._world.after(self._marker_delay(), lambda: self._end_offsets(state))

    def _marker_delay(self) -> float:
        return self._world.random.expovariate(1 / _MARKER_SECONDS)

    def _write_marker(self, state: _State, partition: PartitionLog) -> None:
        assert state.transaction is not None
        partition.write_marker(state.transaction)
        self._marker_written(state)

    def _end_offsets(self, state: _State) -> None:
        assert state.transaction is not None
        if state.transaction.committed and state.group is not None:
            self._apply(state.group, state.offsets)
        for partition in state.offsets:
            self.unstable[partition] -= 1
        self._marker_written(state)

    def _apply(self, group: Group, offsets: Mapping[int, _Offset]) -> None:
        """Apply offsets in the order of their records, whichever marker comes first (OffsetMetadataManager)."""
        for partition, offset in offsets.items():
            if offset.position > self._applied.get(partition, -1):
                self._applied[partition] = offset.position
                group.offsets[partition] = offset.value

    def _marker_written(self, state: _State) -> None:
        state.markers_left -= 1
        if state.markers_left == 0:
            state.transaction, state.partitions, state.offsets, state.group = None, [], {}, None
