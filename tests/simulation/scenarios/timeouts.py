"""Transactions that outlast transaction.timeout.ms: the broker ends them and fences their producer.

Not an error to abort on, as KIP-588 would have it: https://github.com/confluentinc/librdkafka/issues/3297
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from tests.simulation.scenarios.backend import Backend
from tests.simulation.scenarios.steps import Member, Observed, Scenario, Writer, visible

_SHORT: Final[dict[str, Any]] = {"transaction_timeout_ms": 3000}
_LONGER_SECONDS: Final = 6.0


def _first_call(backend: Backend, call: str, *, with_record: bool) -> Observed:
    """Have a producer make one call after its transaction has timed out, then all others."""
    topic = backend.topic(1, {})
    reader = Member(backend, topic).join()
    writer = Writer(backend, topic, "id", **_SHORT)
    if with_record:
        writer.open_with("late")
    else:
        writer.begin()
        writer.send_offsets(1, reader.metadata())
    backend.sleep(_LONGER_SECONDS)
    calls: dict[str, Callable[[], str]] = {
        "commit": writer.commit,
        "send offsets": partial(writer.send_offsets, 1, reader.metadata()),
        "abort": writer.abort,
        "begin": writer.begin,
        "produce": partial(writer.produce, "more"),
    }
    seen: Observed = {"first": calls[call]()}
    seen["then"] = {name: calls[name]() for name in ("begin", "produce", "send offsets", "commit", "abort")}
    seen["committed"] = reader.committed()
    Writer(backend, topic, "id").transact("new")
    return {**seen, "visible": visible(backend, topic)}


def producing_after_the_time_out(backend: Backend) -> Observed:
    """Show that a record is queued, then refused; the flush says that the producer is fenced."""
    topic = backend.topic(1, {})
    writer = Writer(backend, topic, "id", **_SHORT)
    writer.open_with("late")
    backend.sleep(_LONGER_SECONDS)
    seen: Observed = {
        "produce": writer.produce("later"),
        "flush": writer.flush(),
        "produce again": writer.produce("more"),
    }
    return {**seen, "abort": writer.abort(), "visible": visible(backend, topic)}


def a_time_out_frees_readers_and_offsets(backend: Backend) -> Observed:
    """Show that a killed producer's transaction holds records and offsets back until it times out."""
    topic = backend.topic(1, {})
    reader = Member(backend, topic).join()
    writer = Writer(backend, topic, "id", transaction_timeout_ms=6000)
    writer.open_with("late")
    writer.send_offsets(1, reader.metadata())
    backend.kill(writer.client)
    Writer(backend, topic).write("behind")
    return {"read": reader.read(1), "committed": reader.committed(), "position": reader.position()}


def each_transaction_has_the_whole_time(backend: Backend) -> Observed:
    """Show that the time counts from the first request of each one; between them none runs."""
    topic = backend.topic(1, {})
    writer = Writer(backend, topic, "id", transaction_timeout_ms=5000)
    seen: Observed = {}
    for number in range(3):
        writer.open_with(f"record {number}")
        backend.sleep(3.0)
        seen[f"commit {number}"] = writer.commit()
    backend.sleep(6.0)
    writer.begin()
    backend.sleep(6.0)  # nothing is sent yet, so the broker knows of no transaction
    return {**seen, "produce": writer.produce("late"), "commit": writer.commit(), "visible": visible(backend, topic)}


SCENARIOS: Final[Mapping[str, Scenario]] = {
    **{
        f"timed out, first call: {call}": partial(_first_call, call=call, with_record=True)
        for call in ("commit", "send offsets", "abort")
    },
    "offsets alone timed out, first call: commit": partial(_first_call, call="commit", with_record=False),
    "offsets alone timed out, first call: send offsets": partial(_first_call, call="send offsets", with_record=False),
    "producing after the time-out": producing_after_the_time_out,
    "a time-out frees readers and offsets": a_time_out_frees_readers_and_offsets,
    "each transaction has the whole time": each_transaction_has_the_whole_time,
}
