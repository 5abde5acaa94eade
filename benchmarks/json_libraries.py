"""msgspec and orjson in both directions: `python -m benchmarks.json_libraries`, for docs/decisions/0002.

CPU time of this process, of each the best round: so neighbours on the machine count little.
"""

import functools
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
import numpy as np
import orjson

from benchmarks.events import batches
from benchmarks.report import Table, of_the_machine, show
from benchmarks.rounds import Measured, in_turn
from consumer.process import tune_garbage_collector
from consumer.stream.result_writer import Results, ResultWriter
from scoring import Scorer
from scoring.contract import Event
from scoring.decoding import decode_any, decode_joined, join_values
from scoring.errors import InvalidEvent

EVENTS = 500  # as many as the CPU's cache holds: the consumer reads and writes what it has just made
AGAIN = 40
ROUNDS = 9
MOST_BYTES = 1_000_000  # of an event; none is as large
Calls = dict[str, Callable[[], object]]


class _Source(msgspec.Struct):
    topic: str
    partition: int
    offset: int
    timestamp: str | None


class _Result(msgspec.Struct):
    """A result as one object; its event stays JSON."""

    schema_version: int
    result_id: str
    session_id: str | int
    user_id: str | int
    predicted_label: int
    anomaly_score: float
    risk_level: str
    risk_reason: str
    reason_codes: list[str]
    imputed_fields: list[str]
    model_version: str
    source: _Source
    scored_at: str
    event: msgspec.Raw


def measure(rounds: int, again: int) -> Table:
    """Return what each library takes for an event and for a result."""
    results, values = scored(EVENTS)
    read, written = decoders(values), encoders(results)
    timed = {name: functools.partial(cpu_seconds, call, again) for name, call in {**read, **written}.items()}
    found = {name: Measured.of(each).times(1e6 / EVENTS / again) for name, each in in_turn(timed, rounds).items()}
    rows = [[name, f"{found[name].low:.2f}", f"{found[name].median:.2f}"] for name in found]
    note = (
        f"µs of CPU time an event, the best and the median of {rounds} rounds over {EVENTS * again:,} events of "
        f"{sum(map(len, values)) // EVENTS} bytes; msgspec {version('msgspec')}, orjson {version('orjson')}."
    )
    return Table("json-libraries", ("", "best", "median"), rows, note)


def scored(count: int) -> tuple[Results, list[bytes]]:
    """Return what the results of so many events are made of, and the events."""
    (batch,) = batches(count, count)
    values = [value or b"" for value in batch.values]
    scorer = Scorer.load()
    joined = join_values(values)
    decoded = decode_joined(joined)
    results = Results(
        batch=batch,
        timestamps=np.array(batch.timestamps),
        columns=decoded.columns,
        scored=scorer.score_columns(decoded.columns),
        values=joined,
        positions=np.arange(count),
        model_version=scorer.model_version,
        scored_at=batch.timestamps[0],
    )
    return results, values


def decoders(values: Sequence[bytes]) -> Calls:
    """Return the ways of reading an event."""
    decode, decode_many = msgspec.json.Decoder(Event).decode, Scorer.load().decode

    def checked_dicts() -> object:
        decoded = decode_any([orjson.loads(value) for value in values])
        if decoded.invalid:
            raise InvalidEvent("not_json", None, "orjson reads an event otherwise")
        return decoded

    return {
        "read: msgspec, into the contract's struct": lambda: [decode(value) for value in values],
        "read: msgspec, into columns, as the consumer does": lambda: decode_many(values),
        "read: msgspec, into a dict": lambda: [msgspec.json.decode(value) for value in values],
        "read: orjson, into a dict": lambda: [orjson.loads(value) for value in values],
        "read: orjson, into columns by way of dicts": checked_dicts,
    }


def encoders(results: Results) -> Calls:
    """Return the ways of writing a result with its event in it. Raises ValueError when they write different ones."""
    writer = ResultWriter()
    encoded = writer.write(results, MOST_BYTES)
    structs = [msgspec.json.decode(each, type=_Result) for each in encoded]
    dicts = [_with_fragment(each) for each in encoded]
    encode = msgspec.json.Encoder().encode
    for made, struct, fields in zip(encoded, structs, dicts, strict=True):
        if not orjson.loads(made) == orjson.loads(encode(struct)) == orjson.loads(orjson.dumps(fields)):
            raise ValueError("the libraries write different results")
    return {
        "write: a compiled loop, as the consumer does": lambda: writer.write(results, MOST_BYTES),
        "write: msgspec, a struct with Raw": lambda: [encode(struct) for struct in structs],
        "write: orjson, a dict with Fragment": lambda: [orjson.dumps(fields) for fields in dicts],
    }


def _with_fragment(encoded: bytes) -> dict[str, Any]:
    fields = msgspec.json.decode(encoded, type=dict[str, msgspec.Raw])
    plain: dict[str, Any] = orjson.loads(encoded)
    return plain | {"event": orjson.Fragment(bytes(fields["event"]))}


def cpu_seconds(call: Callable[[], object], times: int) -> float:
    """Return the CPU time of so many calls, after one that is not counted."""
    call()
    began = time.process_time()
    for _ in range(times):
        call()
    return time.process_time() - began


if __name__ == "__main__":
    tune_garbage_collector()  # as the consumer does
    show([of_the_machine(), measure(ROUNDS, AGAIN)])
