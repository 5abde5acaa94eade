"""`session-scorer demo`: run the consumer on an embedded or a real broker, show it live, end with a summary.

It runs what production runs (consumer/app.py), on a thread, with topics and a group of its own.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import Any, Final, TextIO

from consumer.config.settings import DeliveryGuarantee, Settings, load_settings
from consumer.console.display import LogNotes, display, write_lines
from consumer.console.progress import RunProgress
from consumer.console.view import summary
from consumer.demo.feeder import Feed
from consumer.demo.session import DemoSession
from consumer.errors import WorkerError
from consumer.kafka.client import EmbeddedBroker

TITLE: Final = "session-scorer demo"
REFRESH_SECONDS: Final = 0.25
STALLED_SECONDS: Final = 30.0
_ASK: Final = "does the broker still answer?"
GRACE_SECONDS: Final = 3.0  # after Ctrl-C: for the events fed to be scored
TOPICS: Final = {
    "input_topic": "sessions",
    "results_topic": "session-results",
    "alerts_topic": "session-alerts",
    "dead_letters_topic": "session-dead-letters",
}

EMBEDDED_PROPERTIES: Final = {"fetch.wait.max.ms": "1"}
"""These replace all Kafka properties: the embedded broker understands none that reach a real one. It answers an empty
fetch only when the wait is over: with the default of 500 ms the median latency was 270 ms, with 1 ms it is 8."""


def main(cli_settings: Mapping[str, Any], feed: Feed, bootstrap_servers: str | None, stop: Event, out: TextIO) -> None:
    """Run the demo to its end, or until `stop` is set. Without `bootstrap_servers` it starts its own broker.

    Raises SettingsError, ArtifactError or WorkerError, one line.
    """
    run_id = secrets.token_hex(3)
    with _broker(bootstrap_servers, run_id) as address:
        settings = own_settings(cli_settings, address, run_id, embedded=bootstrap_servers is None)
        progress = RunProgress(TITLE, feed.count, time.monotonic)
        with LogNotes().listening() as notes, display(out) as view:
            with DemoSession(settings, feed) as session:

                def show(state: str) -> None:
                    facts = [_describe_broker(settings), *session.facts()]
                    view.show(progress.snapshot(state, facts, notes.lines))

                _follow(session, progress, stop, show)
            end = "interrupted" if stop.is_set() else "done"
            show(end)
        kept = {} if bootstrap_servers is None else {"kept on broker": ", ".join(_topics(run_id))}
        write_lines(out, summary(replace(progress.snapshot(end), pulse=progress.overall()), kept))


def _follow(session: DemoSession, progress: RunProgress, stop: Event, show: Callable[[str], None]) -> None:
    """Show the run until all events fed are done; `stop` ends the feeding. Raises WorkerError when it stalls."""
    while True:
        if stop.is_set():
            session.stop_feeding()
        observation = session.observe()
        progress.add(observation)
        show(session.state)
        if observation.finished or (stop.is_set() and progress.stalled() > GRACE_SECONDS):
            return
        if progress.stalled() > STALLED_SECONDS:
            done = f"{observation.reading.accounted:,} of {observation.fed:,} events fed are done with"
            raise WorkerError(f"nothing has moved for {STALLED_SECONDS:.0f} s while {session.state}, {done}: {_ASK}")
        time.sleep(REFRESH_SECONDS)


def own_settings(cli_settings: Mapping[str, Any], address: str, run_id: str, *, embedded: bool) -> Settings:
    """Return the demo's settings: topics and group of its own, whatever the environment or a file sets."""
    delivery = DeliveryGuarantee.AT_LEAST_ONCE if embedded else DeliveryGuarantee.EXACTLY_ONCE
    names = dict(zip(TOPICS, _topics(run_id), strict=True))
    fixed = {
        "bootstrap_servers": address,
        "group_id": f"demo-{run_id}",
        "delivery": delivery.value,
        "create_topics": not embedded,
        "input_format": "json",
    }
    settings = load_settings({**cli_settings, **names, **fixed})
    return settings.model_copy(update={"kafka": dict(EMBEDDED_PROPERTIES), "login": None}) if embedded else settings


def _topics(run_id: str) -> list[str]:
    return [f"demo-{run_id}-{topic}" for topic in TOPICS.values()]


def _describe_broker(settings: Settings) -> str:
    if settings.delivery is DeliveryGuarantee.AT_LEAST_ONCE:
        return f"embedded broker {settings.bootstrap_servers}, without transactions: at-least-once"
    prefix = settings.input_topic.removesuffix(TOPICS["input_topic"])
    return f"broker {settings.bootstrap_servers}, {settings.delivery}, topics {prefix}* (kept)"


@contextmanager
def _broker(bootstrap_servers: str | None, run_id: str) -> Iterator[str]:
    """Yield the address of a broker: the real one, or one in this process."""
    if bootstrap_servers is not None:
        yield bootstrap_servers
        return
    with EmbeddedBroker(_topics(run_id)) as broker:
        yield broker.bootstrap_servers
