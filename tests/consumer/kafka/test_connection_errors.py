"""Why no broker answered, as the client heard it. On a real broker: tests/deploy/test_security.py."""

import pytest
from confluent_kafka import KafkaError

from consumer.kafka.config import Connection
from consumer.kafka.connection_errors import ConnectionErrors, Right, denied

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")


def heard(*errors: KafkaError) -> str:
    telling = ConnectionErrors()
    for error in errors:
        telling(error)
    return telling.why({})


@pytest.mark.parametrize("errors", [(), (DOWN,), (DOWN, DOWN)], ids=len)
def test_message_without_a_cause_is_always_the_same(errors: tuple[KafkaError, ...]) -> None:
    assert heard(*errors) == (
        "no connection brought a word of answer; give the -X security.protocol that these brokers have at this port; "
        "if no broker is there, start one, or give the right --bootstrap-servers"
    )


def test_closed_connection_asks_for_the_security_protocol() -> None:
    ended = KafkaError(KafkaError._TRANSPORT, "ssl://b:1/1: Disconnected: SSL connection closed by peer")
    assert heard(ended, DOWN).endswith("by peer; give the -X security.protocol that these brokers have at this port")


def test_security_errors_come_before_their_consequences() -> None:
    no = "sasl_ssl://b:1/1: SASL authentication error: no (after 3ms in state AUTH)"
    refused = KafkaError(KafkaError._AUTHENTICATION, no)
    after = KafkaError(KafkaError._TRANSPORT, "sasl_ssl://b:1/1: Disconnected (after 3ms in state UP)")
    assert heard(refused, DOWN, after) == (
        "sasl_ssl://b:1/1: SASL authentication error: no; check the user name and password, "
        "or the token (--login, -X sasl.…)"
    )


@pytest.mark.parametrize("state", ["CONNECT", "CONNECT, 61 identical error(s) suppressed"])
def test_duration_and_repetition_are_left_out(state: str) -> None:
    said = heard(KafkaError(KafkaError._TRANSPORT, f"b:1/bootstrap: Connection refused (after 0ms in state {state})"))
    assert said == "b:1/bootstrap: Connection refused; start one, or give the right --bootstrap-servers"


def test_unfetchable_certificate_keeps_the_clients_message() -> None:
    said = heard(KafkaError(KafkaError._SSL, "ssl://127.0.0.1:1/1: certificate verify failed: broker certificate"))
    assert said.startswith("ssl://127.0.0.1:1/1: certificate verify failed: broker certificate; ")
    assert "ssl.ca.location" in said


LACKING = [
    Right("Read", "topic", "sessions"),
    Right("Write", "topic", "a"),
    Right("Write", "topic", "b"),
    Right("Read", "group", "my group"),
    Right("Write", "transactional-id", "my group-", prefixed=True),
]


def test_missing_rights_come_with_commands_in_one_line() -> None:
    connection = Connection("kafka:9092", {"sasl.username": "scorer"})
    begin = "kafka-acls.sh --bootstrap-server kafka:9092 --add --allow-principal User:scorer --operation"
    assert denied(LACKING, connection) == (
        "this user lacks the rights Read on topic sessions, Write on topic a, Write on topic b, Read on group "
        "my group, Write on transactional ids my group-*; give them: "
        f"{begin} Read --topic sessions --group 'my group' && "
        f"{begin} Write --topic a --topic b && "
        f"{begin} Write --transactional-id 'my group-' --resource-pattern-type prefixed"
    )


def test_unnamed_user_is_a_placeholder() -> None:
    assert "--allow-principal User:NAME --operation" in denied(LACKING[:1], Connection("k:1"))
    said = denied(LACKING[:1], Connection("k:1", {"sasl.username": "it's\nme"}))
    assert "\n" not in said
    assert said.startswith("this user lacks the right Read on topic sessions; give them: ")
