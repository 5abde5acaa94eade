"""Keep a token for the brokers fresh on a thread of its own, for all Kafka clients of a process."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final

from consumer.errors import WorkerError
from consumer.printable import printable
from consumer.runtime import SYSTEM, Clock, RateLimit, Runtime

_log = logging.getLogger("consumer.logins")

_ANSWER_SECONDS: Final = 10.0  # for the first token; a later one that takes longer is reported
_RENEWAL: Final = 1 / 3  # of the life that is left
# What a client is told of the life that is left. It asks for the next token after 80 % of that, in steps of 1 s, and
# logs in again after 90 % of the token's own. With the whole of 10 s it logged in with the old token and 0.5 s later
# with the new one, which brokers refuse within a second (ILLEGAL_SASL_STATE).
_TOLD: Final = 1 / 2
_LEAST_PAUSE: Final = 1.0
_MOST_PAUSE: Final = 10.0  # between attempts that fail
_MOST_LIFE: Final = 86_400.0  # s; a longer one, as of a wrong unit, counts as this: no thread sleeps for ever
_MOST_CHARACTERS: Final = 300
# a private key, a token, a secret key of AWS: no vendor's message is known to hold one
_CREDENTIALS: Final = re.compile(r"-----BEGIN.*|[\w+/=.-]{100,}|(?<![\w+/=.-])[A-Za-z0-9+/]{40}(?![\w+/=.-])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Token:
    """A token of the SASL mechanism OAUTHBEARER; `expires` is in seconds since the epoch."""

    text: str = field(repr=False)
    expires: float


Signer = Callable[[], Token]
"""Returns a new token. It may block, and raise any exception."""


class TokenProvider:
    """Renews a token in the background, and returns the latest one at once when it is called: an `oauth_cb`.

    confluent-kafka 2.16 calls it on a background thread of each client, which the client's end waits for.
    """

    def __init__(self, login: str, sign: Signer, now: Clock = time.time, runtime: Runtime = SYSTEM) -> None:
        """`login` names it in the log. `now` returns seconds since the epoch."""
        self._login = login
        self._sign = sign
        self._now = now
        self._runtime = runtime
        self._reports = RateLimit(clock=runtime.clock)
        self._token = Token("", 0.0)
        self._failures = 0  # in a row
        self._signing_since: float | None = None

    def start(self) -> None:
        """Wait for the first token, at most 10 s, then keep it fresh. Raises WorkerError, in one line."""
        first: SimpleQueue[Exception | None] = self._runtime.make_queue()
        self._runtime.start_thread(partial(self._keep_fresh, first), "login")
        try:
            error = first.get(timeout=_ANSWER_SECONDS)
        except Empty:
            raise WorkerError(f"no token within {_ANSWER_SECONDS:g} s") from None
        if error is not None:
            raise WorkerError(describe(error)) from error

    def __call__(self, _: str = "") -> tuple[str, float]:
        """Return the latest token, and a time before its end, in seconds since the epoch."""
        since = self._signing_since
        if since is not None and self._runtime.clock() - since > _ANSWER_SECONDS:
            self._report(f"no answer for {self._runtime.clock() - since:.0f} s")
        return self._token.text, self._now() + self._seconds_left() * _TOLD

    def _keep_fresh(self, first: "SimpleQueue[Exception | None]") -> None:
        """Renew the token without end, unless the first attempt fails; its outcome goes into `first`."""
        error = self._renew()
        first.put(error)
        if error is not None:
            return
        while True:
            self._runtime.sleep(self._pause())
            if (error := self._renew()) is not None:
                self._report(describe(error))

    def _renew(self) -> Exception | None:
        """Replace the token. Return the error that prevents it."""
        self._signing_since = self._runtime.clock()
        try:
            self._token = self._valid_token()
        except Exception as error:  # noqa: BLE001 - each vendor has its own
            self._failures += 1
            return error
        finally:
            self._signing_since = None
        self._failures = 0
        return None

    def _valid_token(self) -> Token:
        token = self._sign()
        if not token.expires > self._now():  # NaN, too
            raise WorkerError("the new token has expired already: is this machine's clock right?")
        return token

    def _pause(self) -> float:
        """Return the seconds until the next attempt."""
        if self._failures:
            return min(self._failures * _LEAST_PAUSE, _MOST_PAUSE)
        return max(self._seconds_left() * _RENEWAL, _LEAST_PAUSE)

    def _seconds_left(self) -> float:
        """Return the seconds until the latest token expires, at most a day."""
        return min(self._token.expires - self._now(), _MOST_LIFE)

    def _report(self, reason: str) -> None:
        if self._reports.admit():
            extra = {"login": self._login, "reason": reason, "valid_seconds": round(self._seconds_left())}
            _log.warning("no new token", extra=extra)


def describe(error: Exception) -> str:
    """Return the error's class and message in one line, without what looks like a credential."""
    text = printable(_CREDENTIALS.sub("***", " ".join(str(error).split())))[:_MOST_CHARACTERS].rstrip(".")
    return text if isinstance(error, WorkerError) else f"{type(error).__name__}: {text}"
