"""A token is renewed in the background, whatever the signer does."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import WorkerError
from consumer.kafka.client import open_client
from consumer.kafka.config import Connection
from consumer.logins import tokens
from consumer.logins.tokens import Token, TokenProvider, describe
from consumer.runtime import Runtime, Thread
from tests.support.fakes import FakeClock

SECRET = "Sk1" * 40


class EndError(BaseException):
    """Ends the thread that renews."""


class Script:
    """A signer that follows a list, on a clock that passes by sleeping; `pauses` are the seconds slept."""

    def __init__(self, *outcomes: float | Exception) -> None:
        """A number is a token's life in seconds."""
        self.clock = FakeClock()
        self.pauses: list[float] = []
        self.signed = 0
        self._outcomes = iter(outcomes)

    def sign(self) -> Token:
        outcome = next(self._outcomes, None)
        if outcome is None:
            raise EndError
        if isinstance(outcome, Exception):
            raise outcome
        self.signed += 1
        return Token(f"token {self.signed}", self.clock() + outcome)

    def provider(self) -> TokenProvider:
        """Return the provider after the whole list."""

        def sleep(seconds: float) -> None:
            self.pauses.append(seconds)
            self.clock.sleep(seconds)

        provider = TokenProvider("test", self.sign, self.clock, Runtime(self.clock, sleep, run_now))
        provider.start()
        return provider


def run_now(target: Callable[[], None], _: str) -> Thread:
    """Run the target to its end instead of starting a thread."""
    with suppress(EndError):
        target()
    return threading.current_thread()


def logged(caplog: pytest.LogCaptureFixture) -> Sequence[dict[str, object]]:
    """Return the messages with their fields."""
    names = ("message", "login", "reason", "valid_seconds")
    return [{name: getattr(record, name) for name in names} for record in caplog.records]


def test_token_is_renewed_after_a_third_of_its_life() -> None:
    script = Script(900, 3600, 10, 1)
    provider = script.provider()
    assert script.pauses == pytest.approx([300, 1200, 10 / 3, 1])
    text, expires = provider()
    assert text == "token 4"
    assert expires == pytest.approx(script.clock())


def test_client_asks_again_before_it_has_to_log_in_again() -> None:
    """It asks after 80 % of what it is told, and a second more; it logs in again after 90 % of the token's life."""
    script = Script(10)
    provider = script.provider()  # the pause before the renewal is over
    left = 10 * 2 / 3
    _, told = provider()
    assert (told - script.clock()) * 0.8 + 1.0 < left * 0.9 - 1.0
    assert told - script.clock() == pytest.approx(left / 2)


def test_failing_signer_is_retried_and_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(900, *[ValueError(f"no\nmetadata {SECRET}")] * 12, 900)
    provider = script.provider()
    assert script.pauses == [300, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 300]
    assert provider()[0] == "token 2"
    first, second = logged(caplog)
    assert first == {
        "message": "no new token",
        "login": "test",
        "reason": "ValueError: no metadata ***",
        "valid_seconds": 600,
    }
    assert second == first | {"valid_seconds": 600 - 65}
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_first_failure_is_one_line_and_ends_the_attempts() -> None:
    script = Script(ValueError(f"no metadata\n\x1b[2J {SECRET}."), 900)
    with pytest.raises(WorkerError, match=r"^ValueError: no metadata \?\[2J \*\*\*$"):
        script.provider()
    assert (script.signed, script.pauses) == (0, [])


@pytest.mark.parametrize("life", [1e12, float("inf")])
def test_token_that_never_expires_is_renewed_in_a_day(life: float) -> None:
    script = Script(life)
    _, told = script.provider()()
    assert script.pauses == [86_400 / 3]
    assert told - script.clock() == 86_400 / 2


@pytest.mark.parametrize("life", [0, -1, float("nan")])
def test_token_that_has_expired_already_is_refused(life: float) -> None:
    with pytest.raises(WorkerError, match=r"^the new token has expired already: is this machine's clock right\?$"):
        Script(life).provider()


class Hanging:
    """A signer that hangs from its second call on, until it is released."""

    def __init__(self) -> None:
        self.calls = 0
        self.reached, self.released = threading.Event(), threading.Event()

    def __call__(self) -> Token:
        self.calls += 1
        if self.calls > 1:
            self.reached.set()
            self.released.wait(60.0)
        return Token(f"token {self.calls}", time.time() + 900)


def test_old_token_is_returned_while_the_signer_hangs(caplog: pytest.LogCaptureFixture) -> None:
    sign, clock = Hanging(), FakeClock()
    provider = TokenProvider("test", sign, runtime=Runtime(clock, sleep=lambda _: None))
    provider.start()
    assert sign.reached.wait(10.0)
    assert provider()[0] == "token 1"
    assert logged(caplog) == []
    clock.sleep(11.0)
    assert [provider()[0], provider()[0]] == ["token 1"] * 2
    assert [each["reason"] for each in logged(caplog)] == ["no answer for 11 s"]
    sign.released.set()


def test_client_opens_and_ends_while_the_signer_hangs() -> None:
    """Nobody polls the client: its own thread asks for the token."""
    sign = Hanging()
    provider = TokenProvider("test", sign, runtime=Runtime(sleep=lambda _: None))
    provider.start()
    assert sign.reached.wait(10.0)
    began = time.monotonic()
    producer = open_client(Producer, Connection("127.0.0.1:1", oauth_cb=provider).producer())
    del producer
    assert time.monotonic() - began < 8.0  # confluent-kafka waits for 1 s, and for 10 s without a token
    sign.released.set()


def test_first_token_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_ANSWER_SECONDS", 0.05)
    release = threading.Event()
    provider = TokenProvider("test", lambda: Token(str(release.wait(60.0)), 0.0))
    with pytest.raises(WorkerError, match=r"^no token within 0.05 s$"):
        provider.start()
    release.set()


@given(st.text(max_size=400), st.text("abcXYZ0189+/=_.-", min_size=100, max_size=500), st.text(max_size=400))
def test_description_is_one_line_without_tokens(before: str, token: str, after: str) -> None:
    said = describe(ValueError(f"{before} {token} {after}"))
    assert said.isprintable()
    assert len(said) < 320
    assert token[:40] not in said


@pytest.mark.parametrize(
    "text",
    [
        "User: arn:aws:sts::123456789012:assumed-role/stack-TaskRole-1A2B3C4D5E6F/session is not authorized",
        "File /var/run/secrets/eks.amazonaws.com/serviceaccount/token was not found",
    ],
)
def test_description_keeps_names_and_paths(text: str) -> None:
    assert describe(OSError(text)) == f"OSError: {text}"


@pytest.mark.parametrize("secret", ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "-----BEGIN PRIVATE KEY-----\nMIIE"])
def test_description_hides_keys(secret: str) -> None:
    assert describe(OSError(f"no good: '{secret}'")).startswith("OSError: no good: '***")
    assert secret[-4:] not in describe(OSError(secret))


def test_token_is_not_printed() -> None:
    assert SECRET not in repr(Token(SECRET, 1.0))


def test_all_clients_of_a_connection_share_the_provider() -> None:
    provider = TokenProvider("test", partial(Token, "token", time.time() + 900))
    connection = Connection("host:1", {"ssl.ca.location": "/ca.pem"}, oauth_cb=provider)
    configs: list[dict[str, Any]]
    configs = [connection.admin(), connection.consumer("g"), connection.reader("g"), connection.producer("id")]
    for config in configs:
        assert config["oauth_cb"] is provider
        assert (config["security.protocol"], config["sasl.mechanism"]) == ("SASL_SSL", "OAUTHBEARER")
        assert config["ssl.ca.location"] == "/ca.pem"
    assert "oauth_cb" not in Connection("host:1").admin()
