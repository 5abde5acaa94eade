"""Scored rows as CSV or JSON Lines: the columns of the input, then those of the verdict."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from files.source import Rows, Source
from scoring import LEVELS, Scored, explain, imputed_fields


class Said(NamedTuple):
    """What verdicts add to rows, as columns."""

    predicted_label: list[int]
    anomaly_score: list[float]
    risk_level: list[str]
    risk_reason: list[str]
    reason_codes: list[list[str]]
    imputed_fields: list[list[str]]

    @classmethod
    def of(cls, scored: Scored) -> "Said":
        """The columns of these verdicts."""
        levels = scored.levels.tolist()
        reasons = list(map(explain, scored.rules.tolist(), levels))
        return cls(
            scored.labels.tolist(),
            scored.scores.tolist(),
            [LEVELS[level] for level in levels],
            [each.phrase for each in reasons],
            [each.codes for each in reasons],
            list(map(imputed_fields, scored.gap_bits.tolist())),
        )


COLUMNS: Final = Said._fields
"""A column of such a name in the input gives way to the verdict's."""

_Verdict: Final = msgspec.defstruct("_Verdict", COLUMNS, gc=False)
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode
_encoder: Final = msgspec.json.Encoder()
# what a key that is one of COLUMNS must hold: its name, or a letter of it as a number
_MAY_GIVE_WAY: Final = (b"\\u", *(name.encode() for name in COLUMNS))


class Form(Protocol):
    """What rows and their verdicts look like in a file of one kind. Goes from process to process."""

    def __call__(self, rows: Rows, kept: list[int], said: Said) -> Any:
        """The rows at `kept`, and what was said of each, as `Writer.append` takes them."""


class Writer(Protocol):
    """An output file of one kind."""

    @property
    def form(self) -> Form: ...

    def append(self, rows: Any) -> None:
        """Write what `form` made of some rows."""

    def close(self) -> None:
        """Finish the file."""


def open_writer(path: Path, kind: str, source: Source) -> Writer:
    """A new file of that kind at `path`, for rows of `source`. Raises OSError; MissingExtra for Parquet."""
    if kind == "parquet":
        from consumer.files import parquet  # noqa: PLC0415 - pyarrow is an extra

        return parquet.ParquetWriter(path, source.columns(), source.schema)
    if kind == "jsonl":
        return TextWriter(path, json_lines)
    form = CsvForm(source.columns())
    writer = TextWriter(path, form)
    writer.append(_csv([form.header]))
    return writer


class TextWriter:
    """A file of lines, whatever they are."""

    def __init__(self, path: Path, form: Form) -> None:
        self.form = form
        self._file = path.open("wb")

    def append(self, rows: bytes) -> None:
        """Write what `form` made of some rows."""
        self._file.write(rows)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def json_lines(rows: Rows, kept: list[int], said: Said) -> bytes:
    """The fields of each row byte for byte, then the verdict's."""
    own = [rows.values[i][0] for i in kept]
    joined = b"".join(own)
    if any(name in joined for name in _MAY_GIVE_WAY):
        own = [_encoder.encode(_own_fields(row)) for row in own]
    verdicts = _encoder.encode_lines(list(map(_Verdict, *said)))
    return b"".join(map(_together, own, verdicts.splitlines()))


@dataclass(frozen=True, slots=True)
class CsvForm:
    """Text as it is, gaps as empty cells, lists joined by ';', whatever else as its JSON."""

    columns: list[str]  # of the input

    @property
    def header(self) -> list[str]:
        """The names of the columns that are written."""
        return [*(self.columns[place] for place in self._places), *COLUMNS]

    def __call__(self, rows: Rows, kept: list[int], said: Said) -> bytes:
        """The rows at `kept`, and what was said of each."""
        lists = (map(";".join, column) for column in (said.reason_codes, said.imputed_fields))
        verdicts = zip(said.predicted_label, said.anomaly_score, said.risk_level, said.risk_reason, *lists, strict=True)
        return _csv([*own, *verdict] for own, verdict in zip(self._own(rows, kept), verdicts, strict=True))

    def _own(self, rows: Rows, kept: list[int]) -> list[list[str]]:
        if rows.cells is None:
            objects = [_fields(rows.values[i][0]) for i in kept]
            names = [self.columns[place] for place in self._places]
            return [[_cell(each.get(name)) for name in names] for each in objects]
        places = self._places
        if len(places) == len(self.columns):
            return [rows.cells[i] for i in kept]
        return [[rows.cells[i][place] for place in places] for i in kept]

    @property
    def _places(self) -> list[int]:
        """Of the columns that do not give way."""
        return [place for place, name in enumerate(self.columns) if name not in COLUMNS]


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _own_fields(row: bytes) -> dict[str, msgspec.Raw]:
    return {name: value for name, value in _fields(row).items() if name not in COLUMNS}


def _together(row: bytes, verdict: bytes) -> bytes:
    """One line of two objects, of which the first may be empty."""
    own = row[:-1].rstrip()
    return b"%b%b%b\n" % (own, b"" if own == b"{" else b",", verdict[1:])


def _cell(raw: msgspec.Raw | None) -> str:
    text = b"null" if raw is None else bytes(raw)
    if text.startswith(b'"'):
        return _text(text)
    return "" if text == b"null" else text.decode()
