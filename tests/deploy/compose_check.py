"""docker-compose.yml, brought up: two consumers share the partitions, Prometheus sees both, no event is lost."""

import json
import urllib.parse
import urllib.request
from collections import Counter
from typing import Any

from ruamel.yaml import YAML

from tests.deploy.engine import ROOT, CheckError, compose, require, show, stop, wait_for
from tests.support.end_to_end import Line
from tests.support.wire import read

PROMETHEUS = "http://127.0.0.1:9090/api/v1/"
LINE = Line("localhost:9092", "session-scorer", "sessions", "session-results", "session-alerts", "session-dead-letters")
EVENTS = 2_000  # scored by each of the two, at 200 a second between them


def up(*services: str) -> None:
    """These, or all, and what they need."""
    compose("up", "--detach", "--no-build", *services)


def down() -> None:
    """Everything of it, its data too."""
    compose("down", "--volumes", "--remove-orphans")


def watch() -> None:
    """Until both consumers have scored, as Prometheus knows it."""
    consumers = compose("ps", "--quiet", "consumer").split()
    require(len(consumers) == 2, f"{len(consumers)} consumers run, and two should")
    took = wait_for(lambda: shares() == [2.0, 2.0], "each of two consumers has two partitions")
    show("partitions of each consumer, by Prometheus", f"2 and 2 after {took:.0f} s")
    wait_for(lambda: values('up{job="session-scorer"}') == [1.0, 1.0], "both targets are up")
    scored = 'session_scorer_events_total{outcome="scored"}'
    wait_for(lambda: len(values(f"{scored} > {EVENTS}")) == len(consumers), "both score")
    show("targets up; events scored by each", f"2; {values(scored)}")
    rules = sum(len(group["rules"]) for group in asked("rules")["groups"])
    written = YAML(typ="safe").load(ROOT / "deploy" / "prometheus" / "rules.yml")["groups"]
    require(rules == sum(len(group["rules"]) for group in written), f"Prometheus has {rules} rules")
    show("rules that Prometheus has", str(rules))


def shares() -> list[float]:
    """How many partitions each consumer says are its own."""
    return values("count by (instance) (session_scorer_consumer_lag)")


def values(query: str) -> list[float]:
    """What Prometheus answers, each series' value now."""
    found = asked("query?" + urllib.parse.urlencode({"query": query}))["result"]
    return [float(each["value"][1]) for each in found]


def asked(path: str) -> Any:
    """The `data` of an answer of Prometheus. Raises CheckError."""
    try:
        with urllib.request.urlopen(PROMETHEUS + path, timeout=10) as answer:
            return json.load(answer)["data"]
    except OSError as error:
        raise CheckError(f"Prometheus does not answer: {error}") from None


def account() -> None:
    """The feeder stops, the consumers finish and stop: each event fed has one outcome."""
    compose("stop", "feeder")
    ends = len(read(LINE.bootstrap, LINE.sessions))
    wait_for(lambda: LINE.committed() == ends, "all events are committed")
    took = max(stop(container) for container in compose("ps", "--quiet", "consumer").split())
    show("both consumers told to stop, exit 0", f"{took:.1f} s at most")
    results, letters = read(LINE.bootstrap, LINE.results), read(LINE.bootstrap, LINE.dead_letters)
    seen = Counter(json.loads(each.value() or b"")["result_id"] for each in results)
    require(len(results) + len(letters) == ends, f"{ends} events, {len(results)} results, {len(letters)} dead letters")
    require(len(seen) == len(results), f"{len(results) - len(seen)} results are there twice")
    show("events = results + dead letters", f"{ends:,} = {len(results):,} + {len(letters):,}, no result twice")
