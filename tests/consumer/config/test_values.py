"""What the text of a setting may be."""

import pytest

from consumer.config import values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://kafka:9092", "the address begins with a scheme, such as http://"),
        ("tcp://10.0.0.1:9092", "the address begins with a scheme"),
        ("SASL_SSL://kafka:9092", "names a security protocol: leave it out, and give -X security.protocol"),
        ("::1:9092", "is an IPv6 address without brackets: write [ADDRESS]:PORT"),
        ("::1", "is an IPv6 address without brackets"),
        ("a:1:2", "is an IPv6 address without brackets"),
        ("[::1", "has no IPv6 address in its brackets"),
        ("[kafka]:9092", "has no IPv6 address in its brackets"),
        ("[::1]:x", "has no port from 1 to 65535"),
        ("[::1]9092x", "has no port from 1 to 65535"),
        ("kafka:", "ends with a colon"),
        ("kafka:0", "has no port from 1 to 65535"),
        ("kafka:65536", "has no port from 1 to 65535"),
        ("kafka:99999999999999999999", "has no port from 1 to 65535"),
        ("kafka:-1", "has no port from 1 to 65535"),
        ("kafka:port", "has no port from 1 to 65535"),
        ("kafka:9092/path", "has no port from 1 to 65535"),
        ("kafka/path:9092", "is more than a host and a port"),
        ("user@kafka:9092", "is more than a host and a port"),
        (":9092", "has no host"),
        ("a:9092 b:9092", "has blanks: separate addresses by commas"),
        ("a:9092;b:9092", "IPv6 address without brackets"),
        ("a:9092,http://b:9092", "address 2 begins with a scheme"),
        ("kafka\x00:9092", "has blanks"),
        ("", "at least one address"),
        (" , ", "at least one address"),
    ],
)
def test_a_wrong_address_is_named_by_its_fault(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^HOST:PORT\[,HOST:PORT…\]") as caught:
        values.bootstrap_servers(text)
    assert said in str(caught.value)


def test_a_wrong_address_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="scheme") as caught:
        values.bootstrap_servers("https://me:hunter2@kafka:9092")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("kafka:9092", "kafka:9092"),
        ("kafka", "kafka:9092"),
        ("[::1]", "[::1]:9092"),
        ("[2001:db8::1]:19092", "[2001:db8::1]:19092"),
        (" a:1 , b:2 ,, c,", "a:1,b:2,c:9092"),
        ("PLAINTEXT://kafka:1", "kafka:1"),
        ("10.0.0.1:65535", "10.0.0.1:65535"),
        ("my_broker-1.example.:9093", "my_broker-1.example.:9093"),
    ],
)
def test_an_address_is_taken_with_its_port_and_without_blanks(text: str, taken: str) -> None:
    assert values.bootstrap_servers(text) == taken


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (" ", "not blank"),
        ("\n", "not blank"),
        ("\u00a0\t", "not blank"),
        ("scorer\n", "control characters"),
        ("a\nb", "control characters"),
        ("a\0b", "control characters"),
        ("\x7f", "control characters"),
        (" scorer", "blanks at its ends"),
        ("scorer ", "blanks at its ends"),
        ("x" * 32_001, "at most 32,000 bytes"),
        ("ü" * 16_001, "at most 32,000 bytes"),
    ],
)
def test_a_group_id_that_the_client_changes_or_aborts_on_is_refused(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^a group id") as caught:
        values.group_id(name)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["a", "grüpp", "日本", "a b", "a/b", "x" * 32_000])
def test_a_group_id_that_kafka_takes_is_taken(name: str) -> None:
    assert values.group_id(name) == name


@pytest.mark.parametrize("name", [".", "..", "", "a b", "größe", "a\n", "a/b", "x" * 250])
def test_a_name_that_kafka_gives_no_topic_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^the name of a topic"):
        values.topic(name)


@pytest.mark.parametrize("name", ["...", ".a", "a.b_c-D9", "x" * 249])
def test_a_name_that_kafka_gives_a_topic_is_taken(name: str) -> None:
    assert values.topic(name) == name


@pytest.mark.parametrize("name", ["", " ", " localhost", "a\nb"])
def test_an_address_to_listen_on_has_no_blanks(name: str) -> None:
    with pytest.raises(ValueError, match="without blanks"):
        values.host(name)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("registry:8081", "the URL does not begin with http:// or https://"),
        ("ftp://registry", "the URL does not begin with http:// or https://"),
        ("HTTP://registry", "the URL does not begin with http:// or https://"),
        ("https:/registry", "the URL does not begin with http:// or https://"),
        ("http://", "the URL has no host"),
        ("http:///path", "the URL has no host"),
        ("http://registry:port", "the URL has no port from 1 to 65535"),
        ("http://registry:", "the URL ends with a colon: give the port behind it"),
        ("http://::1", "the URL is an IPv6 address without brackets"),
        ("http://a http://b", "the URL has blanks: separate URLs by commas"),
        ("http://a\x00", "the URL has blanks"),
        ("http://a/b?c=d", "the URL is more than a host, a port and a path"),
        ("http://a,b:8081", "URL 2 does not begin with http:// or https://"),
        ("https://me:hunter2@registry", "the URL has a login: leave it out, and set SCHEMA_REGISTRY_BASIC_AUTH_USER_"),
        ("me:hunter2@registry", "the URL has a login: leave it out"),
        ("http://a,https://me:hun/ter2@b", "URL 2 has a login: leave it out"),
        (" , ", "at least one URL"),
    ],
)
def test_wrong_url_is_named_by_its_fault_unrepeated(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=r"^http\(s\)://HOST\[:PORT\]\[/PATH\]") as caught:
        values.schema_registry_url(text)
    assert fault in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("http://registry", "http://registry"),
        ("https://[::1]:8081/apis/ccompat/v7", "https://[::1]:8081/apis/ccompat/v7"),
        (" http://a:1 ,, https://b/ ,", "http://a:1,https://b/"),
        ("mock://tests", "mock://tests"),
    ],
)
def test_urls_are_accepted_without_blanks(text: str, accepted: str) -> None:
    assert values.schema_registry_url(text) == accepted
