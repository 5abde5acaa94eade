"""Read the values of a batch that the serializers of a schema registry have framed."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, cast

import msgspec

from consumer.errors import UnavailableError
from consumer.formats.framing import FRAME, HEADER, shared_id, split
from consumer.formats.schema import RegisteredSchema, SchemaId
from consumer.formats.values import JsonValues
from consumer.records import Batch
from scoring import InvalidEvent
from scoring.decoding import JoinedValues, join_values

ReadPayloads = Callable[[JoinedValues], JsonValues]
MakeReader = Callable[[RegisteredSchema], ReadPayloads]

_UNKNOWN_SECONDS: Final = 1.0  # until the registry is asked again for an id that it does not know
_FEW_UNKNOWN: Final = 10
_MANY_UNKNOWN_SECONDS: Final = 60.0  # the same beyond a few ids: values without a frame have one each, by chance
_MOST_UNKNOWN: Final = 10_000
_MOST_ASKING: Final = 5.0  # s to ask for the schemas of one batch, which is then read again: the worker is to go on


def json_reader(_: RegisteredSchema) -> ReadPayloads:
    """Return the reader of payloads that are JSON, of any schema."""
    return JsonValues


class _Property(msgspec.Struct):
    type: str | list[str] = []


class _JsonSchema(msgspec.Struct):
    properties: dict[str, _Property | bool] = {}
    ref: str = msgspec.field(name="$ref", default="")
    definitions: dict[str, "_JsonSchema | bool"] = {}
    defs: dict[str, "_JsonSchema | bool"] = msgspec.field(name="$defs", default={})


def field_kinds(schema: RegisteredSchema) -> dict[str, set[str]]:
    """Return the kinds of values that a JSON schema gives to each property. Raises ValueError if it is none."""
    try:
        whole = msgspec.json.decode(schema.text, type=_JsonSchema)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a JSON schema ({error})") from None
    meant = {**whole.definitions, **whole.defs}.get(whole.ref.rpartition("/")[2])  # "#/definitions/Session"
    properties = (meant if isinstance(meant, _JsonSchema) else whole).properties
    return {name: _kinds(each) for name, each in properties.items()}


def _kinds(schema: _Property | bool) -> set[str]:  # noqa: FBT001 - a schema may be `true`
    kinds = [] if isinstance(schema, bool) else [schema.type] if isinstance(schema.type, str) else schema.type
    return {"number" if kind == "integer" else kind for kind in kinds}


class FramedValues:
    """Reads framed values by the schemas that they name. Keeps the reader of each schema for good."""

    def __init__(
        self,
        schema: Callable[[SchemaId], RegisteredSchema | None],
        schema_type: str,
        make_reader: MakeReader,
        clock: Callable[[], float],
    ) -> None:
        """`schema` fetches a schema of the registry; `make_reader` raises ValueError for one that it cannot use."""
        self._schema = schema
        self._type = schema_type
        self._make_reader = make_reader
        self._clock = clock
        self._readers: dict[SchemaId, ReadPayloads] = {}
        self._unknown: dict[SchemaId, float] = {}  # until when
        self._ask_until = 0.0

    def read(self, batch: Batch) -> JsonValues:
        """Return the values as JSON. Raises UnavailableError, or WorkerError."""
        self._ask_until = self._clock() + _MOST_ASKING
        values = cast("list[bytes]", batch.values)
        joined = join_values(values)
        schema_id = None if _have_ids(batch) else shared_id(joined)
        if schema_id is None:
            return self._read_mixed(values, batch)
        read = self._reader(schema_id)(joined._replace(starts=joined.starts + FRAME))
        return JsonValues(read.joined, read.faults, self._origins(schema_id, values))

    def _read_mixed(self, values: Sequence[bytes], batch: Batch) -> JsonValues:
        """Return values with several ids, or without."""
        texts, origins = [b""] * len(values), [b""] * len(values)
        faults: dict[int, InvalidEvent] = {}
        payloads: dict[SchemaId, dict[int, bytes]] = defaultdict(dict)  # by row
        for row, (value, headers) in enumerate(zip(values, batch.headers, strict=True)):
            try:
                schema_id, payload = split(value, headers)
                payloads[schema_id][row] = payload
            except InvalidEvent as fault:
                faults[row] = fault
        for schema_id, by_row in payloads.items():
            rows, read = list(by_row), self._reader(schema_id)(join_values(list(by_row.values())))
            faults |= {rows[i]: fault for i, fault in read.faults.items()}
            own = self._origins(schema_id, [values[row] for row in rows])
            for i, row in enumerate(rows):
                texts[row], origins[row] = read.joined.value(i), own[i]
        return JsonValues(join_values(texts), faults, origins)

    def _origins(self, schema_id: SchemaId, values: Sequence[bytes]) -> list[bytes]:
        if isinstance(schema_id, int):
            origin = b',"event_schema_id":%d' % schema_id
        else:
            origin = b',"event_schema_guid":"%b"' % str(schema_id).encode()
        if self._type == "JSON":  # the event is the value, without its frame
            return [origin] * len(values)
        return [b'%b,"event_sha256":"%b"' % (origin, sha256(value).hexdigest().encode()) for value in values]

    def _reader(self, schema_id: SchemaId) -> ReadPayloads:
        reader = self._readers.get(schema_id)
        return self._find_reader(schema_id) if reader is None else reader

    def _find_reader(self, schema_id: SchemaId) -> ReadPayloads:
        """Return the reader of a schema that was not needed before. Raises UnavailableError, or WorkerError."""
        now = self._clock()
        if self._unknown.get(schema_id, now) <= now:
            if now > self._ask_until:
                raise UnavailableError(
                    f"the schema registry needs more than {_MOST_ASKING:.0f} s for a batch's schemas"
                )
            if (schema := self._schema(schema_id)) is not None:
                return self._readers.setdefault(schema_id, self._reader_of(schema))
            if len(self._unknown) >= _MOST_UNKNOWN:
                self._unknown.clear()
            few = sum(until > now - _MANY_UNKNOWN_SECONDS for until in self._unknown.values()) < _FEW_UNKNOWN
            self._unknown[schema_id] = now + (_UNKNOWN_SECONDS if few else _MANY_UNKNOWN_SECONDS)
        return _refuse(f"the schema registry has no schema {schema_id}")

    def _reader_of(self, schema: RegisteredSchema) -> ReadPayloads:
        if schema.type != self._type:
            return _refuse(f"schema {schema.id} is of type {schema.type}, not {self._type}")
        try:
            return self._make_reader(schema)
        except ValueError as error:
            return _refuse(f"schema {schema.id} cannot be used: {error}")


def _have_ids(batch: Batch) -> bool:
    """Return whether any record has the id of its schema in a header."""
    return any(batch.headers) and any(name == HEADER for headers in batch.headers for name, _ in headers)


def _refuse(reason: str) -> ReadPayloads:
    """Return a reader for which every payload has this fault."""

    def read(payloads: JoinedValues) -> JsonValues:
        n = len(payloads.ends)
        fault = InvalidEvent("unknown_schema", None, reason)
        return JsonValues(join_values([b""] * n), dict.fromkeys(range(n), fault))

    return read
