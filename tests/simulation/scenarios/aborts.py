"""Transactions that are given up: what of them is seen, and what the producer can do after."""

from typing import Any, Final

from tests.simulation.scenarios.backend import Backend
from tests.simulation.scenarios.steps import LARGE, Member, Observed, Writer, named, nobody, visible

_ONE_BATCH: Final[dict[str, Any]] = {"linger_ms": 1000}  # what is produced up to a flush or commit travels together
_SMALL_TOPIC: Final = {"max.message.bytes": "1000"}


def nothing_of_an_aborted_transaction_is_seen(backend: Backend) -> Observed:
    """Show that neither records nor offsets of it count, and that the same producer goes on."""
    topic = backend.topic(1, {})
    reader = Member(backend, topic).join()
    writer = Writer(backend, topic, "id")
    writer.open_with("no", "neither")
    seen: Observed = {"send offsets": writer.send_offsets(5, reader.metadata()), "abort": writer.abort()}
    seen["committed"] = reader.committed()
    writer.open_with("yes")
    seen["send offsets again"] = writer.send_offsets(3, reader.metadata())
    seen |= {"commit": writer.commit(), "committed again": reader.committed()}
    return {**seen, "visible": visible(backend, topic)}


def calls_in_the_wrong_state(backend: Backend) -> Observed:
    """Call a producer without a transaction, and out of turn inside one."""
    topic = backend.topic(1, {})
    metadata = nobody(backend)
    writer = Writer(backend, topic, "id")
    seen: Observed = {"commit": writer.commit(), "abort": writer.abort(), "produce": writer.produce("outside")}
    seen["send offsets"] = writer.send_offsets(1, metadata)
    seen |= {"begin": writer.begin(), "begin twice": writer.begin(), "produce within": writer.produce("within")}
    seen |= {"commit within": writer.commit(), "begin empty": writer.begin(), "abort empty": writer.abort()}
    seen |= {"begin empty again": writer.begin(), "commit empty": writer.commit()}
    return {**seen, "visible": visible(backend, topic)}


def _after_the_first_error(writer: Writer, metadata: bytes) -> Observed:
    seen: Observed = {"begin": writer.begin(), "produce": writer.produce("more")}
    seen |= {"send offsets": writer.send_offsets(1, metadata), "commit": writer.commit(), "begin again": writer.begin()}
    seen |= {"abort": writer.abort(), "flush": writer.flush(), "reports": writer.reports}
    writer.transact("good")
    return seen


def refused_by_size(backend: Backend) -> Observed:
    """Show that a record too large for its topic fails its whole batch, and the transaction until it is aborted."""
    topic, small = backend.topic(1, {}), backend.topic(1, _SMALL_TOPIC)
    metadata = nobody(backend)
    writer = Writer(backend, topic, "id", **_ONE_BATCH)
    writer.begin()
    seen: Observed = {"elsewhere": writer.produce("elsewhere"), "flush first": writer.flush()}
    seen |= {"small": writer.produce("small", small), "large": writer.produce(LARGE, small), "first": writer.commit()}
    seen |= _after_the_first_error(writer, metadata)
    return {**seen, "visible": visible(backend, topic), "visible in the small topic": visible(backend, small)}


def refused_by_size_and_flushed(backend: Backend) -> Observed:
    """Show that the flush says nothing of it; whatever asks the broker next does."""
    topic, small = backend.topic(1, {}), backend.topic(1, _SMALL_TOPIC)
    metadata = nobody(backend)
    writer = Writer(backend, topic, "id")
    writer.begin()
    seen: Observed = {"large": writer.produce(LARGE, small), "flush first": writer.flush()}
    seen["first"] = writer.send_offsets(1, metadata)
    seen |= _after_the_first_error(writer, metadata)
    return {**seen, "visible": visible(backend, topic)}


def refused_by_the_client(backend: Backend) -> Observed:
    """Show that a record too large for the client is refused at once and harms no transaction."""
    topic = backend.topic(1, {})
    writer = Writer(backend, topic, "id", message_max_bytes=10_000)
    writer.begin()
    seen: Observed = {"large": writer.produce(LARGE * 3), "begin": writer.begin(), "good": writer.produce("good")}
    return {**seen, "commit": writer.commit(), "reports": writer.reports, "visible": visible(backend, topic)}


def refused_without_a_key(backend: Backend) -> Observed:
    """Show that a compacted topic takes no record without a key, and nothing of its batch."""
    topic, compacted = backend.topic(1, {}), backend.topic(1, {"cleanup.policy": "compact"})
    metadata = nobody(backend)
    writer = Writer(backend, topic, "id", **_ONE_BATCH)
    writer.begin()
    seen: Observed = {
        "keyed": writer.produce("keyed", compacted, b"key"),
        "keyless": writer.produce("keyless", compacted),
    }
    seen["first"] = writer.commit()
    seen |= _after_the_first_error(writer, metadata)
    return {**seen, "visible": visible(backend, topic)}


def refused_by_date(backend: Backend) -> Observed:
    """Show that a topic that bounds timestamps refuses one far ahead, and all of its batch."""
    topic, strict = backend.topic(1, {}), backend.topic(1, {"message.timestamp.after.max.ms": "3600000"})
    metadata = nobody(backend)
    writer = Writer(backend, topic, "id", **_ONE_BATCH)
    writer.begin()
    seen: Observed = {"now": writer.produce("now", strict), "ahead": writer.produce("ahead", strict, timestamp=_FAR)}
    seen["first"] = writer.commit()
    seen |= _after_the_first_error(writer, metadata)
    return {**seen, "visible": visible(backend, topic)}


_FAR: Final = 32_503_680_000_000  # the year 3000, in milliseconds


def refused_without_transactions(backend: Backend) -> Observed:
    """Show that a plain producer's flush is ok: only the report tells, and the next record passes."""
    small = backend.topic(1, _SMALL_TOPIC)
    writer = Writer(backend, small)
    seen: Observed = {"large": writer.produce(LARGE), "flush": writer.flush(), "reports": list(writer.reports)}
    seen |= {"small": writer.produce("small"), "flush again": writer.flush(), "reports again": writer.reports}
    return {**seen, "visible": visible(backend, small)}


SCENARIOS: Final = named(
    nothing_of_an_aborted_transaction_is_seen, calls_in_the_wrong_state, refused_by_size, refused_by_size_and_flushed,
    refused_by_the_client, refused_without_a_key, refused_by_date, refused_without_transactions,
)  # fmt: skip
