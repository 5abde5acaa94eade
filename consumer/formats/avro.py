"""Read Avro records as JSON: by a compiled loop where the schema allows it, else in Python.

A union is the value of its branch. A decimal is a number, other bytes are text in ISO 8859-1 as in Avro's own JSON
encoding. Dates and times are ISO 8601, `timestamp-*` with Z and `local-timestamp-*` without.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import orjson

from consumer.errors import WorkerError
from consumer.formats.avro_loop import ESCAPE_BYTES, compiled_avro
from consumer.formats.avro_program import AvroProgram, UnsupportedError, compile_schema
from consumer.formats.avro_schema import parse_schema, record_types
from consumer.formats.avro_values import NotAvroError, RecordReader
from consumer.formats.schema import RegisteredSchema
from consumer.formats.values import JsonValues, encode, read_each, too_deep
from scoring import InvalidEvent
from scoring.contract import DATE
from scoring.decoding import JoinedValues, join_values
from scoring.kernels import PADDING

_log: Final = logging.getLogger("consumer.formats")

_KINDS: Final = {
    "null": "null",
    "boolean": "boolean",
    "float": "number",
    "double": "number",
    "array": "array",
    "map": "object",
    "record": "object",
}
"""Avro's types that are no text in JSON, and their kinds there."""


def avro_reader(schema: RegisteredSchema) -> Callable[[JoinedValues], JsonValues]:
    """Return the reader of a schema's records.

    Raises WorkerError if its transaction_date has no wall clock, and ValueError if it is no Avro schema.
    """
    parsed, named = parse_schema(schema)
    _require_wall_clock(schema, record_types(parsed, named))
    slow = _SlowReader(schema, parsed, named)
    try:
        program = compile_schema(parsed, named)
    except UnsupportedError as error:
        _log.warning("slow reader of events", extra={"schema": str(schema.id), "reason": str(error)})
        return slow.read_all
    return _FastReader(program, slow).read_all


def field_kinds(schema: RegisteredSchema) -> dict[str, set[str]]:
    """Return the kinds of JSON values that each field of a record can have. Raises as `avro_reader` does."""
    parsed, named = parse_schema(schema)
    records = record_types(parsed, named)
    _require_wall_clock(schema, records)
    kinds: dict[str, set[str]] = defaultdict(set)
    for field in (field for record in records for field in record["fields"]):
        kinds[field["name"]].update(_kinds(field["type"], named))
    return dict(kinds)


def _kinds(schema: Any, named: Mapping[str, Any]) -> Iterator[str]:
    schema = named.get(schema, schema) if isinstance(schema, str) else schema
    if isinstance(schema, list):
        for branch in schema:
            yield from _kinds(branch, named)
        return
    kind, logical = (schema, None) if isinstance(schema, str) else (schema["type"], schema.get("logicalType"))
    if kind in ("int", "long"):
        yield "string" if logical else "number"
    else:
        yield "number" if logical == "decimal" else _KINDS.get(kind, "string")


def _require_wall_clock(schema: RegisteredSchema, records: Sequence[Any]) -> None:
    for kind in (member["type"] for record in records for member in record["fields"] if member["name"] == DATE):
        for branch in kind if isinstance(kind, list) else [kind]:
            logical = branch.get("logicalType", "") if isinstance(branch, dict) else ""
            if logical.startswith("timestamp-"):
                raise WorkerError(
                    f"schema {schema.id}: {DATE} is a {logical}, which has no wall clock, and the hour of a session is "
                    "local: make it local-timestamp-millis, date or string"
                )


class _FastReader:
    """Reads records by the compiled loop, and those that it leaves by the slow reader."""

    def __init__(self, program: AvroProgram, slow: "_SlowReader") -> None:
        self._program = program
        self._kernels = compiled_avro()
        self._slow = slow

    def read_all(self, records: JoinedValues) -> JsonValues:
        """Return the records as JSON."""
        program, (text, starts, ends) = self._program, records
        n, letters = len(ends), np.frombuffer(text, np.uint8)
        out = np.empty(n * program.most_bytes + ESCAPE_BYTES * len(text), np.uint8)
        out_ends = np.empty(n, np.int64)
        bits, places = np.empty(n * program.most_floats, np.uint64), np.empty(n * program.most_floats, np.int64)
        count = self._kernels.write_records(
            out, out_ends, bits, places, letters, starts, ends, program.ops, program.pieces, program.bounds
        )
        size = int(out_ends.max(initial=0))
        if count:
            numbers = orjson.dumps(bits[:count].view(np.float64), option=orjson.OPT_SERIALIZE_NUMPY)
            texts, out = out, np.empty(size + len(numbers) + PADDING, np.uint8)
            insert = self._kernels.insert_numbers
            size = insert(out, texts, out_ends, places[:count], np.frombuffer(numbers, np.uint8))
        sizes = np.diff(out_ends, prepend=0)
        joined = JoinedValues(bytearray(out[: size + PADDING]), out_ends - sizes, out_ends)
        left = np.flatnonzero(sizes == 0).tolist()
        return self._read_left(records, joined, left) if left else JsonValues(joined)

    def _read_left(self, records: JoinedValues, joined: JoinedValues, left: list[int]) -> JsonValues:
        read = self._slow.read_all(join_values([records.value(row) for row in left]))
        texts = [joined.value(row) for row in range(len(joined.ends))]
        for i, row in enumerate(left):
            texts[row] = read.joined.value(i)
        return JsonValues(join_values(texts), {left[i]: fault for i, fault in read.faults.items()})


class _SlowReader:
    """Reads records in Python, one by one."""

    def __init__(self, schema: RegisteredSchema, parsed: Any, named: Mapping[str, Any]) -> None:
        self._schema = schema
        self._parsed = parsed
        self._named = named

    def read_all(self, records: JoinedValues) -> JsonValues:
        """Return the records as JSON."""
        return read_each(records, self._read)

    def _read(self, record: bytes) -> bytes:
        try:
            return encode(RecordReader(record, self._named).read(self._parsed))
        except NotAvroError as error:
            message = f"not a record of schema {self._schema.id}: {error}"
            raise InvalidEvent("not_avro", None, message) from None
        except RecursionError:
            raise too_deep() from None
