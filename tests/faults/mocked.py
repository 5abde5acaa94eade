"""A broker that errs on request: librdkafka's mock cluster, asked for by ctypes since the Python client has no words
for it. It speaks the protocol of groups and transactions; it stores no transaction's offsets and hides nothing that
was aborted, so it shows what the client makes of an answer, not what a broker remembers."""

import ctypes
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import Self

import confluent_kafka

_BROKER = 1  # the only one
_MANY = 100_000  # more answers than anyone has the patience to ask for


class Api(IntEnum):
    """The requests that can be answered with an error, by their numbers in Kafka's protocol."""

    PRODUCE = 0
    LIST_OFFSETS = 2
    OFFSET_COMMIT = 8
    FIND_COORDINATOR = 10
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28


class MockBroker:
    """Runs from `__enter__` to `__exit__`, in this process, at `bootstrap_servers`."""

    def __init__(self, topics: Iterable[str], partitions: int = 1) -> None:
        self._topics = list(topics)
        self._partitions = partitions
        self._library = _library()
        self._client = ctypes.c_void_p()
        self._cluster = ctypes.c_void_p()
        self.bootstrap_servers = ""

    def __enter__(self) -> Self:
        call, reason = self._library, ctypes.create_string_buffer(512)
        conf = ctypes.c_void_p(call.rd_kafka_conf_new())
        call.rd_kafka_conf_set(conf, b"log_level", b"0", reason, len(reason))
        self._client.value = call.rd_kafka_new(0, conf, reason, len(reason))
        assert self._client.value, reason.value
        self._cluster.value = call.rd_kafka_mock_cluster_new(self._client, 1)
        self.bootstrap_servers = call.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        for topic in self._topics:
            assert not call.rd_kafka_mock_topic_create(self._cluster, topic.encode(), self._partitions, 1)
        call.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, ctypes.c_int32(0))
        return self

    def __exit__(self, *_: object) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)

    def answer(self, api: Api, *errors: int, late_ms: int = 0) -> None:
        """The next requests of this kind are answered with these errors, one each, each `late_ms` after it came.

        0 is no error, `KafkaError._TRANSPORT` cuts the connection.
        """
        pairs = [ctypes.c_int(each) for error in errors for each in (error, late_ms)]
        where = self._cluster, ctypes.c_int32(_BROKER), ctypes.c_int16(api)
        push = self._library.rd_kafka_mock_broker_push_request_error_rtts
        assert not push(*where, ctypes.c_size_t(len(errors)), *pairs)

    def left(self, api: Api) -> int:
        """How many errors given to `answer` nobody has asked for yet."""
        count = ctypes.c_size_t()
        where = self._cluster, ctypes.c_int32(_BROKER), ctypes.c_int16(api)
        assert not self._library.rd_kafka_mock_broker_error_stack_cnt(*where, ctypes.byref(count))
        return count.value

    def keep_answering(self, api: Api, error: int) -> None:
        """From now on this error, until `relent`. Not for a kind of request that `answer` was told of."""
        errors = (ctypes.c_int * _MANY)(*[error] * _MANY)
        push = self._library.rd_kafka_mock_push_request_errors_array
        push(self._cluster, ctypes.c_int16(api), ctypes.c_size_t(_MANY), errors)

    def relent(self, api: Api) -> None:
        """Ends what `keep_answering` began."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, ctypes.c_int16(api))


def _library() -> ctypes.CDLL:
    """The librdkafka that the Python client came with."""
    beside = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(beside.glob("librdkafka-*.so*"))))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library
