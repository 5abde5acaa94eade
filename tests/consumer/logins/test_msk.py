"""AWS's signer without AWS: its URL is signed once more by hand, its credentials come from a local endpoint."""

import base64
import datetime as dt
import hashlib
import hmac
from functools import reduce
from urllib.parse import parse_qs, quote, urlsplit

import botocore.auth
import pytest
from botocore.exceptions import BotoCoreError

from consumer.errors import WorkerError
from consumer.logins.msk import region_of, sign
from consumer.logins.tokens import Token, describe
from tests.support.http_endpoint import Endpoint

KEY_ID, KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # of AWS's documentation
NOW = dt.datetime(2026, 11, 28, 12, 30, 1, tzinfo=dt.UTC)


@pytest.fixture
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))


def query_of(token: Token) -> tuple[str, dict[str, str]]:
    """Return host and query of the URL that the token is."""
    url = urlsplit(base64.urlsafe_b64decode(token.text + "=" * (-len(token.text) % 4)).decode())
    assert (url.scheme, url.path) == ("https", "/")
    return url.netloc, {name: value for name, (value,) in parse_qs(url.query).items()}


def signature(host: str, query: dict[str, str], key: str, region: str) -> str:
    """Return the signature (version 4) of a GET request, as AWS's documentation describes it."""
    date = query["X-Amz-Date"]
    signed = {name: value for name, value in query.items() if name not in {"X-Amz-Signature", "User-Agent"}}
    pairs = "&".join(f"{quote(name, '')}={quote(value, '')}" for name, value in sorted(signed.items()))
    request = "\n".join(["GET", "/", pairs, f"host:{host}", "", "host", hashlib.sha256(b"").hexdigest()])
    scope = f"{date[:8]}/{region}/kafka-cluster/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(request.encode()).hexdigest()])

    def digest(secret: bytes, part: str) -> bytes:
        return hmac.digest(secret, part.encode(), "sha256")

    return digest(reduce(digest, scope.split("/"), f"AWS4{key}".encode()), text).hex()


@pytest.mark.usefixtures("_keys")
def test_token_is_the_request_to_connect_signed() -> None:
    token = sign("eu-west-1")
    host, query = query_of(token)
    assert host == "kafka.eu-west-1.amazonaws.com"
    assert query["Action"] == "kafka-cluster:Connect"
    assert query["X-Amz-Credential"] == f"{KEY_ID}/20261128/eu-west-1/kafka-cluster/aws4_request"
    assert (query["X-Amz-Date"], query["X-Amz-Expires"]) == ("20261128T123001Z", "900")
    assert query["X-Amz-Signature"] == signature(host, query, KEY, "eu-west-1")
    assert token.expires == NOW.timestamp() + 900


@pytest.mark.usefixtures("_keys")
def test_token_of_temporary_credentials_has_their_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session/+token")
    host, query = query_of(sign("us-east-1"))
    assert query["X-Amz-Security-Token"] == "session/+token"
    assert query["X-Amz-Signature"] == signature(host, query, KEY, "us-east-1")


def test_credentials_of_a_container_are_fetched_anew(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
    end = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for key_id in ("FIRST", "SECOND"):
        endpoint.default = (200, {"AccessKeyId": key_id, "SecretAccessKey": KEY, "Token": "session", "Expiration": end})
        host, query = query_of(sign("eu-west-1"))
        assert query["X-Amz-Credential"].startswith(f"{key_id}/")
        assert query["X-Amz-Signature"] == signature(host, query, KEY, "eu-west-1")


def test_refused_credentials_are_one_line(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
    endpoint.default = (403, {})
    with pytest.raises(BotoCoreError) as caught:
        sign("eu-west-1")
    assert describe(caught.value).startswith("CredentialRetrievalError: Error when retrieving credentials")


def test_missing_credentials_are_said_to_be_missing() -> None:
    with pytest.raises(BotoCoreError, match="Unable to locate credentials"):
        sign("eu-west-1")


@pytest.mark.parametrize(
    ("servers", "environ", "region"),
    [
        ("b-1.c.ab12.c2.kafka.us-east-1.amazonaws.com:9098", {}, "us-east-1"),
        ("boot-ab12.c1.kafka-serverless.eu-central-1.amazonaws.com:9098", {}, "eu-central-1"),
        ("B-1.C.AB12.C2.KAFKA.CN-NORTH-1.AMAZONAWS.COM.CN:9098", {}, "cn-north-1"),
        ("b-1.c.ab12.c2.kafka.us-east-1.amazonaws.com:9098", {"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ("kafka:9098", {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": ""}, "eu-west-1"),
        ("kafka:9098", {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-2"}, "eu-west-2"),
    ],
)
def test_region_is_the_environments_or_the_brokers(servers: str, environ: dict[str, str], region: str) -> None:
    assert region_of(servers, environ) == region


@pytest.mark.parametrize("servers", ["kafka:9098", "kafka.us-east-1.example.com:9098", "localhost:9092"])
def test_missing_region_is_one_line(servers: str) -> None:
    with pytest.raises(WorkerError, match=r"^--login aws-msk-iam: .* set AWS_REGION$"):
        region_of(servers, {})


@pytest.mark.parametrize("region", ["eu-west-1 ", "EU West", "https://kafka.eu-west-1.amazonaws.com", "eu-west-1\n"])
def test_text_that_is_no_region_is_one_line(region: str) -> None:
    with pytest.raises(WorkerError, match=r"^--login aws-msk-iam: AWS_REGION .*: expected a region, as eu-west-1$"):
        region_of("kafka:9098", {"AWS_REGION": region})
