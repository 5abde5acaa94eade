"""JSON bytes to Events, and to columns.

msgspec parses and validates an event in one pass in C: it is the authority. The columns of a batch come of a compiled
loop (kernels/json_columns.py), which leaves to msgspec what it does not read.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.columns import GAP, Columns
from scoring.contract import CATEGORIES, LIMIT, NUMERIC, Event
from scoring.errors import InvalidEvent
from scoring.kernels.compiler import CompilationError, Function, compile_kernels
from scoring.kernels.json_columns import FIRST_CATEGORY, FIRST_IDENTITY, KERNEL, LEAST, MOST_ODD
from scoring.kernels.json_keys import MOST_KEYS
from scoring.kernels.json_text import MOST_NESTED, PADDING, UNUSUAL
from scoring.kernels.string_codes import HEAD, LENGTH
from scoring.validation import explain

REFUSALS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_decode: Final = msgspec.json.Decoder(Event).decode
_decode_any: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


def parse(value: bytes) -> Event:
    """Return the event in one value. Raises InvalidEvent."""
    try:
        if not value.isascii():
            value.decode()  # msgspec does not look at the UTF-8 of what it skips, and the event is embedded as it came
        return _decode(value)
    except REFUSALS:
        raise explain(value) from None


def parse_each(values: Sequence[bytes]) -> tuple[list[Event], dict[int, InvalidEvent]]:
    """Return the valid events, and by position what is wrong with the others."""
    events: list[Event] = []
    invalid: dict[int, InvalidEvent] = {}
    for position, value in enumerate(values):
        try:
            events.append(parse(value))
        except InvalidEvent as fault:
            invalid[position] = fault
    return events, invalid


@functools.cache
def compiled_reader() -> Function | None:
    """Return the compiled loop; None where it cannot be compiled."""
    try:
        return compile_kernels([KERNEL])[0]
    except CompilationError:
        return None


@dataclass(frozen=True, slots=True)
class JsonBatch:
    """A batch as the compiled loop reads it: a row for each value, of use where the reason is READ."""

    columns: Columns  # `text` begins with the joined values
    ends: NDArray[np.int64]  # where each value ends in it
    reasons: NDArray[np.uint8]


def read_batch(values: Sequence[bytes], read: Function) -> JsonBatch:
    """Read values of one JSON object each by the loop `read`."""
    n = len(values)
    joined = bytearray().join((*values, bytes(PADDING)))  # not bytes, which numba takes for another type
    text = np.frombuffer(joined, np.uint8)
    ends = np.fromiter(map(len, values), np.int64, n).cumsum()
    numbers = np.empty((len(NUMERIC), n))
    codes = np.empty((len(CATEGORIES), n), np.int32)
    places = np.empty((5, n), np.int64)
    reasons = np.empty(n, np.uint8)
    odd = np.empty((1 + MOST_ODD * n, 4), np.int64)
    strings = np.empty((len(CATEGORIES), 1 + n, 3), np.int64)
    slots = np.zeros((len(CATEGORIES), 1 << (2 * n - 1).bit_length()), np.int32)
    keys = np.empty((MOST_KEYS, 4), np.int64)
    closers = np.empty(MOST_NESTED, np.uint8)
    read(text, ends, numbers, codes, places, reasons, odd, strings, slots, keys, closers)
    if count := int(odd[HEAD, LENGTH]):
        rewritten = _convert_odd(joined, odd[1 : 1 + count], numbers, places, reasons)
        text = np.concatenate([text, np.frombuffer(rewritten, np.uint8)])
    columns = Columns(numbers, codes, _strings(joined, strings, codes), places[0], places[1:].reshape(2, 2, n), text)
    return JsonBatch(columns, ends, reasons)


def _convert_odd(
    joined: bytearray,
    odd: NDArray[np.int64],
    numbers: NDArray[np.float64],
    places: NDArray[np.int64],
    reasons: NDArray[np.uint8],
) -> bytearray:
    """Convert each number and rewrite each identity that the loop noted; return what follows the joined values."""
    is_number = odd[:, 1] < FIRST_CATEGORY
    rows, fields = odd[is_number, :2].T
    values = np.array([float(joined[start:end]) for start, end in odd[is_number, 2:].tolist()])
    numbers[fields, rows] = values
    reasons[rows[(values < LEAST[fields]) | (values > LIMIT)]] = UNUSUAL
    rewritten = bytearray()
    for row, field, start, end in odd[~is_number].tolist():
        place = 1 + 2 * (field - FIRST_IDENTITY)
        places[place, row] = len(joined) + len(rewritten)
        rewritten += _encode(_decode_any(joined[start:end]))
        places[place + 1, row] = len(joined) + len(rewritten)
    return rewritten


def _strings(joined: bytearray, lists: NDArray[np.int64], codes: NDArray[np.int32]) -> list[list[str]]:
    """Return the strings of each category's codes. Codes of one string, written in several ways, become one."""
    lengths = lists[:, HEAD, LENGTH].tolist()
    spans = lists[:, 1 : 1 + max(lengths), :2].tolist()
    strings = [
        [_unescape(joined[start : start + size]) for start, size in spans[field][:length]]
        for field, length in enumerate(lengths)
    ]
    for field, some in enumerate(strings):
        if len(distinct := dict.fromkeys(some)) < len(some):
            places = {string: place for place, string in enumerate(distinct)}
            codes[field] = np.array([*map(places.__getitem__, some), GAP], np.int32)[codes[field]]
            strings[field] = list(distinct)
    return strings


def _unescape(letters: bytearray) -> str:
    return str(_decode_any(b'"%b"' % bytes(letters))) if b"\\" in letters else letters.decode()
