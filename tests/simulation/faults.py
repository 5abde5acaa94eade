"""What goes wrong, and when: drawn from the seed at every step, each fault with a number of its own.

A run with `only` some numbers lets only those faults happen: that is how a failing run is shrunk.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from confluent_kafka import KafkaError

T = TypeVar("T")


class ErrorCode(NamedTuple):
    """An error as librdkafka raises it."""

    code: int
    retriable: bool = False
    abort: bool = False
    fatal: bool = False

    def error(self, text: str = "planned by the simulation") -> KafkaError:
        """Return it as the client's own type."""
        return KafkaError(self.code, text, fatal=self.fatal, retriable=self.retriable, txn_requires_abort=self.abort)


_PASSING: Final = (
    ErrorCode(KafkaError._TRANSPORT, retriable=True),
    ErrorCode(KafkaError.NOT_COORDINATOR),
    ErrorCode(KafkaError.COORDINATOR_LOAD_IN_PROGRESS),
    ErrorCode(KafkaError.COORDINATOR_NOT_AVAILABLE),
    ErrorCode(KafkaError._ALL_BROKERS_DOWN),
    ErrorCode(KafkaError._DESTROY_BROKER),
    ErrorCode(KafkaError._RESOLVE),
    ErrorCode(KafkaError._WAIT_COORD),
    ErrorCode(KafkaError._WAIT_CACHE),
    ErrorCode(KafkaError.LEADER_NOT_AVAILABLE),
    ErrorCode(KafkaError.NOT_LEADER_FOR_PARTITION),
    ErrorCode(KafkaError.BROKER_NOT_AVAILABLE),
    ErrorCode(KafkaError.REPLICA_NOT_AVAILABLE),
    ErrorCode(KafkaError.NETWORK_EXCEPTION),
    ErrorCode(KafkaError.REQUEST_TIMED_OUT),
)
_CONCURRENT: Final = ErrorCode(KafkaError.CONCURRENT_TRANSACTIONS, retriable=True)
_REFUSED: Final = (
    ErrorCode(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, fatal=True),
    ErrorCode(KafkaError.CLUSTER_AUTHORIZATION_FAILED, fatal=True),
)
_ABORTING: Final = (
    ErrorCode(KafkaError.INVALID_TXN_STATE, abort=True),
    ErrorCode(KafkaError._MSG_TIMED_OUT, abort=True),
    ErrorCode(KafkaError.UNKNOWN_PRODUCER_ID, abort=True),
    ErrorCode(KafkaError.INVALID_PRODUCER_ID_MAPPING, abort=True),
)
_FATAL: Final = (
    ErrorCode(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True),
    ErrorCode(KafkaError.INVALID_TXN_STATE, fatal=True),
)
_MEMBERSHIP: Final = (
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError._ASSIGNMENT_LOST,
)

ERRORS: Final[Mapping[str, Sequence[ErrorCode]]] = {
    "init": (*_PASSING, _CONCURRENT, *_REFUSED),
    "report": (
        ErrorCode(KafkaError._MSG_TIMED_OUT, abort=True),
        ErrorCode(KafkaError.NOT_LEADER_FOR_PARTITION, abort=True),
        ErrorCode(KafkaError.UNKNOWN_PRODUCER_ID, abort=True),
        ErrorCode(KafkaError.INVALID_TIMESTAMP, abort=True),
        ErrorCode(KafkaError.INVALID_RECORD, abort=True),
        ErrorCode(KafkaError.TOPIC_AUTHORIZATION_FAILED, abort=True),
        ErrorCode(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True),
    ),
    "send offsets": (*_PASSING, _CONCURRENT, *_ABORTING, *(ErrorCode(code, abort=True) for code in _MEMBERSHIP[:3])),
    "commit transaction": (*_PASSING, _CONCURRENT, *_ABORTING, *_FATAL),
    "abort transaction": (*_PASSING, _CONCURRENT, *_FATAL),
    "commit offsets": (*_PASSING, *map(ErrorCode, _MEMBERSHIP)),
    "committed": (*_PASSING, ErrorCode(KafkaError.UNSTABLE_OFFSET_COMMIT)),
    "watermarks": (
        *_PASSING,
        ErrorCode(KafkaError._TIMED_OUT),
        ErrorCode(KafkaError.UNKNOWN_TOPIC_OR_PART),
        ErrorCode(KafkaError._UNKNOWN_PARTITION),
    ),
    "seek": (ErrorCode(KafkaError._STATE), ErrorCode(KafkaError._PREV_IN_PROGRESS), ErrorCode(KafkaError._TIMED_OUT)),
    "position": (ErrorCode(KafkaError._STATE), ErrorCode(KafkaError._TIMED_OUT)),
    "read": (
        ErrorCode(KafkaError._PARTITION_EOF),
        ErrorCode(KafkaError._TIMED_OUT),
        ErrorCode(KafkaError._MAX_POLL_EXCEEDED),
        ErrorCode(KafkaError.REBALANCE_IN_PROGRESS),
        ErrorCode(KafkaError.UNKNOWN_MEMBER_ID),
        ErrorCode(KafkaError.ILLEGAL_GENERATION),
        ErrorCode(KafkaError._TRANSPORT),
        ErrorCode(KafkaError.UNKNOWN_TOPIC_OR_PART),
        ErrorCode(KafkaError.GROUP_AUTHORIZATION_FAILED),
    ),
}
"""What each call of a client may raise with nothing wrong in the model: codes of each kind that the product sorts, but
for fencing, which the model does itself."""


class Fault(NamedTuple):
    """A fault that happened."""

    number: int
    kind: str


class Faults:
    """Decides at every point where something can go wrong whether it does."""

    def __init__(self, seed: object, rates: Mapping[str, float], only: Collection[int] | None = None) -> None:
        """`rates` are probabilities by kind; a kind that is not named never happens."""
        self.active = True
        self.happened: list[Fault] = []
        self.late_until = 0.0
        """When the last request that is late arrives."""
        self.random = random.Random(f"faults {seed}")
        self._rates = rates
        self._only = only
        self._points = 0

    def happens(self, kind: str) -> bool:
        """Return whether this kind of fault happens here and now."""
        rate = self._rates.get(kind, 0.0)
        return self.active and rate > 0 and self.random.random() < rate and self.admit(kind)

    def admit(self, kind: str) -> bool:
        """Count a fault that was drawn; return whether it may happen."""
        self._points += 1
        if self._only is not None and self._points not in self._only:
            return False
        self.happened.append(Fault(self._points, kind))
        return True

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return self.random.choice(options)

    def error(self, call: str) -> ErrorCode | None:
        """Return the error that a call runs into, if it does."""
        options = ERRORS[call]
        return self.pick(options) if self.happens("error") else None
