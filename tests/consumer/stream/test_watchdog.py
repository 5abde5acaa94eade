import json
import subprocess
import sys
import threading

from consumer.stream.watchdog import Watchdog
from tests.support.fakes import FakeClock


def watchdog(seconds: float = 80.0, shutdown_seconds: float = 30.0) -> tuple[Watchdog, FakeClock, list[str]]:
    clock, ends = FakeClock(), list[str]()
    return Watchdog(seconds, shutdown_seconds, end=ends.append, runtime=clock.runtime()), clock, ends


def test_operation_in_time_ends_nothing() -> None:
    dog, clock, ends = watchdog()
    with dog.watching("delivering a batch"):
        clock.sleep(79.0)
        dog.check(threading.Event())
    clock.sleep(100.0)
    dog.check(threading.Event())
    assert not ends


def test_operation_past_its_deadline_ends_the_process() -> None:
    dog, clock, ends = watchdog()
    with dog.watching("delivering a batch"):
        clock.sleep(81.0)
        dog.check(threading.Event())
    assert ends == ["delivering a batch did not end within 80 s: gave up; what is not committed will be read again"]


def test_stop_past_its_deadline_ends_the_process() -> None:
    dog, clock, ends = watchdog()
    stop = threading.Event()
    stop.set()
    dog.check(stop)
    with dog.watching("delivering a batch"):
        clock.sleep(31.0)
    dog.check(stop)
    assert ends == ["no clean stop within 30 s: gave up; what is not committed will be read again"]


def test_hanging_call_ends_with_status_1() -> None:
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
