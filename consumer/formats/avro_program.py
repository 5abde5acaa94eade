"""Translate an Avro schema into the instructions that avro_loop.py follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from consumer.formats import avro_loop as loop
from consumer.formats.avro_schema import UNITS

MOST_OPS: Final = 4096
"""Instructions of a program. Records in records are written out at each place, which can grow without bound."""
MOST_TEXT: Final = 65_536
"""Bytes of text before an instruction, which grows likewise with records that have no bytes."""
_NUMBERS: Final = {"int": loop.INTEGER, "long": loop.INTEGER, "float": loop.FLOAT, "double": loop.DOUBLE}
_DAY: Final = b'"0000-00-00"'


class UnsupportedError(Exception):
    """The loop cannot read records of this schema. The message says which type is the reason."""


@dataclass(frozen=True, slots=True)
class AvroProgram:
    """Instructions, and the texts that they write."""

    ops: NDArray[np.int64]  # (k, 3)
    pieces: NDArray[np.uint8]
    bounds: NDArray[np.int64]
    most_floats: int
    """The most floating-point numbers that a record can have."""
    most_bytes: int
    """The most bytes of a record's text without those of its strings and floating-point numbers."""


def compile_schema(schema: Any, named: Mapping[str, Any]) -> AvroProgram:
    """Return the program of a schema as fastavro parses it; `named` has the schemas of its names.

    Raises UnsupportedError.
    """
    compiler = _Compiler(named)
    compiler.add(schema, ())
    compiler.flush()
    bounds = np.cumsum([0, *map(len, compiler.pieces)])
    ops = np.array(compiler.ops, np.int64).reshape(-1, 3)
    most_floats = int(np.isin(ops[:, 0], (loop.FLOAT, loop.DOUBLE)).sum())
    pieces = np.frombuffer(b"".join(compiler.pieces), np.uint8)
    return AvroProgram(ops, pieces, bounds, most_floats, compiler.most_bytes)


@dataclass(slots=True)
class _Compiler:
    named: Mapping[str, Any]
    ops: list[list[int]] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    places: dict[tuple[bytes, ...], int] = field(default_factory=dict)  # of pieces that are there
    text: bytes = b""  # written before the next instruction
    most_bytes: int = 0

    def add(self, schema: Any, outer: tuple[str, ...]) -> None:
        """Add the instructions that read a value. `outer` are the names of the records that it is in."""
        schema = self.named.get(schema, schema) if isinstance(schema, str) else schema
        if isinstance(schema, list):
            self._add_union(schema, outer)
            return
        kind, logical = (schema, None) if isinstance(schema, str) else (schema["type"], schema.get("logicalType"))
        if kind == "null":
            self.text += b"null"
        elif kind == "boolean":
            self._add_op(loop.BOOLEAN, *self._add_pieces(b"false", b"true"))
        elif kind in ("int", "long"):
            self._add_integer(logical)
        elif kind in _NUMBERS:
            self._add_op(_NUMBERS[kind])
        elif kind == "string":
            self._add_op(loop.STRING)
        elif kind == "bytes" and logical == "decimal" and schema["scale"] <= loop.MOST_SCALE:
            self._add_op(loop.DECIMAL, schema["scale"])
        elif kind == "enum":
            symbols = [orjson.dumps(symbol) for symbol in schema["symbols"]]
            self._add_op(loop.ENUM, *self._add_pieces(*symbols))
        elif kind == "record" and schema["name"] not in outer:
            self._add_record(schema, outer)
        else:
            raise UnsupportedError(kind if kind != "record" else f"{schema['name']} in itself")

    def flush(self) -> None:
        """Add the instruction that writes the text before the next value."""
        if self.text:
            text, self.text = self.text, b""
            self.ops.append([loop.PIECE, self._add_pieces(text)[0], 0])

    def _add_op(self, kind: int, first: int = 0, second: int = 0) -> list[int]:
        self.flush()
        self.most_bytes += loop.MOST_DIGITS
        op = [kind, first, second]
        self.ops.append(op)
        if len(self.ops) > MOST_OPS:
            raise UnsupportedError(f"more than {MOST_OPS} fields and branches")
        return op

    def _add_pieces(self, *texts: bytes) -> tuple[int, int]:
        """Return the number of the first of these texts, of which one is written, and how many they are."""
        self.most_bytes += max(map(len, texts), default=0)
        if texts not in self.places:
            self.places[texts] = len(self.pieces)
            self.pieces += texts
        return self.places[texts], len(texts)

    def _add_integer(self, logical: str | None) -> None:
        if logical is None:
            self._add_op(loop.INTEGER)
        elif logical == "date":
            self._add_op(loop.DAY, *self._add_pieces(_DAY))
        elif logical.startswith("time-"):
            raise UnsupportedError(logical)
        else:
            first, _, unit = logical.rpartition("-")
            digits, zone = str(UNITS[unit])[1:].encode(), b"Z" if first == "timestamp" else b""
            texts = (b'"0000-00-00T00:00:00.000%b%b"' % (more, zone) for more in (b"", digits))
            self._add_op(loop.MOMENT, UNITS[unit], self._add_pieces(*texts)[0])

    def _add_record(self, schema: Mapping[str, Any], outer: tuple[str, ...]) -> None:
        self.text += b"{"
        for i, member in enumerate(schema["fields"]):
            self.text += b"%b%b:" % (b"," if i else b"", orjson.dumps(member["name"]))
            self.add(member["type"], (*outer, schema["name"]))
            if len(self.text) > MOST_TEXT:
                raise UnsupportedError(f"more than {MOST_TEXT} bytes of names")
        self.text += b"}"

    def _add_union(self, branches: list[Any], outer: tuple[str, ...]) -> None:
        self._add_op(loop.BRANCH, len(branches))
        starts = [self._add_op(loop.JUMP) for _ in branches]
        ends = []
        for start, branch in zip(starts, branches, strict=True):
            start[1] = len(self.ops)
            self.add(branch, outer)
            ends.append(self._add_op(loop.JUMP))
        for end in ends:
            end[1] = len(self.ops)
