"""`--login` on a real broker, with tokens of the tests' own in place of a cloud's: renewed, late, refused, expired."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.conftest import Full
from tests.faults.stream import caught_up, longest_stall, stream, watching
from tests.support.end_to_end import Line, last_words, logged, stop
from tests.support.kafka import signing
from tests.support.kafka.rights import rights
from tests.support.kafka.secured import USER, Secured
from tests.support.kafka.tokens import LIFE_SECONDS, SECRET, TokenEndpoint
from tests.support.kafka.topics import Topics
from tests.support.waiting import wait_until

STALL_SECONDS = 1.0  # the longest pause that is allowed
LOGIN_LINES = ("no new token", "the Kafka client reports an error")


@pytest.fixture
def endpoint(secured: Secured) -> Iterator[TokenEndpoint]:
    """The endpoint, which answers again afterwards."""
    yield secured.tokens
    secured.tokens.life_seconds, secured.tokens.refusing = LIFE_SECONDS, False
    secured.tokens.answering.set()


@pytest.fixture
def line(secured: Secured) -> Iterator[Line]:
    """A line that this user may read and write; its results carry the broker's clock."""
    with Topics(secured.master) as topics:
        results = topics("results", config={"message.timestamp.type": "LogAppendTime"})
        own = replace(Line.on(secured.master, topics), results=results)
        secured.allow([*rights(own).values()])
        yield own


def options(secured: Secured) -> list[str]:
    authority = f"ssl.ca.location={secured.authority.certificate}"
    return ["--bootstrap-servers", secured.addresses["oidc"], "--login", "gcp", "-X", authority]


def command(secured: Secured, secret: str = SECRET) -> tuple[str, ...]:
    return signing.command(secured.tokens.url, secured.authority.certificate, USER, secret)


def score(secured: Secured, line: Line, log: Path, meanwhile: Callable[[], None]) -> None:
    """Score a stream of events while something happens; nothing is missing or twice, and no partition pauses."""
    with line.running(log, *options(secured), command=command(secured)) as process:
        with watching(process, log), stream(line, rate=200) as planted:
            line.wait_for(lambda count: count > 200, process)
            began = time.time()
            meanwhile()
        wait_until(lambda: caught_up(line), "not all is committed")
        assert stop(process) == 0, log.read_text()
    assert line.check(planted).faults() == {}
    assert longest_stall(line, since=began) < STALL_SECONDS
    assert [secret for secret in (SECRET, "eyJ") if secret in log.read_text()] == []


def test_token_of_ten_seconds_is_renewed_under_load(
    secured: Secured, endpoint: TokenEndpoint, line: Line, full: Full, tmp_path: Path
) -> None:
    endpoint.life_seconds, seconds = 10, full(40, 120)
    before = endpoint.given
    score(secured, line, tmp_path / "log", lambda: time.sleep(seconds))
    # one for the process, whose six clients share it, every third of its life
    assert seconds / 10 < endpoint.given - before < seconds / 2
    assert [each for each in logged(tmp_path / "log") if each["message"] in LOGIN_LINES] == []


def test_hanging_signer_does_not_stop_scoring(
    secured: Secured, endpoint: TokenEndpoint, line: Line, full: Full, tmp_path: Path
) -> None:
    endpoint.life_seconds = 60

    def hang() -> None:
        endpoint.answering.clear()
        asked = endpoint.asked
        wait_until(lambda: endpoint.asked > asked, "no new token is asked for")  # after 20 s, with 40 left
        time.sleep(full(5, 25))
        endpoint.answering.set()
        time.sleep(full(5, 15))

    score(secured, line, tmp_path / "log", hang)


def test_refusing_signer_does_not_stop_scoring_and_is_logged(
    secured: Secured, endpoint: TokenEndpoint, line: Line, full: Full, tmp_path: Path
) -> None:
    endpoint.life_seconds = 60

    def refuse() -> None:
        endpoint.refusing = True
        asked = endpoint.asked
        wait_until(lambda: endpoint.asked > asked, "no new token is asked for")
        time.sleep(full(5, 25))
        endpoint.refusing = False
        time.sleep(full(5, 15))

    score(secured, line, tmp_path / "log", refuse)
    (said,) = [each for each in logged(tmp_path / "log") if each["message"] in LOGIN_LINES]
    assert (said["login"], said["reason"]) == ("gcp", "HTTPError: HTTP Error 401: Unauthorized")


def test_worker_whose_token_runs_out_stops_and_another_goes_on(
    secured: Secured, endpoint: TokenEndpoint, line: Line, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with ExitStack() as stack:
        with stream(line, rate=200) as planted:
            with line.running(log, *options(secured), command=command(secured)) as process:
                line.wait_for(lambda count: count > 200, process)
                endpoint.refusing = True
                words = last_words(process, log)
            assert "--login" in words
            endpoint.refusing = False
            other = stack.enter_context(line.running(log, *options(secured), command=command(secured)))
        wait_until(lambda: caught_up(line), "not all is committed")
        assert stop(other) == 0
    assert line.check(planted).faults() == {}


def test_refusal_at_the_start_is_one_line(secured: Secured, line: Line, tmp_path: Path) -> None:
    with line.running(tmp_path / "log", *options(secured), command=command(secured, "another secret")) as process:
        words = last_words(process, tmp_path / "log")
    assert "--login gcp: HTTPError: HTTP Error 401: Unauthorized; give a service account: " in words
