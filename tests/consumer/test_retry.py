from collections.abc import Callable

import pytest

from consumer.errors import FatalError, RetriableError, UnansweredError
from tests.support.fakes import FakeClock


def failing(*errors: Exception) -> Callable[[], str]:
    """A call that fails so many times, then passes."""
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return call


def test_retriable_error_repeats_the_call() -> None:
    assert FakeClock().retry().call(failing(RetriableError("a"), RetriableError("b"))) == "done"


def test_other_errors_are_retried_only_when_named() -> None:
    retry = FakeClock().retry()
    with pytest.raises(FatalError):
        retry.call(failing(FatalError("a")))
    with pytest.raises(UnansweredError):
        retry.call(failing(UnansweredError("a")))
    assert retry.call(failing(UnansweredError("a")), on=(UnansweredError,)) == "done"


def test_deadline_ends_with_the_last_error() -> None:
    clock = FakeClock()
    began = clock.now
    with pytest.raises(RetriableError, match="still away"):
        clock.retry(seconds=10).call(failing(*[RetriableError("still away")] * 1000))
    assert 9 <= clock.now - began <= 10


def test_pauses_grow_up_to_a_limit() -> None:
    clock = FakeClock()
    began = clock.now
    clock.retry().call(failing(*[RetriableError("a")] * 3))
    assert clock.now - began == pytest.approx(0.05 + 0.1 + 0.2)
