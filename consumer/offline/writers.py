"""Scored rows as CSV or JSON Lines: the columns of the input, then those of the verdict."""

import csv
import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring import Scored
from scoring.tables import Rows, Source
from scoring.verdicts import WIRE_FIELDS, unpack_verdict

_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode
_encoder: Final = msgspec.json.Encoder()
_ENDING: Final = re.compile("_(?:{})".format("|".join(name.rpartition("_")[2] for name in WIRE_FIELDS)).encode())
"""Columns of the input with the name of an output field give way to the verdict's."""


class Form(Protocol):
    """What rows and their verdicts look like in a file of one kind. Goes from process to process."""

    def __call__(self, rows: Rows, kept: Sequence[int], scored: Scored) -> tuple[Any, bytes]:
        """Of the rows at `kept`, and the verdict on each: what `Writer.append` takes, and the text, if it is text, to
        be written at the place that it names."""


class Writer(Protocol):
    """An output file of one kind."""

    @property
    def form(self) -> Form: ...

    def append(self, rows: Any) -> int:
        """The place in the file of the text of these rows, which come next; what is no text is written."""

    def close(self) -> None:
        """Finish the file."""


def open_writer(path: Path, kind: str, source: Source) -> Writer:
    """A new file of that kind at `path`, for rows of `source`. Raises OSError; MissingExtra for Parquet."""
    if kind == "parquet":
        from consumer.offline import parquet_writer  # noqa: PLC0415 - pyarrow is an extra

        return parquet_writer.ParquetWriter(path, source)
    if kind == "jsonl":
        return TextWriter(path, json_lines)
    form = CsvForm(source.columns())
    return TextWriter(path, form, b"%b\n" % _csv([form.header])[0].encode())


class TextWriter:
    """A file of lines, which whoever made them writes: text that goes from process to process takes longer to go than
    to be written."""

    def __init__(self, path: Path, form: Form, header: bytes = b"") -> None:
        self.form = form
        self._end = path.write_bytes(header)

    def append(self, size: int) -> int:
        """Where so many bytes go."""
        place, self._end = self._end, self._end + size
        return place

    def close(self) -> None:
        """Nothing is held back."""


def json_lines(rows: Rows, kept: Sequence[int], scored: Scored) -> tuple[int, bytes]:
    """The fields of each row byte for byte, then the verdict's."""
    own = [rows.values[i][0] for i in kept]
    if _may_give_way(b"".join(own)):
        own = list(map(_giving_way, own))
    begun = [row[:-1].rstrip() for row in own]
    begun = [row if row == b"{" else row + b"," for row in begun]
    scores = _json_of(scored.scores).split(b"\n")
    words = zip(begun, map(_json_words, scored.packed_verdicts().tolist()), scores, strict=False)
    text = b"".join([piece for row, (before, after), score in words for piece in (row, before, score, after)])
    return len(text), text


@functools.lru_cache(maxsize=4096)
def _json_words(number: int) -> tuple[bytes, bytes]:
    """What stands before and behind the score of a verdict."""
    fields = unpack_verdict(number)._asdict()
    label = fields.pop("predicted_label")
    return b'"predicted_label":%d,"anomaly_score":' % label, b",%b\n" % _encoder.encode(fields)[1:]


def _json_of(scores: NDArray[np.float64]) -> bytes:
    """A line for each."""
    return _encoder.encode_lines(scores.tolist())


def _may_give_way(rows: bytes) -> bool:
    """Return True when a key may be one of WIRE_FIELDS: its ending is there, or a letter as an escaped number.

    0.3 µs a row, where searching for six names and two characters takes 1.0.
    """
    return _ENDING.search(rows) is not None or (b"\\" in rows and b"\\u" in rows)


def _giving_way(row: bytes) -> bytes:
    """The row without fields of such a name; when it has none, as it is."""
    fields = _fields(row)
    own = {name: value for name, value in fields.items() if name not in WIRE_FIELDS}
    return row if len(own) == len(fields) else _encoder.encode(own)


@dataclass(frozen=True, slots=True)
class CsvForm:
    """Text as it is, gaps as empty cells, lists joined by ';', whatever else as its JSON."""

    columns: list[str]  # of the input

    @property
    def header(self) -> list[str]:
        """The names of the columns that are written."""
        return [*self._names, *WIRE_FIELDS]

    def __call__(self, rows: Rows, kept: Sequence[int], scored: Scored) -> tuple[int, bytes]:
        """The rows at `kept`, and the verdict on each."""
        scores = _json_of(scored.scores).decode().split("\n")
        words = zip(self._own(rows, kept), map(_csv_words, scored.packed_verdicts().tolist()), scores, strict=False)
        text = "".join([f"{own}{before}{score}{after}" for own, (before, after), score in words]).encode()
        return len(text), text

    def _own(self, rows: Rows, kept: Sequence[int]) -> list[str]:
        """Each row's line, without its end."""
        names, cells = self._names, rows.cells
        if cells is None:
            objects = [_fields(rows.values[i][0]) for i in kept]
            return _csv([_cell(each.get(name)) for name in names] for each in objects)
        if cells.lines is not None and names == cells.names:
            return [cells.lines[i] for i in kept]
        columns = [column for name, column in zip(cells.names, cells.columns, strict=True) if name in names]
        records = list(zip(*columns, strict=True))
        return _csv(records[i] for i in kept)

    @property
    def _names(self) -> list[str]:
        """Of the columns that do not give way."""
        return [name for name in self.columns if name not in WIRE_FIELDS]


@functools.lru_cache(maxsize=4096)
def _csv_words(number: int) -> tuple[str, str]:
    """What stands before and behind the score of a verdict. No word of it needs quotes."""
    label, *fields = unpack_verdict(number)
    cells = [";".join(value) if isinstance(value, list) else str(value) for value in fields]
    return f",{label},", f",{','.join(cells)}\n"


def _csv(records: Iterable[Sequence[str]]) -> list[str]:
    """A line for each, without its end. Written as one of several cells, or a lone empty one would get quotes."""
    lines: list[str] = []
    # quotes go around what has a character of the end of a line
    csv.writer(_Into(lines), lineterminator="\r\n").writerows([*record, ""] for record in records)
    return [line.removesuffix(",\r\n") for line in lines]


class _Into:
    """What csv.writer writes to, once for each record."""

    def __init__(self, lines: list[str]) -> None:
        self.write = lines.append


def _cell(raw: msgspec.Raw | None) -> str:
    text = b"null" if raw is None else bytes(raw)
    if text.startswith(b'"'):
        return _text(text)
    return "" if text == b"null" else text.decode()
