"""What a process says of itself is compared with what it did."""

from dataclasses import replace

import pytest

from tests.simulation.account import PATIENCE_SECONDS, Account
from tests.support.fakes import P0, P1, stats

PASSING = "could not commit the transaction: not now (NOT_COORDINATOR)"


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def account(clock: Clock | None = None, *, continue_on_gap: bool = True) -> Account:
    return Account(clock or Clock(), continue_on_gap=continue_on_gap)


@pytest.mark.parametrize(
    ("counted", "undelivered", "rounds", "wrong"),
    [
        (5, 0, 3, None),
        (4, 0, 3, "4 events counted, 5 committed"),
        (4, 0, 2, None),  # its commit has just been decided
        (4, 1, 3, None),  # of the batch that is read again nobody told that it is committed
        (6, 1, 0, "6 events counted, 5 committed"),
    ],
)
def test_counts_are_those_of_committed_transactions(
    counted: int, undelivered: int, rounds: int, wrong: str | None
) -> None:
    mine = account()
    mine.wrote(5)
    mine.record_commit(replace(stats(scored=counted - 1), dead_lettered=1), 0.0)
    for _ in range(undelivered):
        mine.record_abort()

    for _ in range(rounds):
        mine.tick()

    assert mine.miscounted(stopped=False) == wrong


def test_all_is_counted_before_an_orderly_stop() -> None:
    mine = account()
    mine.wrote(5)

    assert mine.miscounted(stopped=True) == "0 events counted, 5 committed"


@pytest.mark.parametrize(
    ("more", "wrong"), [([False], None), ([True], "3 dead letters in a row are committed, breaker_run is 3")]
)
def test_dead_letters_in_a_row_trip_the_breaker(more: list[bool], wrong: str | None) -> None:
    mine = Account(Clock(), continue_on_gap=True, breaker_run=3)
    for flags in [[True, True, False], [True], [True, *more]]:
        mine.record_commit(stats(dead_letter_flags=flags), 0.0)

    assert mine.overlooked() == wrong


def test_lost_events_are_reported() -> None:
    mine = account()
    mine.record_never_seen(P0, 3)

    assert mine.passed(P0, 2) is None
    assert mine.passed(P0, 1) is None
    assert mine.passed(P0, 1) == "sessions, partition 0: 4 events lost, 3 reported"
    assert mine.passed(P1, 1) == "sessions, partition 1: 1 events lost, 0 reported"


def test_lost_events_are_not_passed_over_against_the_settings() -> None:
    mine = account(continue_on_gap=False)
    mine.record_never_seen(P0, 3)

    assert mine.passed(P0, 2) == "2 lost events of sessions, partition 0 are passed over, which the settings forbid"


def test_end_for_what_passes_is_needless_before_patience_is_over() -> None:
    clock = Clock()
    mine = account(clock)

    assert mine.needless_end(PASSING)
    assert not mine.needless_end("could not write to results: no right (TOPIC_AUTHORIZATION_FAILED)")
    clock.now += PATIENCE_SECONDS
    assert not mine.needless_end(PASSING)


def test_watchdog_does_not_end_a_worker_whose_loop_goes_round() -> None:
    clock = Clock()
    mine = account(clock)
    clock.now += PATIENCE_SECONDS
    assert not mine.needless_end("delivering a batch did not end within 80 s: gave up")

    mine.tick()

    assert mine.needless_end("delivering a batch did not end within 80 s: gave up")
    assert not mine.needless_end("delivering a batch did not end within 80 s: gave up", clock_ahead=PATIENCE_SECONDS)
