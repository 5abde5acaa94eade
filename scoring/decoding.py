"""Decode events, JSON or Python mappings, into columns. Invalid ones are returned by position as InvalidEvent.

JSON is invalid when `parse` refuses it: msgspec checks it by `contract.Event`, in one pass in C. A mapping is invalid
when `validated` refuses one of its values. In both cases validation.py names the fault. A compiled loop
(kernels/json_columns.py) reads a batch of JSON. It only accepts: an event that it cannot read for certain it leaves to
`parse`, with a reason.
"""

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.columns import GAP, Columns, concatenate, from_events
from scoring.contract import CATEGORIES, IDENTITIES, LIMIT, MODEL_FIELDS, MOST_LEVELS, NUMERIC, Event
from scoring.errors import InvalidEvent
from scoring.kernels.compiler import CompilationError, Function, compile_kernels
from scoring.kernels.json_columns import FIRST_CATEGORY, FIRST_IDENTITY, KERNEL, LEAST, MOST_ODD
from scoring.kernels.json_keys import EMPTIED, MOST_KEYS
from scoring.kernels.json_text import FALLBACK_REASONS, MOST_NESTED, PADDING, UNUSUAL
from scoring.kernels.string_codes import HEAD, LENGTH, SIZE
from scoring.validation import find_fault, is_too_deep, validated

EventLike = Mapping[str, Any] | bytes | bytearray | memoryview | str
"""One event: a mapping of Python or numpy values, or a JSON object as bytes or text."""

INVALID: Final = "invalid"
FALLBACKS: Final = (*FALLBACK_REASONS[1:], INVALID)
"""Why events are left to msgspec: the keys of `Decoded.left`. INVALID replaces the reason of those that it refuses."""

_decode: Final = msgspec.json.Decoder(Event).decode
_decode_untyped: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class JoinedValues(NamedTuple):
    """The values of m records in one text, with PADDING bytes behind the last."""

    text: bytearray
    starts: NDArray[np.int64]  # (m,)
    ends: NDArray[np.int64]  # (m,)

    def value(self, position: int) -> bytes:
        """Return one value."""
        return bytes(self.text[self.starts[position] : self.ends[position]])


@dataclass(frozen=True, slots=True)
class Decoded:
    """The valid events as columns with their positions in the input, and the faults of the others by position."""

    columns: Columns
    positions: Sequence[int]
    invalid: dict[int, InvalidEvent]
    left: Mapping[str, int] = field(default_factory=dict)
    """How many events the compiled loop left to msgspec, by reason; INVALID counts those that msgspec refused."""
    left_positions: Sequence[int] = ()
    """The positions of those events, in order."""
    learned_keys: NDArray[np.int64] | None = None
    """The keys that the loop has learned, as kernels/json_keys.py describes them."""

    @property
    def keys(self) -> NDArray[np.int64] | None:
        """Start and size, in the text of the columns, of the distinct keys of the events that are not left, (k, 2).

        Each is from its quote to its value. They are in the order of their first appearance; keys of left events may be
        among them. None when there are more than the loop remembers.
        """
        learned = self.learned_keys
        if learned is None or learned[HEAD, EMPTIED]:
            return None
        return learned[1 : 1 + int(learned[HEAD, LENGTH]), : SIZE + 1]

    def without(self, faults: Mapping[int, InvalidEvent]) -> "Decoded":
        """Return these events without those at the positions of `faults`, which join the invalid ones."""
        if not faults:
            return self
        kept = [i for i, position in enumerate(self.positions) if position not in faults]
        invalid = {**self.invalid, **faults}
        return Decoded(self.columns.take(kept), [self.positions[i] for i in kept], invalid)


def decode(values: Sequence[bytes]) -> Decoded:
    """Decode values of one JSON object each."""
    return decode_joined(join_values(values))


def join_values(values: Sequence[bytes]) -> JoinedValues:
    """Return the values in one text, one behind the other."""
    # before their sizes: 30 µs for 500 values out of the cache, where sizes first take 100
    text = bytearray().join((*values, bytes(PADDING)))  # not bytes, which are another type for numba
    sizes = np.fromiter(map(len, values), np.int64, len(values))
    ends = sizes.cumsum()
    return JoinedValues(text, ends - sizes, ends)


def decode_joined(values: JoinedValues) -> Decoded:
    """Decode values of one JSON object each, by the compiled loop where there is one.

    The text of the columns begins with that of the values.
    """
    text, starts, ends = values
    read, count = compile_reader(), len(ends)
    if read is None or not count:
        events, invalid = _read_each(parse, map(values.value, range(count)))
        columns = from_events(events, text)
        return Decoded(columns, _valid_positions(count, invalid), invalid, left_positions=range(count))
    batch = read_text(text, starts, ends, read)
    left = np.flatnonzero(batch.fallbacks).tolist()
    if not left:
        return Decoded(batch.columns, range(count), {}, learned_keys=batch.keys)
    events, faults = _read_each(parse, map(values.value, left))
    invalid = {left[i]: fault for i, fault in faults.items()}
    rows = np.arange(count)
    rows[[position for position in left if position not in invalid]] = count + np.arange(len(events))
    valid = np.delete(np.arange(count), list(invalid))
    positions = valid.tolist() if invalid else range(count)
    columns = concatenate([batch.columns, from_events(events)]) if events else batch.columns
    counts = Counter(
        INVALID if position in invalid else FALLBACK_REASONS[batch.fallbacks[position]] for position in left
    )
    return Decoded(columns.take(rows[valid]), positions, invalid, counts, left, batch.keys)


def decode_any(events: Sequence[EventLike]) -> Decoded:
    """Decode events of any form, also mixed, one by one unless all are bytes. A value of another type is invalid."""
    if all(isinstance(event, bytes) for event in events):
        return decode(cast("Sequence[bytes]", events))
    valid, invalid = _read_each(_from_any, events)
    return Decoded(from_events(valid), _valid_positions(len(events), invalid), invalid)


def _valid_positions(count: int, invalid: Collection[int]) -> Sequence[int]:
    return [position for position in range(count) if position not in invalid] if invalid else range(count)


def _from_any(event: object) -> Event:
    if isinstance(event, str):
        event = event.encode(errors="surrogatepass")  # a lone surrogate is then no UTF-8
    if isinstance(event, bytes | bytearray | memoryview):
        return parse(bytes(event))
    if not isinstance(event, Mapping):
        raise _not_an_event(event)
    return Event(**{name: validated(name, event[name]) for name in (*MODEL_FIELDS, *IDENTITIES) if name in event})


def _not_an_event(value: object) -> InvalidEvent:
    hint = ""
    if hasattr(value, "columns"):
        hint = "; score_frame takes a DataFrame"
    elif hasattr(value, "to_dict"):  # a Series: a row of a DataFrame
        hint = "; pass its to_dict()"
    return InvalidEvent("not_an_object", None, f"expected a mapping or JSON, got {type(value).__name__}{hint}")


def parse(value: bytes) -> Event:
    """Parse and validate one value by msgspec. Raises InvalidEvent.

    msgspec stops at the first fault it meets; `find_fault` names the same one whatever the order of the keys.
    """
    try:
        if not value.isascii():
            value.decode()  # msgspec does not check the UTF-8 of what it skips, and results embed the event unchanged
        event = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise find_fault(value) from None
    if len(value) > 2 * MOST_LEVELS and is_too_deep(value):
        raise find_fault(value)
    return event


def _read_each(read: Callable[[Any], Event], values: Iterable[Any]) -> tuple[list[Event], dict[int, InvalidEvent]]:
    """Return the valid events, and the faults of the others by position."""
    events: list[Event] = []
    invalid: dict[int, InvalidEvent] = {}
    for position, value in enumerate(values):
        try:
            events.append(read(value))
        except InvalidEvent as fault:
            invalid[position] = fault
    return events, invalid


@functools.cache
def compile_reader() -> Function | None:
    """Return the compiled loop; None where it cannot be compiled."""
    try:
        return compile_kernels([KERNEL])[0]
    except CompilationError:
        return None


@dataclass(frozen=True, slots=True)
class JsonBatch:
    """A batch as the compiled loop reads it: one row for each value."""

    columns: Columns  # `text` begins with the text of the values
    fallbacks: NDArray[np.uint8]  # READ, or the number of the reason why the value is left to msgspec
    keys: NDArray[np.int64]  # as the loop learned them


def read_text(text: bytearray, starts: NDArray[np.int64], ends: NDArray[np.int64], read: Function) -> JsonBatch:
    """Read the values at these places by the loop `read`, whose arrays kernels/json_columns.py describes."""
    n = len(ends)
    letters = np.frombuffer(text, np.uint8)
    numbers = np.empty((len(NUMERIC), n))
    codes = np.empty((len(CATEGORIES), n), np.int32)
    spans = np.empty((5, n), np.int64)
    fallbacks = np.empty(n, np.uint8)
    odd = np.empty((1 + MOST_ODD * n, 4), np.int64)
    strings = np.empty((len(CATEGORIES), 1 + n, 3), np.int64)
    slots = np.zeros((len(CATEGORIES), 1 << (2 * n - 1).bit_length()), np.int32)
    keys = np.empty((MOST_KEYS, 4), np.int64)
    closers = np.empty(MOST_NESTED, np.uint8)
    read(letters, starts, ends, numbers, codes, spans, fallbacks, odd, strings, slots, keys, closers)
    if count := int(odd[HEAD, LENGTH]):
        rewritten = _convert_odd(text, odd[1 : 1 + count], numbers, spans, fallbacks)
        if rewritten:
            letters = np.concatenate([letters, np.frombuffer(rewritten, np.uint8)])
    columns = Columns(numbers, codes, _strings(text, strings, codes), spans[0], spans[1:].reshape(2, 2, n), letters)
    return JsonBatch(columns, fallbacks, keys)


def _convert_odd(
    text: bytearray,
    odd: NDArray[np.int64],
    numbers: NDArray[np.float64],
    spans: NDArray[np.int64],
    fallbacks: NDArray[np.uint8],
) -> bytearray:
    """Convert the numbers and rewrite the identities that the loop noted; return what follows the text.

    A number out of bounds leaves its event to msgspec.
    """
    is_number = odd[:, 1] < FIRST_CATEGORY
    rows, fields = odd[is_number, :2].T
    values = np.array([float(text[start:end]) for start, end in odd[is_number, 2:].tolist()])
    numbers[fields, rows] = values
    fallbacks[rows[(values < LEAST[fields]) | (values > LIMIT)]] = UNUSUAL
    rewritten = bytearray()
    for row, identity, start, end in odd[~is_number].tolist():
        span = 1 + 2 * (identity - FIRST_IDENTITY)
        spans[span, row] = len(text) + len(rewritten)
        rewritten += _encode(_decode_untyped(text[start:end]))
        spans[span + 1, row] = len(text) + len(rewritten)
    return rewritten


def _strings(text: bytearray, lists: NDArray[np.int64], codes: NDArray[np.int32]) -> list[list[str]]:
    """Return the strings of each category's codes. Codes of one string, written in several ways, become one."""
    lengths = lists[:, HEAD, LENGTH].tolist()
    spans = lists[:, 1 : 1 + max(lengths), :2].tolist()
    strings = [
        [_unescape(text[start : start + size]) for start, size in spans[category][:length]]
        for category, length in enumerate(lengths)
    ]
    for category, own in enumerate(strings):
        if len(distinct := dict.fromkeys(own)) < len(own):
            codes_by_string = {string: code for code, string in enumerate(distinct)}
            codes[category] = np.array([*map(codes_by_string.__getitem__, own), GAP], np.int32)[codes[category]]
            strings[category] = list(distinct)
    return strings


def _unescape(letters: bytearray) -> str:
    return str(_decode_untyped(b'"%b"' % bytes(letters))) if b"\\" in letters else letters.decode()
