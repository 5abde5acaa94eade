"""Secrets of the Kafka client: none in what is shown of its settings, none in what the client itself logs."""

import logging
import time

import pytest
from confluent_kafka import Producer

from consumer.config.client_properties import KAFKA
from consumer.kafka.client import ClientLog, open_client
from consumer.kafka.properties import hidden_texts

SECRETS = {
    "sasl.kerberos.kinit.cmd": 'echo hunter-kinit | kinit -t "%{sasl.kerberos.keytab}" %{sasl.kerberos.principal}',
    "sasl.kerberos.keytab": "/etc/hunter/scorer.keytab",
    "sasl.oauthbearer.config": "principal=scorer extension_tenant=hunter-tenant",
    "sasl.oauthbearer.extensions": "tenant=hunter-tenant,traceId=hunter-trace",
    "sasl.oauthbearer.client.secret": "hunter-client",
    "sasl.oauthbearer.client.credentials.client.secret": "hunter-credentials",
    "sasl.oauthbearer.assertion.private.key.pem": "-----BEGIN-----\nhunterpem\n-----END-----",
    "sasl.oauthbearer.assertion.private.key.passphrase": "hunter-phrase",
    "sasl.password": "hunter2",
    "ssl.key.password": "hunter-key",
    "ssl.key.pem": "hunter-pem",
    "ssl.keystore.password": "hunter-store",
}


def test_secret_property_is_not_printed() -> None:
    assert set(KAFKA.masked(SECRETS).values()) == {"***"}


@pytest.mark.parametrize(
    "line",
    [
        'Refreshing Kerberos ticket with command: echo hunter-kinit | kinit -t "/etc/hunter/scorer.keytab" scorer',
        "using keytab /etc/hunter/scorer.keytab",
        "SASL extension traceId=hunter-trace",
        "extension_tenant=hunter-tenant of scorer",
        "key hunterpem",
        "hunter2",
    ],
)
def test_client_log_line_hides_secrets(line: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        ClientLog(SECRETS).log(logging.INFO, "%s [%s] %s", "FACILITY", "client-1", line)
    assert "hunter" not in caplog.text
    assert "***" in caplog.text
    assert "FACILITY [client-1]" in caplog.text


def test_other_text_stays() -> None:
    hidden = hidden_texts(SECRETS | {"client.id": "scorer", "ssl.key.location": "/etc/key.pem"})
    assert "scorer" not in hidden
    assert "/etc/key.pem" not in hidden
    assert hidden_texts({"sasl.password": "", "ssl.key.password": "abc"}) == []


def test_client_with_debug_all_logs_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    config = {
        "bootstrap.servers": "127.0.0.1:1",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanisms": "OAUTHBEARER",
        "enable.sasl.oauthbearer.unsecure.jwt": "true",
        "sasl.oauthbearer.config": "principal=scorer extension_tenant=hunter-tenant",
        "sasl.oauthbearer.extensions": "trace=hunter-trace",
        "debug": "all",
    }
    with caplog.at_level(logging.DEBUG):
        client = open_client(Producer, config)
        deadline = time.monotonic() + 20
        while "OAUTHBEARER" not in caplog.text and time.monotonic() < deadline:
            client.poll(0.1)
    assert "extension" in caplog.text
    assert "hunter" not in caplog.text
