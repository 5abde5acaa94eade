"""Why no broker answers: the one line that is made of what the client reported."""

from confluent_kafka import KafkaError

from consumer.kafka.inspector import unreachable

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
REFUSED = KafkaError(KafkaError._TRANSPORT, "Connect failed: Connection refused")
HANDSHAKE = KafkaError(KafkaError._TRANSPORT, "certificate verify failed (after 3ms in state SSL_HANDSHAKE)")
LOGIN = KafkaError(KafkaError._AUTHENTICATION, "SASL authentication error")


def test_what_is_refused_or_not_there_names_the_address() -> None:
    said = unreachable("kafka:9092", [DOWN, REFUSED], 10)
    assert said.startswith("could not reach any broker at kafka:9092: Connect failed: Connection refused")
    assert said.endswith("; start one, or give the right --bootstrap-servers")


def test_a_certificate_that_is_refused_is_told_in_whichever_way_it_is_reported() -> None:
    for each in (HANDSHAKE, KafkaError(KafkaError._SSL, "certificate verify failed")):
        assert "check the certificates (-X ssl.ca.location" in unreachable("kafka:9092", [each, DOWN], 10)


def test_of_several_errors_the_one_that_has_a_remedy_is_told() -> None:
    assert "check the user name and password" in unreachable("kafka:9092", [REFUSED, LOGIN, DOWN], 10)


def test_silence_is_told_with_its_length() -> None:
    assert "no answer within 10 s" in unreachable("kafka:9092", [DOWN], 10)
