"""Events of other formats, end to end: plain JSON, framed JSON, Avro and Protobuf in turn, with a real schema registry.

Beside them, what Confluent's own deserializer takes for an Avro record, in a loop.
"""

import functools
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import islice

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from benchmarks.events import as_is, stream
from benchmarks.json_libraries import cpu_seconds
from benchmarks.race import Contestant, Outcome, filled, race
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn
from benchmarks.run import Run
from tests.support.kafka.formats import SCHEMAS, Format, registered
from tests.support.kafka.registry import SchemaRegistry

EVENTS = 300_000
LOOP_EVENTS = 5_000
PLAIN, DESERIALIZER = "json", "Confluent's AvroDeserializer in a loop"
COLUMNS = ("--input-format", "events/s", "÷ json", "CPU, µs an event", "CPU − json", "bytes an event")


def run(given: Run) -> Findings:
    """Events a second and CPU an event of each format, exactly once, on topics of the same distinct events."""
    events = 5_000 if given.quick else EVENTS
    given.say("starting the schema registry")
    with SchemaRegistry() as registry, ExitStack() as stack:
        formats = {name: registered(registry.url, f"bench-{name}-value", name) for name in SCHEMAS}
        edits: dict[str, Callable[[bytes], bytes]] = {PLAIN: as_is}
        edits |= {name: functools.partial(_value, each) for name, each in formats.items()}
        calls = {}
        for name, edit in edits.items():
            course = stack.enter_context(filled(given, events, edit=edit))
            options = () if name == PLAIN else ("--input-format", name, "--schema-registry-url", registry.url)
            calls[name] = functools.partial(race, Contestant(name, options), course, given.room / "log")
        if not given.quick:  # a round that does not count: a broker that has just started compiles itself
            in_turn(calls, 1, given.say)
        outcomes = in_turn(calls, given.rounds, given.say)
        values = [_value(formats["avro"], value) for _, value in islice(stream(), LOOP_EVENTS)]
        loop = Measured.of(_deserialize(registry.url, values) for _ in range(given.rounds))
        sizes = {name: _mean_size(edit) for name, edit in edits.items()}
    return Findings([_table(outcomes, sizes, loop)])


def _value(of: Format, event: bytes) -> bytes:
    """Return the value of an event. Framed JSON has the same bytes behind the frame."""
    return of.frame + event if of.name == "json-schema" else of.value(json.loads(event))


def _mean_size(edit: Callable[[bytes], bytes]) -> float:
    return sum(len(edit(value)) for _, value in islice(stream(), LOOP_EVENTS)) / LOOP_EVENTS


def _deserialize(url: str, values: Sequence[bytes]) -> float:
    """Return µs a record of Confluent's deserializer, which makes a dict of it."""
    with SchemaRegistryClient({"url": url}) as client:
        read, context = AvroDeserializer(client), SerializationContext("bench", MessageField.VALUE)
        read(values[0], context)  # fetches the schema

        def read_all() -> None:
            for value in values:
                read(value, context)

        return cpu_seconds(read_all, 1) / len(values) * 1e6


def _table(outcomes: dict[str, list[Outcome]], sizes: dict[str, float], loop: Measured) -> Table:
    rates = {name: Measured.of(each.rate for each in some) for name, some in outcomes.items()}
    cpu = {name: Measured(tuple(each.cpu for each in some)) for name, some in outcomes.items()}
    rows = [
        [
            name,
            rates[name].text(0),
            rates[name].over(rates[PLAIN]).text(),
            cpu[name].text(1),
            f"{cpu[name].median - cpu[PLAIN].median:.2f}",
            f"{sizes[name]:.0f}",
        ]
        for name in outcomes
    ]
    events = outcomes[PLAIN][0].events
    note = (
        f"Median (lowest to highest round). {events:,} distinct events, exactly once, defaults only. {DESERIALIZER}: "
        f"{loop.text(1)} µs of CPU a record of the same, which only makes a dict of it."
    )
    return Table("formats", COLUMNS, rows, note)
