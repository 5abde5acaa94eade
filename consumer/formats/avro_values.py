"""Read an Avro record as values of JSON, in Python: what the compiled loop leaves.

fastavro is five times as fast, but cannot be trusted with any record: it ends the process on 5,000 records nested in
each other (1.13.1), and takes 1 s for a decimal of 100 kB.
"""

import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from consumer.formats.avro_schema import UNITS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ZERO: Final = date(1970, 1, 1)
_MOST_DECIMAL_BYTES: Final = 64  # 154 digits, more than databases have
_LONGEST_VARINT: Final = 10
_VALUES_OF_BYTE: Final = 8
_MOST_EMPTY: Final = 10_000


class NotAvroError(ValueError):
    """The bytes are no record of the schema. The message says why; it holds none of them."""


class RecordReader:
    """Reads one record, from front to back."""

    def __init__(self, record: bytes, named: Mapping[str, Any]) -> None:
        self._record = record
        self._named = named
        self._at = 0
        self._left = _VALUES_OF_BYTE * len(record) + _MOST_EMPTY
        """How many more values are read. Some have no bytes: an array of them could have as many as it says."""

    def read(self, schema: Any) -> Any:
        """Return the record as values that JSON has. Raises NotAvroError, and RecursionError."""
        value = self._value(schema)
        if left := len(self._record) - self._at:
            raise NotAvroError(f"{left} bytes are left")
        return value

    def _value(self, schema: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 - one case for each type
        self._left -= 1
        if self._left < 0:
            raise NotAvroError("it has too many values for its bytes")
        schema = self._named.get(schema, schema) if isinstance(schema, str) else schema
        if isinstance(schema, list):
            return self._value(schema[self._index(len(schema))])
        kind, logical = (schema, None) if isinstance(schema, str) else (schema["type"], schema.get("logicalType"))
        match kind:
            case "null":
                return None
            case "boolean":
                return self._boolean()
            case "int" | "long":
                return _moment(self._integer(), logical or "")
            case "float":
                return struct.unpack("<f", self._take(4))[0]
            case "double":
                return struct.unpack("<d", self._take(8))[0]
            case "string":
                return self._text()
            case "bytes":
                return _bytes(self._take(self._integer()), schema)
            case "fixed":
                return _bytes(self._take(schema["size"]), schema)
            case "enum":
                return schema["symbols"][self._index(len(schema["symbols"]))]
            case "array":
                return [self._value(schema["items"]) for _ in self._items()]
            case "map":
                return {self._text(): self._value(schema["values"]) for _ in self._items()}
            case "record":
                return {field["name"]: self._value(field["type"]) for field in schema["fields"]}
        raise NotAvroError(f"the type {kind} is unknown")

    def _items(self) -> Any:
        """Yield once for each item of an array or a map."""
        while (size := self._integer()) != 0:
            if size < 0:
                size = -size
                self._integer()  # bytes of the block
            yield from range(size)

    def _take(self, size: int) -> bytes:
        start, self._at = self._at, self._at + size
        if size < 0 or self._at > len(self._record):
            raise NotAvroError("it is cut off, or a length is wrong")
        return self._record[start : self._at]

    def _boolean(self) -> bool:
        byte = self._take(1)
        if byte > b"\1":
            raise NotAvroError("a boolean is neither 0 nor 1")
        return byte == b"\1"

    def _integer(self) -> int:
        number = 0
        for i in range(_LONGEST_VARINT):
            byte = self._take(1)[0]
            number |= (byte & 0x7F) << 7 * i
            if byte < 0x80:
                break
        if byte >= 0x80 or number >= 1 << 64:
            raise NotAvroError("an integer has more than 64 bits")
        return number >> 1 ^ -(number & 1)

    def _index(self, count: int) -> int:
        index = self._integer()
        if not 0 <= index < count:
            raise NotAvroError("the index of a union or an enum is wrong")
        return index

    def _text(self) -> str:
        try:
            return self._take(self._integer()).decode()
        except UnicodeDecodeError:
            raise NotAvroError("a string is not UTF-8") from None


def _moment(number: int, logical: str) -> int | str:
    """Return a date or a time as text, as far as a calendar has it; any other number unchanged."""
    first, _, unit = logical.rpartition("-")
    try:
        match first:
            case "timestamp":
                return _iso(number, unit) + "Z"
            case "local-timestamp":
                return _iso(number, unit)
            case "time":
                day, _, moment = _iso(number, unit).partition("T")
                return moment if day == _DAY_ZERO.isoformat() else number
        return (_DAY_ZERO + timedelta(days=number)).isoformat() if logical == "date" else number
    except OverflowError:
        return number


def _iso(number: int, unit: str) -> str:
    """Return a time since the epoch with ms, or with as many digits as its unit has where they are not 0."""
    milliseconds, rest = divmod(number, UNITS[unit])
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    digits = str(UNITS[unit] + rest)[1:] if rest else ""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + digits


def _bytes(content: bytes, schema: Any) -> str | orjson.Fragment:
    """Return bytes as text, a UUID as its text, and a decimal as a number with all its digits."""
    logical = None if isinstance(schema, str) else schema.get("logicalType")
    if logical != "decimal":
        return str(UUID(bytes=content)) if logical == "uuid" else content.decode("latin-1")
    if len(content) > _MOST_DECIMAL_BYTES:
        raise NotAvroError(f"a decimal has more than {_MOST_DECIMAL_BYTES} bytes")
    number, scale = int.from_bytes(content, "big", signed=True), schema["scale"]
    digits = str(abs(number)).rjust(scale + 1, "0")
    whole, fraction = (digits[:-scale], f".{digits[-scale:]}") if scale else (digits, "")
    return orjson.Fragment(f"{'-' * (number < 0)}{whole}{fraction}")
