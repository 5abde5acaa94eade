"""Tokens for Google Cloud's Managed Service for Apache Kafka, made from an access token as its brokers expect."""

import base64
import json
import time
from datetime import UTC
from typing import Any, Final

import google.auth
from google.auth.transport.requests import Request

from consumer.errors import WorkerError
from consumer.logins.tokens import Token

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_HEADER: Final = {"typ": "JWT", "alg": "GOOG_OAUTH2_TOKEN"}


def sign() -> Token:
    """Return a new token of the application default credentials. Raises google-auth's errors, or WorkerError."""
    credentials: Any  # google-auth has types for half of it
    credentials, _ = google.auth.default(scopes=[_SCOPE])
    credentials.refresh(Request())
    account = getattr(credentials, "service_account_email", None)
    if not account:
        raise WorkerError("the credentials are not those of a service account")
    if credentials.expiry is None:
        raise WorkerError("the access token has no time at which it expires")
    expires = credentials.expiry.replace(tzinfo=UTC).timestamp()  # UTC without a zone
    claims = {"exp": expires, "iat": time.time(), "iss": "Google", "scope": "kafka", "sub": account}
    parts = (json.dumps(_HEADER), json.dumps(claims), credentials.token)
    return Token(".".join(map(_base64, parts)), expires)


def _base64(text: Any) -> str:
    return base64.urlsafe_b64encode(str(text).encode()).decode().rstrip("=")
