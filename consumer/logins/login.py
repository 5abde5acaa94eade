"""Log in to managed brokers by their vendor's signer, an extra."""

from collections.abc import Mapping
from functools import partial
from typing import Final, NamedTuple

from consumer.errors import WorkerError
from consumer.logins.tokens import Signer, TokenProvider
from scoring.errors import MissingExtra, needs_extra

_AWS: Final = "aws-msk-iam"


class _Vendor(NamedTuple):
    """The extra that holds its signer, and what a user without credentials has to set."""

    extra: str
    remedy: str


_VENDORS: Final = {
    _AWS: _Vendor(
        "aws",
        "give AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of this host or pod",
    ),
    "gcp": _Vendor(
        "gcp",
        "give a service account: the path of its file in GOOGLE_APPLICATION_CREDENTIALS, or that of this host or pod",
    ),
}


def log_in(login: str, bootstrap_servers: str, environ: Mapping[str, str]) -> TokenProvider:
    """Return a provider that has a first token. Raises WorkerError, in one line."""
    vendor = _VENDORS[login]
    try:
        with needs_extra(vendor.extra, f"--login {login}"):
            provider = TokenProvider(login, _signer(login, bootstrap_servers, environ))
    except MissingExtra as error:
        raise WorkerError(str(error)) from error
    try:
        provider.start()
    except WorkerError as error:
        raise WorkerError(f"--login {login}: {error}; {vendor.remedy}") from error
    return provider


def _signer(login: str, bootstrap_servers: str, environ: Mapping[str, str]) -> Signer:
    if login == _AWS:
        from consumer.logins import msk  # noqa: PLC0415 - an extra, which need not be installed

        return partial(msk.sign, msk.region_of(bootstrap_servers, environ))
    from consumer.logins import google  # noqa: PLC0415 - the same

    return google.sign
