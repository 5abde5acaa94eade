"""Producer ids that the broker forgets while they are idle, on a broker that keeps them five seconds, not a week.

librdkafka takes it for an error to abort on; Java's client has made it fatal (https://github.com/apache/kafka/pull/17822).
"""

from typing import Final

from tests.simulation.scenarios.backend import Backend
from tests.simulation.scenarios.steps import Observed, Writer, named, nobody, visible

BROKER: Final = {
    "transactional.id.expiration.ms": "5000",
    "transaction.remove.expired.transaction.cleanup.interval.ms": "100",
    "producer.id.expiration.ms": "5000",
    "producer.id.expiration.check.interval.ms": "100",
}
"""Settings of the broker that these need."""

_IDLE_SECONDS: Final = 9.0


def found_by_a_commit(backend: Backend) -> Observed:
    """Show that an abort gets the producer a new id, with which it goes on."""
    topic = backend.topic(1, {})
    writer = Writer(backend, topic, "id")
    writer.transact("a")
    backend.sleep(_IDLE_SECONDS)
    seen: Observed = {"begin": writer.begin(), "produce": writer.produce("no"), "commit": writer.commit()}
    seen |= {"begin again": writer.begin(), "abort": writer.abort(), "flush": writer.flush(), "reports": writer.reports}
    writer.transact("b")
    return {**seen, "visible": visible(backend, topic)}


def found_by_a_flush(backend: Backend) -> Observed:
    """Show that the flush itself says nothing."""
    topic = backend.topic(1, {})
    metadata = nobody(backend)
    writer = Writer(backend, topic, "id")
    backend.sleep(_IDLE_SECONDS)
    seen: Observed = {"begin": writer.begin(), "produce": writer.produce("no"), "flush": writer.flush()}
    seen |= {"begin again": writer.begin(), "send offsets": writer.send_offsets(1, metadata), "abort": writer.abort()}
    seen |= {"begin then": writer.begin(), "offsets then": writer.send_offsets(1, metadata), "commit": writer.commit()}
    return {**seen, "visible": visible(backend, topic)}


def found_by_sending_offsets(backend: Backend) -> Observed:
    """Show that librdkafka keeps the dead id through the abort, until a record finds it dead."""
    topic = backend.topic(1, {})
    metadata = nobody(backend)
    writer = Writer(backend, topic, "id")
    writer.transact("a")
    backend.sleep(_IDLE_SECONDS)
    seen: Observed = {
        "begin": writer.begin(),
        "send offsets": writer.send_offsets(1, metadata),
        "abort": writer.abort(),
    }
    seen |= {
        "begin again": writer.begin(),
        "offsets again": writer.send_offsets(1, metadata),
        "abort again": writer.abort(),
    }
    seen |= {"begin then": writer.begin(), "produce": writer.produce("no"), "commit": writer.commit()}
    seen["last abort"] = writer.abort()
    writer.transact("b")
    return {**seen, "visible": visible(backend, topic)}


def taken_by_another(backend: Backend) -> Observed:
    """Show that a new producer of the expired id works; the old one finds its id dead, then itself fenced."""
    topic = backend.topic(1, {})
    old = Writer(backend, topic, "id")
    old.transact("a")
    backend.sleep(_IDLE_SECONDS)
    new = Writer(backend, topic, "id")
    new.transact("b")
    seen: Observed = {"begin": old.begin(), "produce": old.produce("no"), "commit": old.commit(), "abort": old.abort()}
    new.transact("c")
    return {**seen, "visible": visible(backend, topic)}


def without_transactions(backend: Backend) -> Observed:
    """Show that a plain idempotent producer goes on as if nothing had expired."""
    topic = backend.topic(1, {})
    writer = Writer(backend, topic)
    writer.write("a")
    backend.sleep(_IDLE_SECONDS)
    seen: Observed = {"produce": writer.produce("b"), "flush": writer.flush(), "reports": writer.reports}
    return {**seen, "visible": visible(backend, topic)}


SCENARIOS: Final = named(
    found_by_a_commit, found_by_a_flush, found_by_sending_offsets, taken_by_another, without_transactions,
    prefix="expired id, ",
)  # fmt: skip
