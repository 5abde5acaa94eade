import threading
import time
from collections.abc import Callable

import pytest

from consumer.delivery.background_call import BackgroundCall, Run, call_with_timeout
from consumer.errors import MustAbortError, UnansweredError
from tests.support.waiting import wait_until

SECONDS = 0.2
LONG = 30.0


def waiting_for(event: threading.Event) -> Callable[[], None]:
    def wait() -> None:
        event.wait(LONG)

    return wait


def hanging(until: threading.Event, done: list[str]) -> BackgroundCall:
    """A background call whose first call hangs until the event, and whose second one is then due."""
    background = BackgroundCall(SECONDS)

    def work(run: Run) -> None:
        run.call("look for a coordinator", lambda: done.append("first") if until.wait(LONG) else None)
        run.call("commit", lambda: done.append("second"))

    background.start(work)
    return background


def test_work_runs_in_the_background() -> None:
    background, go = BackgroundCall(LONG), threading.Event()
    background.start(lambda run: run.call("wait", waiting_for(go)))
    assert background.busy()
    go.set()
    before = time.perf_counter()
    done = background.result()
    assert done is not None
    assert abs(done - before) < LONG
    assert not background.busy()


def test_nothing_started_has_no_result() -> None:
    background = BackgroundCall(LONG)
    background.wait()
    assert (background.busy(), background.result()) == (False, None)


def test_call_may_have_a_shorter_timeout() -> None:
    background = BackgroundCall(LONG)
    began = time.monotonic()
    background.start(lambda run: run.call("look for a coordinator", waiting_for(threading.Event()), SECONDS))
    with pytest.raises(UnansweredError, match=f"could not look for a coordinator: no answer within {SECONDS} s"):
        background.result()
    assert time.monotonic() - began < LONG / 2


def test_call_past_its_timeout_is_not_busy() -> None:
    background = BackgroundCall(SECONDS)
    background.start(lambda run: run.call("look for a coordinator", waiting_for(threading.Event())))
    wait_until(lambda: not background.busy(), seconds=LONG / 2)
    with pytest.raises(UnansweredError):
        background.result()


def test_one_thread_makes_all_calls() -> None:
    background, threads = BackgroundCall(LONG), set()
    for _ in range(3):
        background.start(lambda run: run.call("look", lambda: threads.add(threading.get_ident())))
        background.result()
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_error_is_raised_once_by_result() -> None:
    def work(_: Run) -> None:
        raise MustAbortError("the group has moved on")

    background = BackgroundCall(LONG)
    background.start(work)
    background.wait()
    with pytest.raises(MustAbortError, match="the group has moved on"):
        background.result()
    assert background.result() is None


def test_call_with_timeout_returns_the_result() -> None:
    assert call_with_timeout("add", sum, [1, 2]) == 3


def test_then_runs_on_the_waiting_thread_after_success() -> None:
    background, threads = BackgroundCall(LONG), []
    background.start(lambda _: None, then=lambda: threads.append(threading.get_ident()))
    background.result()
    assert threads == [threading.get_ident()]
    with pytest.raises(UnansweredError):
        call_with_timeout("wait", waiting_for(threading.Event()), seconds=SECONDS)


def test_hanging_call_is_abandoned_and_none_follows() -> None:
    release, done = threading.Event(), list[str]()
    background = hanging(release, done)
    began = time.monotonic()
    with pytest.raises(UnansweredError, match=r"^could not look for a coordinator: no answer within 0.2 s$"):
        background.result()
    assert SECONDS <= time.monotonic() - began < LONG
    release.set()
    background.start(lambda run: run.call("go on", lambda: done.append("other")))
    assert background.result() is not None, "another thread does what comes next"
    wait_until(lambda: "first" in done, seconds=LONG)
    time.sleep(SECONDS)
    assert sorted(done) == ["first", "other"]


def test_timeout_applies_to_single_calls() -> None:
    background = BackgroundCall(SECONDS)

    def work(run: Run) -> None:
        for _ in range(4):
            run.call("rest a little", lambda: time.sleep(SECONDS / 2))

    background.start(work)
    assert background.result() is not None
