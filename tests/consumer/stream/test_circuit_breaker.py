from hypothesis import given
from hypothesis import strategies as st

from consumer.stream.circuit_breaker import CircuitBreaker

GOOD, BAD = False, True


def test_good_events_never_trip_it() -> None:
    assert CircuitBreaker(window=10, run=3).after([GOOD] * 1000).tripped is None


def test_run_of_dead_letters_trips_it() -> None:
    assert CircuitBreaker(run=3).after([BAD, BAD, GOOD, BAD, BAD]).tripped is None
    tripped = CircuitBreaker(run=3).after([GOOD, BAD, BAD, BAD, GOOD]).tripped
    assert tripped == "3 events in a row are invalid (breaker_run is 3)"


def test_run_continues_across_batches() -> None:
    breaker = CircuitBreaker(run=4).after([BAD, BAD])
    assert breaker.after([]).after([BAD, BAD]).tripped is not None
    assert breaker.after([GOOD]).after([BAD, BAD]).tripped is None


def test_ratio_of_dead_letters_trips_it() -> None:
    breaker = CircuitBreaker(ratio=0.5, window=10, run=0)
    assert breaker.after([BAD, GOOD] * 5).tripped is None
    tripped = breaker.after([BAD, GOOD] * 5 + [BAD, BAD]).tripped
    assert tripped == "6 of 10 events in a row are invalid (breaker_ratio is 0.5)"


def test_ratio_needs_a_full_window() -> None:
    assert CircuitBreaker(ratio=0.5, window=10, run=0).after([BAD] * 9).tripped is None


def test_a_state_that_is_not_kept_changes_nothing() -> None:
    breaker = CircuitBreaker(run=3).after([BAD, BAD])
    breaker.after([BAD])
    assert breaker.tripped is None
    assert breaker.after([GOOD]).tripped is None


def test_zero_turns_a_half_off() -> None:
    assert CircuitBreaker(window=0, run=0).after([BAD] * 5000).tripped is None


@given(
    st.lists(st.lists(st.booleans(), max_size=30), max_size=10),
    st.integers(min_value=1, max_value=20),
    st.sampled_from([0.1, 0.3, 0.5, 0.9]),
)
def test_trips_exactly_when_a_window_exceeds_the_ratio(batches: list[list[bool]], window: int, ratio: float) -> None:
    breaker, history, tripped = CircuitBreaker(ratio=ratio, window=window, run=0), [], False
    for batch in batches:
        breaker = breaker.after(batch)
        history += batch
        tripped = tripped or breaker.tripped is not None
    spans = [history[end - window : end] for end in range(window, len(history) + 1)]
    assert tripped == any(sum(span) > ratio * window for span in spans)
