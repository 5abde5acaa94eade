"""Where settings come from, which place wins, and what is said when one is wrong."""

import os
from pathlib import Path

import pytest

from consumer.config import sources
from consumer.config.settings import (
    DeliveryGuarantee,
    Settings,
    SettingsError,
    load_settings,
    origins,
    setting_names,
)
from tests.support.settings import refused, settings_file


def test_input_topics_are_repeated_options_a_list_or_commas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ("orders", "^shop-.*")
    assert load_settings({"input_topic": [*expected, "orders"]}).inputs.topics == expected
    path = settings_file(tmp_path, f"input_topic = {list(expected)}")
    assert load_settings({"config": path}).inputs.topics == expected
    monkeypatch.setenv("SESSION_SCORER_INPUT_TOPIC", "orders, ^shop-.*")
    assert load_settings({}).inputs.topics == expected
    with pytest.raises(SettingsError, match="input_topic and alerts_topic are the same topic"):
        load_settings({"input_topic": ["orders", "session-alerts"]})
    with pytest.raises(SettingsError, match=r"^--input-topic: expected"):
        load_settings({"input_topic": ["orders", "no topic"]})


@pytest.mark.parametrize("value", ["5", "[1, 2]", '["orders", true]', "[['orders']]", "{orders = 1}"])
def test_input_topic_of_another_type_is_told_what_it_may_be(value: str, tmp_path: Path) -> None:
    path = settings_file(tmp_path, f"input_topic = {value}")
    assert refused({"config": path}) == f"input_topic ({path}): expected the name of a topic, or a list of names"


def test_without_a_word_the_defaults_hold() -> None:
    settings = load_settings()
    assert settings.bootstrap_servers == "localhost:9092"
    assert settings.delivery is DeliveryGuarantee.EXACTLY_ONCE
    assert settings.metrics_host == "127.0.0.1"
    assert settings.kafka == {}


def test_command_line_beats_environment_beats_file_beats_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = settings_file(tmp_path, 'group_id = "file"\ninput_topic = "file"\nresults_topic = "file-results"')
    monkeypatch.setenv("SESSION_SCORER_GROUP_ID", "environment")
    monkeypatch.setenv("SESSION_SCORER_INPUT_TOPIC", "environment")
    settings = load_settings({"config": path, "group_id": "command-line", "input_topic": None})
    assert (settings.group_id, settings.input_topic) == ("command-line", "environment")
    assert (settings.results_topic, settings.alerts_topic) == ("file-results", "session-alerts")


def test_the_file_can_be_named_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_SCORER_CONFIG", settings_file(tmp_path, "slot = 3"))
    assert load_settings().slot == 3


def test_an_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_SCORER_SLOT", "")
    assert load_settings().slot is None


def test_an_unknown_name_in_the_file_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    path = settings_file(tmp_path, 'bootstrap_server = "x"')
    assert refused({"config": path}) == (
        f"bootstrap_server ({path}): there is no such setting; the nearest is bootstrap_servers"
    )


def test_an_unknown_variable_is_an_error_that_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_SCORER_INPT_TOPIC", "x")
    assert refused() == (
        "SESSION_SCORER_INPT_TOPIC (environment): there is no such setting; the nearest is SESSION_SCORER_INPUT_TOPIC"
    )


def test_a_wrong_value_is_told_by_its_place_and_what_was_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused({"metrics_port": "x"}) == "--metrics-port: expected a whole number from 0 to 65535"
    assert refused({"delivery": "x"}) == "--delivery: expected exactly-once or at-least-once"
    assert refused({"breaker_ratio": "2"}) == "--breaker-ratio: expected a number above 0 up to 1"
    path = settings_file(tmp_path, 'on_gap = "x"')
    assert refused({"config": path}) == f"on_gap ({path}): expected stop or continue"
    monkeypatch.setenv("SESSION_SCORER_CREATE_TOPICS", "maybe")
    assert refused() == "SESSION_SCORER_CREATE_TOPICS (environment): expected true or false"


def test_all_that_is_wrong_stands_in_one_line() -> None:
    message = refused({"metrics_port": "x", "manifest_sha256": "abc"})
    assert "--metrics-port" in message
    assert "--manifest-sha256: expected a SHA-256 in 64 hex digits" in message


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 250, "größe"])
def test_a_name_that_no_topic_can_have_is_refused(name: str) -> None:
    assert "--input-topic: expected the name of a topic" in refused({"input_topic": name})


def test_a_topic_may_serve_one_purpose_only() -> None:
    message = refused({"results_topic": "sessions"})
    assert message == "input_topic and results_topic are the same topic: each needs its own"


def test_a_pattern_needs_the_classic_protocol() -> None:
    message = refused({"input_topic": ["orders", "^log"], "kafka": ["group.protocol=Consumer"]})
    assert message.startswith("input_topic has the pattern ^log, which with -X group.protocol=consumer could match")


def test_records_may_not_be_larger_than_the_client_sends() -> None:
    assert "is more than Kafka's message.max.bytes (1048588)" in refused({"max_record_bytes": "2000000"})
    assert (
        load_settings({"max_record_bytes": "2000000", "kafka": ["message.max.bytes=3000000"]}).max_record_bytes
        == 2_000_000
    )


def test_a_file_that_is_not_there_or_no_toml_is_one_line(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refused({"config": str(tmp_path / "none.toml")})
    assert "is not TOML" in refused({"config": settings_file(tmp_path, "a = \n")})


def test_every_setting_has_words_of_its_own() -> None:
    assert setting_names() == frozenset(Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize("option", ["group_id", "input_topic", "bootstrap_servers", "metrics_host", "log_level"])
@pytest.mark.parametrize("value", ["", " ", "a\0b", "gr\udcfcpp"])
def test_no_option_takes_a_text_that_means_nothing(option: str, value: str) -> None:
    assert refused({option: value}).startswith(f"--{option.replace('_', '-')}: expected ")


@pytest.mark.parametrize("option", ["config", "artifacts", "slot", "batch_events", "delivery", "create_topics"])
def test_an_empty_option_is_no_option(option: str) -> None:
    assert refused({option: ""}).startswith(f"--{option.replace('_', '-')}: expected ")


def test_bytes_of_another_encoding_are_told_from_an_empty_text() -> None:
    assert refused({"group_id": "gr\udcfcpp"}) == (
        "--group-id: expected text in UTF-8: is the locale's encoding another (LANG)?"
    )


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert load_settings({"config": settings_file(tmp_path, '\ufeffgroup_id = "marked"')}).group_id == "marked"


def test_a_file_in_another_encoding_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes('group_id = "grüpp"'.encode("utf-16"))
    assert refused({"config": str(path)}) == f"the settings file {path} is not text in UTF-8 (byte 0): save it so"


def test_a_key_that_stands_twice_in_the_file_is_named_by_its_line(tmp_path: Path) -> None:
    assert "at line 2" in refused({"config": settings_file(tmp_path, 'group_id = "a"\ngroup_id = "b"\n')})


@pytest.mark.parametrize("name", ["slot", "batch_events", "latency_budget", "metrics_port", "partitions", "group_id"])
@pytest.mark.parametrize("value", ["true", "[1]", "{a = 1}", "1979-05-27"])
def test_a_value_of_another_type_in_the_file_is_refused(tmp_path: Path, name: str, value: str) -> None:
    path = settings_file(tmp_path, f"{name} = {value}")
    assert refused({"config": path}).startswith(f"{name} ({path}): expected ")


CLIENT_PREFIXES = ("KAFKA_", "KAFKA_CLIENT_", "SCHEMA_REGISTRY_", "SCHEMA_REGISTRY_CLIENT_")
LINKS = {
    "SERVICE_HOST": "10.0.0.1",
    "SERVICE_PORT": "9108",
    "SERVICE_PORT_METRICS": "9108",
    "PORT": "tcp://10.0.0.1:9108",
    "PORT_9108_TCP": "tcp://10.0.0.1:9108",
    "PORT_9108_TCP_PROTO": "tcp",
    "PORT_9108_TCP_PORT": "9108",
    "PORT_9108_TCP_ADDR": "10.0.0.1",
}


@pytest.mark.parametrize("prefix", ["SESSION_SCORER_", "SESSION_SCORER_METRICS_", *CLIENT_PREFIXES])
def test_service_links_of_kubernetes_are_no_settings(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    for name, value in LINKS.items():
        monkeypatch.setenv(prefix + name, value)
    settings = load_settings()
    assert (settings.metrics_port, settings.kafka, settings.schema_registry) == (9108, {}, {})
    said = sources.ignored_variables(os.environ)
    if prefix.startswith("SESSION"):
        (line,) = said
        assert f"{prefix}SERVICE_HOST" in line
        assert line.endswith("set by Kubernetes for a Service of that name (enableServiceLinks)")
    else:
        assert said == []


def test_a_port_that_is_no_service_link_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_SCORER_METRICS_PORT", "9109")
    assert load_settings().metrics_port == 9109
    monkeypatch.setenv("SESSION_SCORER_PORT", "9109")
    assert "SESSION_SCORER_PORT (environment): there is no such setting" in refused()


WRONG = "http://kafka:9092"


@pytest.mark.parametrize(
    "variable",
    [
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_METADATA_BROKER_LIST",
        "KAFKA_bootstrap_servers",
        "SESSION_SCORER_BOOTSTRAP_SERVERS",
        "session_scorer_bootstrap_servers",
    ],
)
def test_a_wrong_value_is_told_by_the_variable_that_gives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, WRONG)
    assert refused().startswith(f"{variable} (environment): expected HOST:PORT")
    path = settings_file(tmp_path, 'group_id = "right"')
    assert refused({"config": path}).startswith(f"{variable} (environment): expected HOST:PORT")
    monkeypatch.setenv(variable, "a:1")
    (found,) = [each for each in origins(load_settings(), {}, os.environ) if each.value == "a:1"]
    assert found.origin == f"environment variable {variable}"


def test_a_wrong_value_is_told_by_the_variable_that_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_METADATA_BROKER_LIST", "right:1")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", WRONG)
    assert refused().startswith("KAFKA_BOOTSTRAP_SERVERS (environment): ")
    monkeypatch.setenv("SESSION_SCORER_BOOTSTRAP_SERVERS", "http://other")
    assert refused().startswith("SESSION_SCORER_BOOTSTRAP_SERVERS (environment): ")


def test_a_blank_group_id_is_told_by_kafkas_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_GROUP_ID", " ")
    monkeypatch.setenv("KAFKA_GROUP_ID_FILE", "/not/looked/at")
    assert refused() == "KAFKA_GROUP_ID (environment): expected a group id that is not blank"


def test_the_file_is_told_however_the_variable_that_names_it_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = settings_file(tmp_path, "slot = -1")
    monkeypatch.setenv("session_scorer_config", path)
    assert refused() == f"slot ({path}): expected a whole number from 0"


def test_format_with_a_schema_needs_a_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().input_format == "json"
    remedy = "expected json, as no Schema Registry is set: for avro, set --schema-registry-url or SCHEMA_REGISTRY_URL"
    assert refused({"input_format": "avro"}) == f"--input-format: {remedy}"
    path = settings_file(tmp_path, 'input_format = "avro"')
    assert refused({"config": path}) == f"input_format ({path}): {remedy}"
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", "http://registry:8081")
    settings = load_settings({"config": path})
    assert (settings.input_format, settings.schema_registry_url) == ("avro", "http://registry:8081")
    assert load_settings().input_format == "json"


def test_wrong_registry_is_told_once() -> None:
    message = refused({"input_format": "avro", "schema_registry_url": "registry:8081"})
    assert message.startswith("--schema-registry-url: expected http(s)://HOST[:PORT][/PATH]")
    assert "--input-format" not in message
