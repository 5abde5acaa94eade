"""What each answer of a broker leads to: one table, asked of librdkafka's mock cluster for every kind of request.

The codes are those that a broker gives in answer to that request (the coordinator of transactions, for one, turns
its log's REQUEST_TIMED_OUT into COORDINATOR_NOT_AVAILABLE), and _TRANSPORT: the connection is cut instead.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

import pytest

from consumer.dead_letters.offset_ranges import decode
from consumer.dead_letters.record import DeadLetter
from consumer.delivery.at_least_once import AtLeastOnce
from consumer.errors import UndeliveredError, WorkerError
from consumer.kafka.admin import Admin
from consumer.kafka.config import Connection
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.errors import REMEDIES
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.membership import InputTopics, Subscription
from consumer.kafka.producer import KafkaProducer
from consumer.kafka.reader import KafkaDeadLetterReader, TopicTail
from consumer.kafka.unreadable import KafkaProbe
from consumer.runtime import Retry
from tests.faults.bench import RECORDS, SECONDS, SHORT, begun, code, exactly_once
from tests.faults.mocked import Api, MockBroker
from tests.support.fakes import P0, deliver
from tests.support.wire import Event, write


class Fate(Enum):
    """What becomes of a delivery that meets an error."""

    RETRIED = "asked again, and it passes"
    ABORTED = "aborted: the batch is read again, and passes with the same producer"
    EXPIRED = "the brokers have forgotten the id: both producers are replaced at once, however often"
    REPLACED = "the producer is past use: a new one takes its place once, the second time the worker stops"
    REFUSED = "the worker stops, and says what to do"


EXACTLY_ONCE: dict[Api, dict[Fate, str]] = {
    Api.INIT_PRODUCER_ID: {
        Fate.RETRIED: "_TRANSPORT COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR COORDINATOR_LOAD_IN_PROGRESS "
        "CONCURRENT_TRANSACTIONS REQUEST_TIMED_OUT",
        Fate.REFUSED: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED CLUSTER_AUTHORIZATION_FAILED INVALID_TRANSACTION_TIMEOUT",
    },
    Api.ADD_PARTITIONS_TO_TXN: {
        Fate.RETRIED: "_TRANSPORT COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR COORDINATOR_LOAD_IN_PROGRESS "
        "CONCURRENT_TRANSACTIONS UNKNOWN_TOPIC_OR_PART",
        Fate.ABORTED: "OPERATION_NOT_ATTEMPTED",
        Fate.EXPIRED: "INVALID_PRODUCER_ID_MAPPING UNKNOWN_PRODUCER_ID",
        Fate.REPLACED: "INVALID_PRODUCER_EPOCH PRODUCER_FENCED INVALID_TXN_STATE",
        Fate.REFUSED: "TOPIC_AUTHORIZATION_FAILED TRANSACTIONAL_ID_AUTHORIZATION_FAILED CLUSTER_AUTHORIZATION_FAILED",
    },
    Api.PRODUCE: {
        Fate.RETRIED: "_TRANSPORT REQUEST_TIMED_OUT NOT_LEADER_FOR_PARTITION LEADER_NOT_AVAILABLE NOT_ENOUGH_REPLICAS "
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND KAFKA_STORAGE_ERROR UNKNOWN_TOPIC_OR_PART INVALID_MSG",
        Fate.ABORTED: "INVALID_TXN_STATE CONCURRENT_TRANSACTIONS NETWORK_EXCEPTION UNSUPPORTED_FOR_MESSAGE_FORMAT "
        "INVALID_REQUEST UNKNOWN",
        Fate.EXPIRED: "INVALID_PRODUCER_ID_MAPPING UNKNOWN_PRODUCER_ID",
        Fate.REPLACED: "INVALID_PRODUCER_EPOCH OUT_OF_ORDER_SEQUENCE_NUMBER",
        Fate.REFUSED: "TOPIC_AUTHORIZATION_FAILED CLUSTER_AUTHORIZATION_FAILED TRANSACTIONAL_ID_AUTHORIZATION_FAILED "
        "MSG_SIZE_TOO_LARGE RECORD_LIST_TOO_LARGE INVALID_RECORD INVALID_TIMESTAMP POLICY_VIOLATION TOPIC_EXCEPTION",
    },
    Api.ADD_OFFSETS_TO_TXN: {
        Fate.RETRIED: "_TRANSPORT COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR COORDINATOR_LOAD_IN_PROGRESS "
        "CONCURRENT_TRANSACTIONS REQUEST_TIMED_OUT",
        Fate.EXPIRED: "INVALID_PRODUCER_ID_MAPPING UNKNOWN_PRODUCER_ID",
        Fate.REPLACED: "INVALID_PRODUCER_EPOCH INVALID_TXN_STATE UNSUPPORTED_FOR_MESSAGE_FORMAT",
        Fate.REFUSED: "GROUP_AUTHORIZATION_FAILED TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    },
    Api.TXN_OFFSET_COMMIT: {
        Fate.RETRIED: "_TRANSPORT COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR COORDINATOR_LOAD_IN_PROGRESS "
        "CONCURRENT_TRANSACTIONS REQUEST_TIMED_OUT UNKNOWN_TOPIC_OR_PART",
        Fate.ABORTED: "ILLEGAL_GENERATION UNKNOWN_MEMBER_ID REBALANCE_IN_PROGRESS STALE_MEMBER_EPOCH "
        "OFFSET_METADATA_TOO_LARGE INVALID_COMMIT_OFFSET_SIZE",
        Fate.EXPIRED: "INVALID_PRODUCER_ID_MAPPING UNKNOWN_PRODUCER_ID",
        Fate.REPLACED: "INVALID_PRODUCER_EPOCH INVALID_TXN_STATE UNSUPPORTED_FOR_MESSAGE_FORMAT",
        Fate.REFUSED: "GROUP_AUTHORIZATION_FAILED TOPIC_AUTHORIZATION_FAILED TRANSACTIONAL_ID_AUTHORIZATION_FAILED "
        "FENCED_INSTANCE_ID",
    },
    Api.END_TXN: {
        Fate.RETRIED: "_TRANSPORT COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR COORDINATOR_LOAD_IN_PROGRESS "
        "CONCURRENT_TRANSACTIONS",
        Fate.ABORTED: "UNKNOWN",
        Fate.EXPIRED: "INVALID_PRODUCER_ID_MAPPING UNKNOWN_PRODUCER_ID",
        Fate.REPLACED: "INVALID_PRODUCER_EPOCH PRODUCER_FENCED INVALID_TXN_STATE",
        Fate.REFUSED: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    },
}

# One plain, idempotent producer, and offsets committed by the consumer: nothing to abort, no id to fight for.
AT_LEAST_ONCE: dict[Api, dict[Fate, str]] = {
    Api.PRODUCE: {
        Fate.RETRIED: "_TRANSPORT REQUEST_TIMED_OUT NOT_LEADER_FOR_PARTITION LEADER_NOT_AVAILABLE NOT_ENOUGH_REPLICAS "
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND KAFKA_STORAGE_ERROR UNKNOWN_TOPIC_OR_PART UNKNOWN_PRODUCER_ID",
        Fate.ABORTED: "OUT_OF_ORDER_SEQUENCE_NUMBER INVALID_PRODUCER_EPOCH UNKNOWN UNSUPPORTED_FOR_MESSAGE_FORMAT "
        "INVALID_PRODUCER_ID_MAPPING",
        Fate.REFUSED: "TOPIC_AUTHORIZATION_FAILED CLUSTER_AUTHORIZATION_FAILED MSG_SIZE_TOO_LARGE INVALID_RECORD "
        "POLICY_VIOLATION",
    },
    Api.OFFSET_COMMIT: {
        Fate.RETRIED: "_TRANSPORT COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR COORDINATOR_LOAD_IN_PROGRESS "
        "REQUEST_TIMED_OUT",
        Fate.ABORTED: "REBALANCE_IN_PROGRESS STALE_MEMBER_EPOCH ILLEGAL_GENERATION UNKNOWN_MEMBER_ID",
        Fate.REFUSED: "GROUP_AUTHORIZATION_FAILED TOPIC_AUTHORIZATION_FAILED",
    },
}

# Those after which only a new generation can commit; the mock's groups take a minute to come to one.
PUT_OUT = {"ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID"}


def met_with(table: dict[Api, dict[Fate, str]], fate: Fate) -> list[tuple[Api, str]]:
    """Each request and error that should end so."""
    return [(api, name) for api, fates in table.items() for name in fates.get(fate, "").split()]


@pytest.mark.parametrize(("api", "name"), met_with(EXACTLY_ONCE, Fate.RETRIED))
def test_what_may_pass_is_asked_again_until_it_does(api: Api, name: str) -> None:
    with exactly_once() as bench:
        if api is not Api.INIT_PRODUCER_ID:
            begun(bench)
        bench.broker.answer(api, code(name), code(name))
        begun(bench) if api is Api.INIT_PRODUCER_ID else bench.deliver(times=2)
        assert bench.broker.left(api) == 0
        assert bench.made == 2


@pytest.mark.parametrize(("api", "name"), met_with(EXACTLY_ONCE, Fate.ABORTED))
def test_what_spoils_the_transaction_alone_is_aborted_and_the_next_one_passes(api: Api, name: str) -> None:
    with exactly_once() as bench:
        begun(bench)
        bench.broker.answer(api, code(name))
        with pytest.raises(UndeliveredError, match=name):
            bench.deliver()
        assert bench.broker.left(api) == 0
        bench.deliver()
        if api is Api.PRODUCE:
            # the record was numbered and never written, so the broker misses one when that producer writes again:
            # librdkafka finds out only then, and begins to count anew after one more abort
            with pytest.raises(UndeliveredError, match="skipped sequence numbers"):
                bench.deliver()
        bench.deliver(times=3)
        assert bench.made == 2


@pytest.mark.parametrize(("api", "name"), met_with(EXACTLY_ONCE, Fate.EXPIRED))
def test_an_id_that_expired_is_taken_again_at_once_however_often(api: Api, name: str) -> None:
    with exactly_once() as bench:
        begun(bench)
        for times in range(1, 4):
            bench.broker.answer(api, code(name))
            with pytest.raises(UndeliveredError, match=name):
                bench.deliver()
            assert bench.broker.left(api) == 0
            assert bench.made == 2 + 2 * times
            bench.deliver(times=3)


def test_an_id_found_expired_by_the_abort_is_taken_again_however_often() -> None:
    with exactly_once() as bench:
        begun(bench)
        for _ in range(3):
            bench.broker.answer(Api.TXN_OFFSET_COMMIT, code("ILLEGAL_GENERATION"))
            bench.broker.answer(Api.END_TXN, code("INVALID_PRODUCER_ID_MAPPING"))
            with pytest.raises(UndeliveredError, match="ILLEGAL_GENERATION"):
                bench.deliver()
            bench.deliver(times=3)


@pytest.mark.parametrize(("api", "name"), met_with(EXACTLY_ONCE, Fate.REPLACED))
def test_a_producer_past_use_is_replaced_once_and_the_second_time_the_worker_stops(api: Api, name: str) -> None:
    with exactly_once() as bench:
        begun(bench)
        bench.broker.answer(api, code(name))
        with pytest.raises(UndeliveredError):
            bench.deliver()
        assert bench.made == 3
        bench.deliver(times=3)
        bench.broker.answer(api, code(name))
        with pytest.raises(WorkerError, match=r"^transactional id id-0: could not "):
            bench.deliver()


@pytest.mark.parametrize(("api", "name"), met_with(EXACTLY_ONCE, Fate.REFUSED))
def test_what_no_repetition_mends_stops_the_worker_with_the_remedy(api: Api, name: str) -> None:
    with exactly_once() as bench:
        if api is not Api.INIT_PRODUCER_ID:
            begun(bench)
        bench.broker.answer(api, code(name))
        with pytest.raises(WorkerError) as caught:
            begun(bench) if api is Api.INIT_PRODUCER_ID else bench.deliver()
        assert name in str(caught.value)
        assert REMEDIES[code(name)] in str(caught.value)


@pytest.mark.parametrize("name", ["INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"])
def test_an_id_that_another_process_has_taken_is_named_with_the_way_out(name: str) -> None:
    with exactly_once() as bench:
        begun(bench)
        bench.broker.answer(Api.END_TXN, code(name), 0, code(name))
        for _ in range(2):
            with pytest.raises((UndeliveredError, WorkerError)) as caught:
                bench.deliver(times=3)
        assert str(caught.value).startswith("transactional id id-0: ")
        assert str(caught.value).endswith("; another process uses this id: stop it, or give each worker its own --slot")


@pytest.mark.parametrize("name", ["INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"])
def test_two_processes_that_find_each_other_out_in_the_abort_do_not_fight_for_ever(name: str) -> None:
    with exactly_once() as bench:
        begun(bench)
        for kind in (UndeliveredError, WorkerError):
            bench.broker.answer(Api.TXN_OFFSET_COMMIT, code("ILLEGAL_GENERATION"))
            bench.broker.answer(Api.END_TXN, code(name))
            with pytest.raises(kind) as caught:
                bench.deliver()
            if kind is UndeliveredError:
                bench.deliver(times=3)
        assert str(caught.value).startswith("transactional id id-0: could not abort the transaction: ")
        assert "another process uses this id" in str(caught.value)


@pytest.mark.parametrize("name", EXACTLY_ONCE[Api.END_TXN][Fate.RETRIED].split())
def test_an_abort_too_is_asked_again(name: str) -> None:
    with exactly_once() as bench:
        begun(bench)
        bench.broker.answer(Api.TXN_OFFSET_COMMIT, code("ILLEGAL_GENERATION"))
        bench.broker.answer(Api.END_TXN, code(name))
        with pytest.raises(UndeliveredError, match="ILLEGAL_GENERATION"):
            bench.deliver()
        assert bench.broker.left(Api.END_TXN) == 0
        bench.deliver(times=4)
        assert bench.made == 2


@pytest.mark.parametrize(
    ("api", "name"),
    [
        (Api.PRODUCE, "NOT_ENOUGH_REPLICAS"),
        (Api.ADD_PARTITIONS_TO_TXN, "CONCURRENT_TRANSACTIONS"),
        (Api.ADD_OFFSETS_TO_TXN, "COORDINATOR_LOAD_IN_PROGRESS"),
        (Api.TXN_OFFSET_COMMIT, "COORDINATOR_NOT_AVAILABLE"),
        (Api.END_TXN, "COORDINATOR_NOT_AVAILABLE"),
    ],
)
def test_what_does_not_pass_in_time_gives_the_batch_back_and_the_line_goes_on_when_it_does(api: Api, name: str) -> None:
    with exactly_once(SHORT) as bench:
        begun(bench)
        bench.broker.keep_answering(api, code(name))
        with pytest.raises(UndeliveredError):
            bench.deliver()
        bench.broker.relent(api)
        bench.deliver(times=4)


def test_an_id_that_cannot_be_taken_in_time_stops_the_worker_and_says_why() -> None:
    with exactly_once(SHORT) as bench:
        bench.broker.keep_answering(Api.INIT_PRODUCER_ID, code("COORDINATOR_LOAD_IN_PROGRESS"))
        with pytest.raises(WorkerError, match=r"^transactional id id-0: could not initialise .*LOAD"):
            bench.delivery.start()


@contextmanager
def at_least_once(session_ms: int = 6000) -> Iterator[tuple[MockBroker, AtLeastOnce]]:
    """A joined member of the group, that has delivered before."""
    with MockBroker(["sessions", "results"]) as broker:
        write(broker.bootstrap_servers, "sessions", [Event(b"event")] * 5)
        connection = Connection(broker.bootstrap_servers, {"session.timeout.ms": str(session_ms)})
        source = KafkaSource(connection, Subscription("scorer", InputTopics(("sessions",))), FetchLimits())
        delivery = AtLeastOnce(lambda: KafkaProducer(connection), source.commit, Retry(SECONDS))
        try:
            source.subscribe()
            join(source)
            delivery.start()
            deliver(delivery, RECORDS, {P0: 1})
            yield broker, delivery
        finally:
            delivery.close()
            source.close()


def join(source: KafkaSource) -> None:
    while not source.unstable():  # by partition: a member of the group has none before the next answer
        source.poll(0.1)


@pytest.mark.parametrize(("api", "name"), met_with(AT_LEAST_ONCE, Fate.RETRIED))
def test_at_least_once_asks_again_for_what_may_pass(api: Api, name: str) -> None:
    # nobody heartbeats while the coordinator is looked for, which takes librdkafka five seconds each time
    with at_least_once(session_ms=60_000) as (broker, delivery):
        broker.answer(api, code(name))
        deliver(delivery, RECORDS, {P0: 2})
        deliver(delivery, RECORDS, {P0: 3})
        assert broker.left(api) == 0


@pytest.mark.parametrize(("api", "name"), met_with(AT_LEAST_ONCE, Fate.ABORTED))
def test_at_least_once_reads_again_what_could_not_be_written_or_committed(api: Api, name: str) -> None:
    with at_least_once() as (broker, delivery):
        broker.answer(api, code(name))
        with pytest.raises(UndeliveredError, match=name):
            deliver(delivery, RECORDS, {P0: 2})
        if name not in PUT_OUT:
            deliver(delivery, RECORDS, {P0: 2})


@pytest.mark.parametrize(("api", "name"), met_with(AT_LEAST_ONCE, Fate.REFUSED))
def test_at_least_once_stops_with_the_remedy_where_no_repetition_helps(api: Api, name: str) -> None:
    with at_least_once() as (broker, delivery):
        broker.answer(api, code(name))
        with pytest.raises(WorkerError) as caught:
            deliver(delivery, RECORDS, {P0: 2})
        assert REMEDIES[code(name)] in str(caught.value)


ASKING_FOR_THE_END: dict[str, Callable[[Connection], object]] = {
    "watch": lambda connection: TopicTail(connection, "sessions", back=20),
    "redrive": lambda connection: list(
        KafkaDeadLetterReader(connection, "scorer", "sessions", DeadLetter, decode).dead_letters()
    ),
    "skip": lambda connection: KafkaProbe(connection, "scorer", P0).span(),
    "check": lambda connection: Admin(connection).ends("sessions", 1),
}


@pytest.mark.parametrize("name", ["NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE"])
@pytest.mark.parametrize("command", ASKING_FOR_THE_END)
def test_a_command_asks_again_for_the_end_of_a_topic_while_its_leader_moves(command: str, name: str) -> None:
    with MockBroker(["sessions"]) as broker:
        broker.answer(Api.LIST_OFFSETS, *[code(name)] * 4)
        ASKING_FOR_THE_END[command](Connection(broker.bootstrap_servers))
        assert broker.left(Api.LIST_OFFSETS) == 0
