"""`session-scorer demo`: the main job on a broker in this process, or on a real one, shown live, ended with a summary.

What runs is what production runs (consumer/app.py), in a thread, on topics and with a group of the demo's own.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import Any, Final, TextIO

from consumer.config.settings import Delivery, Settings, load_settings
from consumer.console.display import Notes, display, write_lines
from consumer.console.progress import Course
from consumer.console.view import summary
from consumer.demo.feeder import Feed
from consumer.demo.session import Rehearsal
from consumer.errors import WorkerError
from consumer.kafka.client import EmbeddedBroker

TITLE: Final = "session-scorer demo"
REFRESH_SECONDS: Final = 0.25
STALLED_SECONDS: Final = 30.0
_ASK: Final = "does the broker still answer?"
GRACE_SECONDS: Final = 3.0  # after Ctrl-C: for what was fed to be done with
TOPICS: Final = {
    "input_topic": "sessions",
    "results_topic": "session-results",
    "alerts_topic": "session-alerts",
    "dead_letters_topic": "session-dead-letters",
}

OF_THE_EMBEDDED_BROKER: Final = {"fetch.wait.max.ms": "1"}
"""In the place of all Kafka settings: how to reach a real broker is nothing that it would understand. It answers an
empty fetch when its wait is over and no sooner: at the default of 500 ms the median latency was 270 ms, so 8."""


def main(cli_settings: Mapping[str, Any], feed: Feed, bootstrap_servers: str | None, stop: Event, out: TextIO) -> None:
    """Runs the demo to its end, or until `stop` is set. Without `bootstrap_servers` it brings its own broker.

    Raises SettingsError, ArtifactError or WorkerError, one line.
    """
    run_id = secrets.token_hex(3)
    with _broker(bootstrap_servers, run_id) as address:
        chosen = own_settings(cli_settings, address, run_id, embedded=bootstrap_servers is None)
        course = Course(TITLE, feed.count, time.monotonic)
        with Notes().listening() as notes, display(out) as shown:
            with Rehearsal(chosen, feed) as rehearsal:

                def show(state: str) -> None:
                    facts = [_where(chosen), *rehearsal.facts()]
                    shown.show(course.snapshot(state, facts, notes.lines))

                _follow(rehearsal, course, stop, show)
            end = "interrupted" if stop.is_set() else "done"
            show(end)
        kept = {} if bootstrap_servers is None else {"kept on broker": ", ".join(_topics(run_id))}
        write_lines(out, summary(replace(course.snapshot(end), pulse=course.whole()), kept))


def _follow(rehearsal: Rehearsal, course: Course, stop: Event, show: Callable[[str], None]) -> None:
    """Until all that was fed is done with; after `stop` nothing more is fed. Raises WorkerError when it stalls."""
    while True:
        if stop.is_set():
            rehearsal.enough()
        sight = rehearsal.look()
        course.add(sight)
        show(rehearsal.state)
        if sight.finished or (stop.is_set() and course.stalled() > GRACE_SECONDS):
            return
        if course.stalled() > STALLED_SECONDS:
            done = f"{sight.reading.accounted:,} of {sight.fed:,} events fed are done with"
            raise WorkerError(f"nothing has moved for {STALLED_SECONDS:.0f} s while {rehearsal.state}, {done}: {_ASK}")
        time.sleep(REFRESH_SECONDS)


def own_settings(cli_settings: Mapping[str, Any], address: str, run_id: str, *, embedded: bool) -> Settings:
    """The settings of the demo's consumer: topics and group of its own, whatever the environment or a file says."""
    delivery = Delivery.AT_LEAST_ONCE if embedded else Delivery.EXACTLY_ONCE
    names = dict(zip(TOPICS, _topics(run_id), strict=True))
    ours = {
        "bootstrap_servers": address,
        "group_id": f"demo-{run_id}",
        "delivery": delivery.value,
        "create_topics": not embedded,
    }
    chosen = load_settings({**cli_settings, **names, **ours})
    return chosen.model_copy(update={"kafka": dict(OF_THE_EMBEDDED_BROKER)}) if embedded else chosen


def _topics(run_id: str) -> list[str]:
    return [f"demo-{run_id}-{topic}" for topic in TOPICS.values()]


def _where(chosen: Settings) -> str:
    if chosen.delivery is Delivery.AT_LEAST_ONCE:
        return f"embedded broker {chosen.bootstrap_servers}, without transactions: at-least-once"
    prefix = chosen.input_topic.removesuffix(TOPICS["input_topic"])
    return f"broker {chosen.bootstrap_servers}, {chosen.delivery}, topics {prefix}* (kept)"


@contextmanager
def _broker(bootstrap_servers: str | None, run_id: str) -> Iterator[str]:
    """The address of the broker: the one given, or one in this process."""
    if bootstrap_servers is not None:
        yield bootstrap_servers
        return
    with EmbeddedBroker(_topics(run_id)) as broker:
        yield broker.bootstrap_servers
