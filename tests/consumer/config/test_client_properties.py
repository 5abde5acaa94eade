"""Properties of clients: where they come from, which place wins, which are secret, and what is said of wrong ones."""

import ctypes
import os
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import confluent_kafka
import pytest
from confluent_kafka import cimpl

from consumer.config import sources
from consumer.config.client_properties import CLIENTS, KAFKA, SCHEMA_REGISTRY, ClientProperties, secrets
from consumer.config.settings import Settings, load_settings, masked, origins
from consumer.kafka.properties import CALLBACK
from tests.support.settings import refused, settings_file


class Sample(NamedTuple):
    """A client, two of its properties that are no secret, a number, a path and a secret."""

    client: ClientProperties
    first: str
    second: str
    number: str
    path: str
    secret: str


SAMPLES: Final = (
    Sample(KAFKA, "client.rack", "sasl.username", "fetch.min.bytes", "ssl.key.location", "sasl.password"),
    Sample(
        *(SCHEMA_REGISTRY, "bearer.auth.scope", "bearer.auth.client.id", "timeout", "ssl.key.location"),
        "basic.auth.user.info",
    ),
)
SECRET: Final = "me:hunter2"
each_client = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.client.setting)


def properties(settings: Settings, sample: Sample) -> dict[str, str]:
    value: dict[str, str] = getattr(settings, sample.client.setting)
    return value


def test_each_client_has_a_sample() -> None:
    assert [sample.client for sample in SAMPLES] == list(CLIENTS.values())


# -- Where they come from --------------------------------------------------------------------------------------------


@each_client
def test_places_meet_property_by_property(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Sample) -> None:
    client, first, second, number, path, secret = sample
    text = f'[{client.setting}]\n{first} = "file"\n"{second}" = ["a", "b"]\n{number} = 7\n{path} = "/file"'
    monkeypatch.setenv(client.variable_name(first), "environment")
    monkeypatch.setenv(client.variable_name(secret), "environment:")
    cli_settings = {"config": settings_file(tmp_path, text), client.setting: [f"{path}=/a=b", f"{secret}=line:"]}
    assert properties(load_settings(cli_settings), sample) == {
        first: "environment",
        second: "a,b",
        number: "7",
        path: "/a=b",
        secret: "line:",
    }


@each_client
def test_properties_of_one_client_are_no_other_clients(monkeypatch: pytest.MonkeyPatch, sample: Sample) -> None:
    client = sample.client
    monkeypatch.setenv(client.variable_name("ssl.ca.location"), "/ca")
    settings = load_settings({client.setting: ["ssl.key.location=/key"]})
    found = {setting: getattr(settings, setting) for setting in CLIENTS}
    expected = {"ssl.ca.location": "/ca", "ssl.key.location": "/key"}
    assert found == {setting: expected if setting == client.setting else {} for setting in CLIENTS}


@each_client
def test_secret_stands_in_a_file_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Sample
) -> None:
    client, secret = sample.client, sample.secret
    path = tmp_path / "secret"
    path.write_text(f"\ufeff{SECRET} \r\n", "utf-8")
    monkeypatch.setenv(client.file_variable(secret), str(path))
    monkeypatch.setenv(f"{client.prefix}LOG_FILE", "/none/of/ours")
    assert properties(load_settings(), sample) == {secret: f"{SECRET} "}
    assert properties(load_settings({client.setting: [f"{secret}=a:b"]}), sample) == {secret: "a:b"}


def test_property_of_a_path_is_not_the_file_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SASL_OAUTHBEARER_ASSERTION_FILE", "/a/setting/of/its/own")
    assert load_settings().kafka == {"sasl.oauthbearer.assertion.file": "/a/setting/of/its/own"}


@each_client
def test_wrong_secret_file_is_told_by_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Sample
) -> None:
    variable, path = sample.client.file_variable(sample.secret), tmp_path / "secret"
    monkeypatch.setenv(variable, str(path))
    assert refused() == f"{variable} (environment): {path} cannot be read: No such file or directory"
    path.write_bytes(b"\n")
    assert refused() == f"{variable} (environment): {path} is empty"
    path.write_bytes(b"hunter2\xff")
    assert refused() == f"{variable} (environment): {path} is not text in UTF-8"
    path.write_bytes(b"hunter2\0")
    assert refused() == f"{variable} (environment) takes a text without NUL"
    direct = sample.client.variable_name(sample.secret)
    monkeypatch.setenv(direct, SECRET)
    assert refused() == f"{variable} (environment): {direct} is there too, and one of them must go"


@pytest.mark.parametrize(
    ("client", "variable", "name"),
    [
        (KAFKA, "KAFKA_SECURITY_PROTOCOL", "security.protocol"),
        (KAFKA, "KAFKA_LOG__LEVEL", "log_level"),
        (KAFKA, "KAFKA_A___B_C", "a-b.c"),
        (SCHEMA_REGISTRY, "SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO", "basic.auth.user.info"),
        (SCHEMA_REGISTRY, "SCHEMA_REGISTRY_URL", "url"),
    ],
)
def test_variables_are_spelled_as_kafkas_image_spells_them(client: ClientProperties, variable: str, name: str) -> None:
    assert client.property_name(variable) == name
    assert client.variable_name(name) == variable


OF_OTHERS: Final = {
    "KAFKA_": "HOME OPTS HEAP_OPTS VERSION LISTENERS NODE_ID PORT_9092_TCP_ADDR DEBUG LOG4J_OPTS",
    "SCHEMA_REGISTRY_": "HOST_NAME LISTENERS OPTS DEBUG HEAP_OPTS KAFKASTORE_BOOTSTRAP_SERVERS LOG4J_ROOT_LOGLEVEL "
    "SSL_TRUSTSTORE_LOCATION",
}


@each_client
def test_variables_of_other_programs_are_left_alone(monkeypatch: pytest.MonkeyPatch, sample: Sample) -> None:
    for name in OF_OTHERS[sample.client.prefix].split():
        monkeypatch.setenv(sample.client.prefix + name, "x")
    assert properties(load_settings(), sample) == {}
    assert sources.ignored_variables(os.environ) == []


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("KAFKA_SASL_USERNAM", "KAFKA_SASL_USERNAME"),
        ("KAFKA_SASL_PASSWD_FILE", "KAFKA_SASL_PASSWORD_FILE"),
        ("SCHEMA_REGISTRY_URLS", "SCHEMA_REGISTRY_URL"),
        ("SCHEMA_REGISTRY_BASIC_AUTH_USERINFO_FILE", "SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO_FILE"),
    ],
)
def test_variable_that_nearly_spells_a_property_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, nearest: str
) -> None:
    monkeypatch.setenv(variable, "x")
    monkeypatch.setenv("KAFKA_SSL_TRUSTSTORE_LOCATION", "/of/java")
    monkeypatch.setenv(nearest, "/known")
    client = next(client for client in CLIENTS.values() if variable.startswith(client.prefix))
    (line,) = sources.ignored_variables(os.environ)
    assert line == f"{variable} is no setting of the {client.title}; the nearest is {nearest}"


# -- The clients' names for our settings -----------------------------------------------------------------------------

ALIASES: Final = [
    (client, alias, setting)
    for client in CLIENTS.values()
    for alias, setting in client.aliases.items()
    if setting != "group_id"
]


@pytest.mark.parametrize(("client", "alias", "setting"), ALIASES)
def test_clients_name_for_a_setting_counts_as_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: ClientProperties, alias: str, setting: str
) -> None:
    url = "{}:1" if client is KAFKA else "http://{}:1"
    path = settings_file(tmp_path, f'[{client.setting}]\n{alias} = "{url.format("file")}"')

    def loaded(**cli_settings: Any) -> object:
        settings = load_settings({"config": path, **cli_settings})
        assert getattr(settings, client.setting) == {}
        return getattr(settings, setting)

    assert loaded() == url.format("file")
    monkeypatch.setenv(client.variable_name(alias), url.format("variable"))
    assert loaded() == url.format("variable")
    monkeypatch.setenv(f"SESSION_SCORER_{setting.upper()}", url.format("own"))
    assert loaded() == url.format("own")
    pairs = [f"{alias}={url.format('line')}"]
    assert loaded(**{client.setting: pairs}) == url.format("line")
    assert loaded(**{client.setting: pairs, setting: url.format("option")}) == url.format("option")


@pytest.mark.parametrize(("client", "alias", "setting"), ALIASES)
def test_wrong_value_is_told_by_the_clients_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: ClientProperties, alias: str, setting: str
) -> None:
    wrong, table, option = "https//kafka", client.setting, f"--{setting.replace('_', '-')}"
    assert refused({table: [f"{alias}={wrong}"]}).startswith(f"{client.option} {alias}: expected ")
    assert refused({table: [f"{alias}={wrong}"], setting: wrong}).startswith(f"{option}: expected ")
    path = settings_file(tmp_path, f'[{table}]\n"{alias}" = "{wrong}"')
    assert refused({"config": path}).startswith(f"[{table}] {alias} ({path}): expected ")
    path = settings_file(tmp_path, f'{setting} = "{wrong}"\n[{table}]\n{alias} = "{wrong}"')
    assert refused({"config": path}).startswith(f"{setting} ({path}): expected ")
    variable = client.variable_name(alias)
    monkeypatch.setenv(variable, wrong)
    assert refused().startswith(f"{variable} (environment): expected ")


# -- Secrets ---------------------------------------------------------------------------------------------------------


@each_client
def test_no_secret_is_shown(sample: Sample) -> None:
    client, *_, path, secret = sample
    pairs = [f"{secret}={SECRET}", f"new.property={SECRET}", f"{sample.first}=shown", f"{path}=/shown"]
    settings = load_settings({client.setting: pairs})
    assert properties(settings, sample)[secret] == SECRET
    shown = [repr(settings), str(masked(settings)), str(origins(settings, {client.setting: pairs}, {}))]
    assert "hunter2" not in "".join(shown)
    assert masked(settings)[client.setting] == {
        secret: "***",
        "new.property": "***",
        sample.first: "shown",
        path: "/shown",
    }
    assert "hunter2" not in refused({client.setting: [*pairs, f"{sample.first}=\0"], "metrics_port": "hunter2"})


@each_client
def test_what_is_certainly_secret_is_masked(sample: Sample) -> None:
    shown = sample.client.masked(dict.fromkeys(sample.client.names, "x"))
    assert {shown[name] for name in secrets(shown)} == {"***"}


def test_properties_of_the_registry_that_may_hold_a_login_are_masked() -> None:
    shown = SCHEMA_REGISTRY.masked(dict.fromkeys(SCHEMA_REGISTRY.names, "x"))
    assert {name for name, value in shown.items() if value != "x"} == {
        "basic.auth.user.info",
        "bearer.auth.client.secret",
        "bearer.auth.issuer.endpoint.query",
        "bearer.auth.issuer.endpoint.url",
        "bearer.auth.token",
        "proxy",
        "ssl.key.password",
    }


@each_client
def test_secrets_on_the_command_line_are_found(sample: Sample) -> None:
    client, first, *_, path, secret = sample
    cli_settings = {client.setting: [f"{first}=a", f"{secret}=b:c", f"{path}=d", "ssl.key.password=e"]}
    assert sources.secrets_on_command_line(cli_settings) == [secret, "ssl.key.password"]
    assert sources.variables_for_secrets(cli_settings) == [
        client.file_variable(secret),
        f"{client.prefix}SSL_KEY_PASSWORD_FILE",
    ]
    assert sources.secrets_on_command_line({}) == []


# -- What is refused -------------------------------------------------------------------------------------------------


@each_client
def test_option_without_a_value_is_refused_unrepeated(sample: Sample) -> None:
    client = sample.client
    assert refused({client.setting: ["hunter2"]}) == (
        f"{client.option}: expected prop=value, as in {client.option} {client.example}"
    )
    load_settings({client.setting: [client.example]})


@each_client
def test_property_that_no_user_may_set_is_refused(monkeypatch: pytest.MonkeyPatch, sample: Sample) -> None:
    client = sample.client
    for name, why in client.reserved.items():
        if name not in client.aliases:
            assert refused({client.setting: [f"{name}=x"]}) == f"{client.option} {name} cannot be changed: {why}"
    variable = client.variable_name(name)
    monkeypatch.setenv(variable, "x")
    assert refused() == f"{variable} (environment) cannot be changed: {CALLBACK}"


@each_client
def test_text_that_no_client_takes_is_refused(tmp_path: Path, sample: Sample) -> None:
    client, name = sample.client, sample.first
    path = settings_file(tmp_path, f'[{client.setting}]\n{name} = "a\\u0000b"')
    assert refused({"config": path}) == f"[{client.setting}] {name} ({path}) takes a text without NUL"
    message = refused({client.setting: [f"{name}=gr\udcfcpp"]})
    assert message.startswith(f"{client.option} {name} takes text in UTF-8")


@each_client
@pytest.mark.parametrize("value", ["{}", "[1, {a = 1}]", "[[1]]", "1979-05-27"])
def test_property_of_another_type_in_the_file_is_refused(tmp_path: Path, sample: Sample, value: str) -> None:
    setting, name = sample.client.setting, sample.number
    path = settings_file(tmp_path, f"[{setting}]\n{name} = {value}")
    assert refused({"config": path}).startswith(f"[{setting}] {name} ({path}): expected a text, a number, true or ")


@each_client
def test_table_that_is_none_is_refused(tmp_path: Path, sample: Sample) -> None:
    setting = sample.client.setting
    path = settings_file(tmp_path, f"{setting} = 1")
    assert refused({"config": path}) == f"{setting} ({path}): expected a table, [{setting}]"


@pytest.mark.parametrize("value", ["", "soon", "-1", "1e3", "nan", "0x10", "1_000", "٣"])
def test_number_of_the_registry_client_is_one(value: str) -> None:
    assert refused({"schema_registry": [f"timeout={value}"]}) == "-R timeout takes a number from 0"


@pytest.mark.parametrize("value", ["0", "10", "2.5"])
def test_number_of_the_registry_client_stays_text(value: str) -> None:
    assert load_settings({"schema_registry": [f"timeout={value}"]}).schema_registry == {"timeout": value}


def test_login_of_the_registry_is_a_user_and_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    variable = "SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO"
    monkeypatch.setenv(variable, "hunter2")
    assert refused() == f"{variable} (environment) takes USER:PASSWORD"


@pytest.mark.parametrize("token", ["hunter2 ", "hunter2\n", " hunter2", "húnter2"])
def test_token_of_the_registry_fits_a_header(token: str) -> None:
    expected = "-R bearer.auth.token takes a token without blanks, in ASCII"
    assert refused({"schema_registry": [f"bearer.auth.token={token}"]}) == expected


@pytest.mark.parametrize(
    "proxy", ["me:hunter2@host:80", "http://me:hunter/2@host", "http://me:hunter@2@host", "host:80"]
)
def test_proxy_of_the_registry_is_a_url(proxy: str) -> None:
    expected = "-R proxy takes http://[USER:PASSWORD@]HOST:PORT, with %40 for @ and %2F for / in a login"
    assert refused({"schema_registry": [f"proxy={proxy}"]}) == expected


@pytest.mark.parametrize(
    "proxy", ["http://proxy:3128", "https://me:hunter%2F2@proxy/", "socks5://[::1]:1080", "http://proxy"]
)
def test_url_of_a_proxy_is_accepted(proxy: str) -> None:
    assert load_settings({"schema_registry": [f"proxy={proxy}"]}).schema_registry == {"proxy": proxy}


# -- The clients' own lists ------------------------------------------------------------------------------------------


def test_librdkafka_knows_the_properties() -> None:
    library = ctypes.CDLL(cimpl.__file__)
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    unknown_to_it = -2  # RD_KAFKA_CONF_UNKNOWN; a value that it does not like is another number
    unknown = [
        name
        for name in sorted(KAFKA.names)
        if library.rd_kafka_conf_set(conf, name.encode(), b"?", None, ctypes.c_size_t(0)) == unknown_to_it
    ]
    assert unknown == []


def test_properties_of_the_registry_are_those_that_its_client_reads() -> None:
    """Read its source, which takes each from a dict: to import it needs packages that the program may lack."""
    package = Path(confluent_kafka.__file__).parent / "schema_registry"
    modules = (package / "_sync" / "schema_registry_client.py", package / "common" / "_oauthbearer.py")
    text = "".join(path.read_text("utf-8") for path in modules)
    read = set(re.findall(r"conf(?:_copy)?\.pop\('([a-z.]+)'", text))
    assert read == SCHEMA_REGISTRY.names | SCHEMA_REGISTRY.aliases.keys() | SCHEMA_REGISTRY.reserved.keys()
