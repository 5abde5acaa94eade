import json
import subprocess
import sys
import threading

from consumer.stream.watchdog import Watchdog
from tests.support.fakes import FakeClock


def watchdog(seconds: float = 80.0, shutdown_seconds: float = 30.0) -> tuple[Watchdog, FakeClock, list[str]]:
    clock, ends = FakeClock(), list[str]()
    return Watchdog(seconds, shutdown_seconds, end=ends.append, runtime=clock.runtime()), clock, ends


def test_work_that_ends_in_time_is_left_alone() -> None:
    dog, clock, ends = watchdog()
    with dog.watching("delivering a batch"):
        clock.sleep(79.0)
        dog.check(threading.Event())
    clock.sleep(100.0)
    dog.check(threading.Event())
    assert not ends


def test_work_that_does_not_end_ends_the_process_and_says_what_it_was() -> None:
    dog, clock, ends = watchdog()
    with dog.watching("delivering a batch"):
        clock.sleep(81.0)
        dog.check(threading.Event())
    assert ends == ["delivering a batch did not end within 80 s: gave up; what is not committed will be read again"]


def test_a_stop_must_be_over_in_its_own_bound_whatever_is_going_on() -> None:
    dog, clock, ends = watchdog()
    stop = threading.Event()
    stop.set()
    dog.check(stop)
    with dog.watching("delivering a batch"):
        clock.sleep(31.0)
    dog.check(stop)
    assert ends == ["no clean stop within 30 s: gave up; what is not committed will be read again"]


def test_a_call_that_never_returns_ends_in_exit_status_1() -> None:
    script = """
import threading
from consumer.observability import logs
from consumer.stream.watchdog import Watchdog
logs.configure("info")
dog = Watchdog(0.1)
with dog.on_duty(threading.Event()), dog.watching("the commit"):
    threading.Event().wait()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    line = json.loads(done.stderr)
    assert (line["level"], line["message"]) == ("critical", "cannot go on")
    assert line["reason"] == "the commit did not end within 0.1 s: gave up; what is not committed will be read again"
