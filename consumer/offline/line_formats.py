"""Scored rows as lines: the row as it is in the file, then its verdict. Compiled loops write them into one buffer."""

import csv
import functools
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from scoring import Decoded, Scored
from scoring.kernels import Bytes, compiled_lines
from scoring.tables import Dialect, JsonRows, Lines
from scoring.tables.json_lines import key_texts
from scoring.verdicts import WIRE_FIELDS, unpack_verdict

Integers = NDArray[np.int64]

_OUTPUT_KEYS: Final = frozenset(b'"%b"' % name.encode() for name in WIRE_FIELDS)
_ENDING: Final = re.compile("_(?:{})".format("|".join(name.rpartition("_")[2] for name in WIRE_FIELDS)).encode())
"""Ends of the output fields' names. An input field with such a name is replaced by the verdict's."""
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encoder: Final = msgspec.json.Encoder()


class _Spans(NamedTuple):
    """Lines at places of a text."""

    text: Bytes
    starts: Integers  # (n,)
    ends: Integers  # (n,)


class _Pieces(NamedTuple):
    """What stands at the same place of each line: the distinct texts, and which of them, (n,)."""

    texts: Sequence[bytes]
    codes: Integers


def format_json_lines(rows: JsonRows, decoded: Decoded, scored: Scored) -> Bytes:
    """Return the valid rows, their fields byte for byte, then the verdict's."""
    text, starts, ends = _without_output_fields(rows, decoded)
    member_ends = np.empty_like(ends)
    compiled_lines().find_member_ends(text, starts, ends, member_ends)
    is_empty = member_ends - starts == 1
    labels = [b'"predicted_label":%d,"anomaly_score":' % label for label in (0, 1)]
    before = _Pieces([*(b"," + label for label in labels), *labels], scored.labels + 2 * is_empty)
    packed, codes = scored.distinct_meanings()
    after = _Pieces(list(map(_json_after_score, packed)), codes)
    return _join(_Spans(text, starts, member_ends), scored, before, after)


def format_csv_lines(lines: Lines, positions: Sequence[int], scored: Scored, dialect: Dialect) -> Bytes:
    """Return the lines of CSV at these positions, each followed by its verdict."""
    rows, delimiter = np.asarray(positions, np.int64), dialect.delimiter
    packed, codes = scored.distinct_meanings()
    before = _Pieces([f"{delimiter}{label}{delimiter}".encode() for label in (0, 1)], scored.labels)
    after = _Pieces([csv_after_score(verdict, delimiter) for verdict in packed], codes)
    own = _Spans(np.frombuffer(lines.text, np.uint8), lines.starts[rows], lines.ends[rows])
    return _join(own, scored, before, after, dialect.decimal)


def format_csv_cells(rows: Iterable[Sequence[str]], scored: Scored) -> bytes:
    """Return n lines of CSV with these cells, each followed by its verdict."""
    scores = _encoder.encode_lines(scored.scores.tolist()).decode().split("\n")
    verdicts = zip(scored.labels.tolist(), scores, scored.meanings().tolist(), strict=False)
    lines = (
        b"%b,%d,%b%b" % (csv_line(cells, ",")[:-1], label, score.encode(), csv_after_score(packed, ","))
        for cells, (label, score, packed) in zip(rows, verdicts, strict=True)
    )
    return b"".join(lines)


def _join(lines: _Spans, scored: Scored, before: _Pieces, after: _Pieces, decimal: str = ".") -> Bytes:
    """Return each line, the piece before its score, the score and the piece after it, one after the other."""
    text, starts, ends = lines
    # the numbers are those of msgspec; orjson takes the array: 20 ns a row, where a list and msgspec take 70
    scores = np.frombuffer(orjson.dumps(scored.scores, option=orjson.OPT_SERIALIZE_NUMPY), np.uint8)
    texts = [*before.texts, *after.texts]
    bounds = np.cumsum([0, *map(len, texts)])
    pieces = np.frombuffer(b"".join(texts), np.uint8)
    first, second = before.codes, len(before.texts) + after.codes
    kernels = compiled_lines()
    out = np.empty(kernels.joined_size(starts, ends, first, second, bounds) + len(scores), np.uint8)
    return out[: kernels.join_lines(out, text, starts, ends, first, second, scores, pieces, bounds, ord(decimal))]


@functools.lru_cache(maxsize=4096)
def _json_after_score(packed: int) -> bytes:
    fields = unpack_verdict(packed)._asdict()
    del fields["predicted_label"]
    return b",%b\n" % _encoder.encode(fields)[1:]


@functools.lru_cache(maxsize=4096)
def csv_after_score(packed: int, delimiter: str) -> bytes:
    """Return the cells after the score of a verdict, and the line end."""
    _, *fields = unpack_verdict(packed)
    cells = [";".join(value) if isinstance(value, list) else str(value) for value in fields]
    return delimiter.encode() + csv_line(cells, delimiter)


def csv_line(cells: Sequence[str], delimiter: str) -> bytes:
    """Return a line of CSV, in which only those cells are quoted that need it."""
    text = io.StringIO()
    # a cell with a character of the line end is quoted
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n").encode() + b"\n"


def _without_output_fields(rows: JsonRows, decoded: Decoded) -> _Spans:
    """Return the valid rows, without fields that are named like an output field."""
    text, starts, ends = rows.text, rows.starts, rows.ends
    if len(decoded.positions) < len(rows):
        positions = np.array(decoded.positions, np.int64)
        starts, ends = starts[positions], ends[positions]
    size, rewritten = len(text), bytearray()
    for i in _rows_to_check(rows, decoded):
        row = text[starts[i] : ends[i]]
        if _may_have_output_fields(row) and (own := _own_fields(row)) is not None:
            if not rewritten:
                starts, ends = starts.copy(), ends.copy()
            starts[i] = size + len(rewritten)
            rewritten += own
            ends[i] = size + len(rewritten)
    letters = np.frombuffer(text, np.uint8)
    if rewritten:
        letters = np.concatenate([letters, np.frombuffer(rewritten, np.uint8)])
    return _Spans(letters, starts, ends)


def _rows_to_check(rows: JsonRows, decoded: Decoded) -> Sequence[int]:
    """Return which of the valid rows may have an output field.

    A row that the compiled loop has read has none when no key is named so. All others are looked into.
    """
    every = range(len(decoded.positions))
    if decoded.keys is None:
        return every if _may_have_output_fields(rows.text) else ()
    if not _OUTPUT_KEYS.isdisjoint(key_texts(rows.text, decoded.keys)):
        return every
    if not decoded.left_positions:
        return ()
    left = set(decoded.left_positions)
    return [i for i, position in enumerate(decoded.positions) if position in left]


def _may_have_output_fields(text: bytes | bytearray) -> bool:
    """Return True when a key may be one of WIRE_FIELDS: its ending is there, or a letter as an escaped number."""
    return _ENDING.search(text) is not None or b"\\u" in text


def _own_fields(row: bytearray) -> bytes | None:
    """Return the object without fields that are named like an output field; None if it has none of them."""
    fields = _fields(row)
    own = {name: value for name, value in fields.items() if name not in WIRE_FIELDS}
    return None if len(own) == len(fields) else _encoder.encode(own)
