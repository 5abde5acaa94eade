"""google-auth without Google: a local endpoint gives out the access tokens."""

import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth.exceptions import GoogleAuthError

from consumer.errors import WorkerError
from consumer.logins.google import sign
from consumer.logins.tokens import describe
from tests.support.http_endpoint import Endpoint

ACCOUNT = "scorer@project.iam.gserviceaccount.com"
ACCESS = "ya29." + "c0ffee" * 30
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.fixture
def account(endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """The endpoint of the service account whose file the environment names."""
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    credentials(
        tmp_path,
        monkeypatch,
        {"type": "service_account", "client_email": ACCOUNT, "token_uri": endpoint.url, "private_key": pem},
    )
    endpoint.default = (200, {"access_token": ACCESS, "expires_in": 3600, "token_type": "Bearer"})
    return endpoint


def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: dict[str, Any]) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"project_id": "project", "quota_project_id": "project", **content}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))


def test_token_is_an_access_token_with_its_claims(account: Endpoint) -> None:
    now = time.time()
    token = sign()
    header, claims, access = map(decoded, token.text.split("."))
    assert json.loads(header) == {"typ": "JWT", "alg": "GOOG_OAUTH2_TOKEN"}
    told = json.loads(claims)
    assert told == {"exp": token.expires, "iat": told["iat"], "iss": "Google", "scope": "kafka", "sub": ACCOUNT}
    assert told["iat"] == pytest.approx(now, abs=60.0)
    assert access.decode() == ACCESS
    assert token.expires == pytest.approx(now + 3600, abs=60.0)
    assert len(account.requests) == 1


def test_access_token_is_asked_for_with_the_accounts_signature(account: Endpoint) -> None:
    sign()
    (assertion,) = parse_qs(account.requests[0].body.decode())["assertion"]
    signed, _, signature = assertion.rpartition(".")
    KEY.public_key().verify(decoded(signature), signed.encode(), padding.PKCS1v15(), SHA256())
    asked = json.loads(decoded(signed.split(".")[1]))
    assert (asked["iss"], asked["scope"]) == (ACCOUNT, "https://www.googleapis.com/auth/cloud-platform")


def test_refusal_is_googles_reason_in_one_line(account: Endpoint) -> None:
    account.default = (400, {"error": "invalid_grant", "error_description": f"Invalid JWT: {ACCESS}"})
    with pytest.raises(GoogleAuthError) as caught:
        sign()
    said = describe(caught.value)
    assert said.startswith("RefreshError: ('invalid_grant: Invalid JWT: ***")
    assert "c0ffee" not in said


def test_access_token_without_an_end_is_refused(account: Endpoint) -> None:
    account.default = (200, {"access_token": ACCESS, "token_type": "Bearer"})
    with pytest.raises(WorkerError, match=r"^the access token has no time at which it expires$"):
        sign()


def test_persons_credentials_are_refused(endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    person = {"client_id": "id", "client_secret": "hunter2", "refresh_token": "hunter3", "token_uri": endpoint.url}
    credentials(tmp_path, monkeypatch, {"type": "authorized_user", **person})
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", endpoint.url)
    endpoint.default = (200, {"access_token": ACCESS, "expires_in": 3600})
    with pytest.raises(WorkerError, match=r"^the credentials are not those of a service account$"):
        sign()
