"""Tokens for Amazon MSK with IAM: a request that AWS's own signer signs, valid for 15 minutes."""

import re
from collections.abc import Mapping
from typing import Final

from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
from botocore.credentials import CredentialProvider, Credentials
from botocore.exceptions import NoCredentialsError
from botocore.session import Session

from consumer.errors import WorkerError
from consumer.logins.tokens import Token

_HOST: Final = re.compile(r"\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com", re.IGNORECASE)
_REGION: Final = re.compile(r"[a-z0-9-]+")


class _DefaultCredentials(CredentialProvider):  # type: ignore[misc] # botocore has no types
    """Finds credentials as all AWS tools do; without any, AWS's signer fails with an AttributeError."""

    def load(self) -> Credentials:
        credentials = Session().get_credentials()
        if credentials is None:
            raise NoCredentialsError
        return credentials


def sign(region: str) -> Token:
    """Return a new token. Raises botocore's errors."""
    # credentials are looked for each time: a file of them may have changed
    sign_with = MSKAuthTokenProvider.generate_auth_token_from_credentials_provider
    text, expires_ms = sign_with(region, _DefaultCredentials())
    return Token(text, expires_ms / 1000)


def region_of(bootstrap_servers: str, environ: Mapping[str, str]) -> str:
    """Return the region that the environment names, else that of the brokers' host names. Raises WorkerError."""
    if region := environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"):
        if not _REGION.fullmatch(region):
            raise WorkerError(
                "--login aws-msk-iam: AWS_REGION (or AWS_DEFAULT_REGION): expected a region, as eu-west-1"
            )
        return region
    if host := _HOST.search(bootstrap_servers):
        return host[1].lower()
    raise WorkerError("--login aws-msk-iam: the names of the brokers tell no region: set AWS_REGION")
