"""`--login` as its users meet it: what it needs, what it says, what it contradicts."""

import sys

import pytest

from consumer.config.settings import SettingsError, load_settings
from consumer.errors import WorkerError
from consumer.logins.login import log_in
from tests.support.command_line import Call
from tests.support.http_endpoint import Endpoint

KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
BROKER = "b-1.c.ab12.c2.kafka.us-east-1.amazonaws.com:9098"


@pytest.mark.parametrize(
    ("login", "module", "package", "extra"),
    [
        ("aws-msk-iam", "msk", "aws_msk_iam_sasl_signer", "aws"),
        ("gcp", "google", "google.auth", "gcp"),
    ],
)
def test_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, login: str, module: str, package: str, extra: str
) -> None:
    monkeypatch.delitem(sys.modules, f"consumer.logins.{module}", raising=False)
    monkeypatch.delattr(f"consumer.logins.{module}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(WorkerError) as caught:
        log_in(login, BROKER, {})
    remedy = f"pip install 'session-scorer[{extra}]'"
    assert str(caught.value) == f"--login {login} needs packages that are not installed: {remedy}"


@pytest.mark.parametrize(
    ("login", "reason", "remedy"),
    [
        ("aws-msk-iam", "NoCredentialsError: Unable to locate credentials; ", "give AWS credentials: AWS_ACCESS_KEY"),
        ("gcp", "DefaultCredentialsError: Your default credentials were not found.", "GOOGLE_APPLICATION_CREDENTIALS"),
    ],
)
def test_missing_credentials_end_run_with_one_line(call: Call, login: str, reason: str, remedy: str) -> None:
    said = call("run", "--login", login, "--bootstrap-servers", BROKER, "--metrics-port", "0")
    assert said.status == 1
    assert said.line.startswith(f"session-scorer: --login {login}: {reason}")
    assert remedy in said.line


def test_check_tells_the_login_and_goes_on(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    said = call("check", "--login", "aws-msk-iam", "--bootstrap-servers", "127.0.0.1:1")
    assert "ok   login: aws-msk-iam: there is a token\n" in said.out
    assert "fail broker: no Kafka broker answered at 127.0.0.1:1: sasl_ssl://" in said.out
    assert KEY not in said.out + said.err


def test_check_asks_no_broker_without_a_token(call: Call, monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint) -> None:
    endpoint.default = (403, {})
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
    said = call("check", "--login", "aws-msk-iam", "--bootstrap-servers", BROKER)
    assert said.status == 1
    assert "fail login: --login aws-msk-iam: CredentialRetrievalError: " in said.out
    assert "skip broker: not checked: there is no token to log in with\n" in said.out
    assert said.err == ""  # the signer's own log is quiet


@pytest.mark.parametrize(
    "given",
    [
        "sasl.password=hunter2",
        "sasl.mechanism=PLAIN",
        "sasl.mechanisms=SCRAM-SHA-512",
        "security.protocol=SSL",
        "sasl.oauthbearer.method=oidc",
        "enable.sasl.oauthbearer.unsecure.jwt=true",
    ],
)
def test_property_of_another_login_is_refused(given: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"login": "gcp", "kafka": [given]})
    name = given.partition("=")[0]
    assert str(caught.value) == (
        f"-X {name} contradicts login gcp, which brings security.protocol=SASL_SSL, "
        "sasl.mechanism=OAUTHBEARER and the token: leave one of them out"
    )
    assert load_settings({"kafka": [given]}).login is None


def test_property_that_agrees_with_the_login_is_accepted() -> None:
    agreeing = {"security.protocol": "sasl_ssl", "sasl.mechanisms": "OAUTHBEARER", "ssl.ca.location": "/ca.pem"}
    settings = load_settings({"login": "gcp", "kafka": [f"{name}={value}" for name, value in agreeing.items()]})
    assert settings.kafka == agreeing
