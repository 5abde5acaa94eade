"""Labelled sessions as columns, written as JSON events or as a CSV table."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, COUNTS, DATE, IDENTITIES, NUMERIC
from training.synthetic.people import Flags, Floats, Texts

LABEL: Final = "label"
KIND: Final = "attack_kind"
_WIRE: Final = (*IDENTITIES, DATE, *NUMERIC, *CATEGORIES)
HEADER: Final = (*_WIRE, LABEL, KIND)
_INTEGERS: Final = frozenset((*COUNTS, "time_on_page", "timezone_offset"))
_encode: Final = msgspec.json.Encoder().encode
# UNSET leaves the key out and None writes null, so the fields' types are left open
_Event: Final = msgspec.defstruct("_Event", [(name, Any, msgspec.UNSET) for name in _WIRE], gc=False)


@dataclass(frozen=True)
class Sessions:
    """n labelled sessions in the order of their start; every array has shape (n,)."""

    numbers: dict[str, Floats]  # NUMERIC; NaN for a gap
    categories: dict[str, Texts]  # CATEGORIES; None for a gap
    date: NDArray[np.datetime64]  # local wall clock, datetime64[s]; NaT for a gap
    user_id: Texts
    session_id: Texts
    label: NDArray[np.int8]  # 1: an attacker made it
    kind: Texts  # "person" or the kind of attack
    sends_nulls: Flags  # the client writes null for a gap; the others leave the key out

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows: slice) -> "Sessions":
        return Sessions(
            numbers={name: column[rows] for name, column in self.numbers.items()},
            categories={name: column[rows] for name, column in self.categories.items()},
            **{name: column[rows] for name, column in vars(self).items() if isinstance(column, np.ndarray)},
        )

    def events(self) -> Iterator[bytes]:
        """Yield the sessions as JSON events in the contract's form, without labels."""
        return map(_encode, map(_Event, *self._wire_columns()))

    def _wire_columns(self) -> list[Texts]:
        columns = [self.user_id, self.session_id]
        empty = np.array([msgspec.UNSET, None], dtype=object)[self.sends_nulls.astype(np.intp)]
        for column, gap in self._columns():
            column[gap] = empty[gap]
            columns.append(column)
        return columns

    def _columns(self) -> Iterator[tuple[Texts, Flags]]:
        """Yield every field of the model as new Python objects, in the table's order, with a mask of its gaps."""
        yield np.datetime_as_string(self.date).astype(object), np.isnat(self.date)
        for name in NUMERIC:
            gap = np.isnan(self.numbers[name])
            values = np.where(gap, 0.0, self.numbers[name])
            yield (values.astype(np.int64) if name in _INTEGERS else values).astype(object), gap
        for name in CATEGORIES:
            yield self.categories[name].copy(), np.array([text is None for text in self.categories[name]])

    def csv(self) -> str:
        """Return a CSV table with a header, label and kind; a gap is an empty cell."""
        columns = [self.user_id, self.session_id]
        for column, gap in self._columns():
            column[gap] = ""
            columns.append(column)
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(HEADER)
        rows.writerows(zip(*columns, self.label.tolist(), self.kind, strict=True))
        return out.getvalue()
