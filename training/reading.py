"""Labelled sessions from a file: read, checked against the contract, and turned into columns."""

import gzip
import hashlib
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, DATE, MODEL_FIELDS, NUMERIC
from scoring.decoding import NO_HOUR, Columns, Decoded, decode
from scoring.errors import MissingExtra
from training.errors import TrainingError
from training.sessions import KIND, LABEL, Sessions

try:
    import pandas as pd

    from scoring.frames import decode_frame
except ImportError:
    raise MissingExtra("training", "train") from None

NEEDED: Final = (*MODEL_FIELDS, LABEL)
Rows = NDArray[np.bool_] | NDArray[np.integer[Any]]
_LABELS: Final[dict[object, int]] = {0: 0, 1: 1, "0": 0, "1": 1, "0.0": 0, "1.0": 1}  # True is 1, 1.0 is 1


@dataclass(frozen=True)
class Labelled:
    """n sessions to train from or to judge by."""

    columns: Columns
    label: NDArray[np.int64]  # (n,), 0 or 1
    users: NDArray[np.object_]  # (n,), user_id as text; "" where there is none
    dates: NDArray[np.datetime64]  # (n,), datetime64[s], local wall clock; NaT where there is none
    kinds: NDArray[np.object_] | None  # (n,), attack_kind, "person" for honest sessions; None when the data has none
    newest: str  # date of the newest session, YYYY-MM-DD
    sha256: str  # of the data as it came
    notes: tuple[str, ...] = ()  # what was noticed and is worth saying, a line each

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: Rows) -> "Labelled":
        """The sessions at `rows`, a mask or places. `newest` and `sha256` stay those of the whole."""
        return replace(
            self,
            columns=_take_columns(self.columns, rows),
            label=self.label[rows],
            users=self.users[rows],
            dates=self.dates[rows],
            kinds=None if self.kinds is None else self.kinds[rows],
        )


def sample_users(data: Labelled, most: int, seed: int) -> Labelled:
    """At most `most` sessions: all, or those of users drawn by lot, whole users always; a note says what was drawn.

    A session without user_id is a user of its own. Raises TrainingError when no user drawn has so few sessions.
    """
    if len(data) <= most:
        return data
    groups, users = pd.factorize(data.users)
    nameless = np.flatnonzero(data.users == "")
    groups[nameless] = len(users) + np.arange(len(nameless))
    sessions = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(sessions))
    drawn = order[np.cumsum(sessions[order]) <= most]
    if not len(drawn):
        raise TrainingError(f"--max-rows {most}: a single user has more sessions than that: allow more rows")
    taken = data.take(np.isin(groups, drawn))
    said = f"{len(taken):,} of {len(data):,} sessions were drawn: {len(drawn):,} whole users of {len(order):,}"
    return replace(taken, notes=(*data.notes, said))


def _take_columns(columns: Columns, rows: Rows) -> Columns:
    def taken(values: Sequence[Any]) -> list[Any]:
        return np.asarray(values, dtype=object)[rows].tolist() if len(values) else []

    return Columns(
        numbers=columns.numbers[:, rows],
        categories=[taken(column) for column in columns.categories],
        hours=columns.hours[rows],
        user_ids=taken(columns.user_ids),
        session_ids=taken(columns.session_ids),
    )


def of_sessions(sessions: Sessions) -> Labelled:
    """Generated sessions, read the way events are; equal to their CSV table, read from a file."""
    columns = decode(list(sessions.events())).columns
    newest = str(np.nanmax(sessions.date))[:10]
    digest = hashlib.sha256(sessions.csv().encode()).hexdigest()
    return Labelled(
        columns=columns,
        label=sessions.label.astype(np.int64),
        users=sessions.user_id,
        dates=sessions.date,
        kinds=sessions.kind,
        newest=newest,
        sha256=digest,
    )


def read(path: Path, *, to_train: bool = True) -> Labelled:
    """Labelled sessions from CSV (also .csv.gz), JSON Lines or Parquet, told apart by the name.

    What only training needs, both classes and a value in every field, is not asked for without `to_train`.
    Raises TrainingError naming the file and, where one is at fault, the row: the first after the header is row 1.
    """
    try:
        return _read(path, to_train=to_train)
    except (TrainingError, OSError, EOFError, zlib.error) as error:  # the last two: a .gz cut short
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TrainingError(f"{path}: {reason}") from None


@dataclass(frozen=True)
class _Rest:
    """What a file holds beside the fields that the model reads."""

    labels: list[Any]
    dates: list[str | None]
    users: list[Any]
    kinds: list[str] | None


def _read(path: Path, *, to_train: bool) -> Labelled:
    readers: dict[str, Callable[[Path], tuple[Decoded, _Rest]]] = {
        ".csv": _read_csv,
        ".jsonl": _read_jsonl,
        ".parquet": _read_parquet,
    }
    kind = Path(path.name.removesuffix(".gz")).suffix
    if kind not in readers:
        raise TrainingError("cannot tell what it is: expected a name in .csv, .csv.gz, .jsonl or .parquet")
    decoded, rest = readers[kind](path)
    if decoded.invalid:
        row, fault = min(decoded.invalid.items(), key=lambda item: item[0])
        more = f" ({len(decoded.invalid)} such rows in all)" if len(decoded.invalid) > 1 else ""
        raise TrainingError(f"row {row + 1}: {fault.message}{more}")
    label = _checked_labels(rest.labels)
    if to_train:
        _check_classes(label)
        _check_columns(decoded.columns)
    dates = np.array([_wall_clock(date) for date in rest.dates], dtype="datetime64[s]")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Labelled(
        columns=decoded.columns,
        label=label,
        users=np.array(["" if user is None else str(user) for user in rest.users], dtype=object),
        dates=dates,
        kinds=None if rest.kinds is None else np.array(rest.kinds, dtype=object),
        newest=str(dates[~np.isnat(dates)].max(initial=np.datetime64(0, "s")))[:10],
        sha256=digest,
    )


def _wall_clock(date: str | None) -> np.datetime64:
    """A date of the contract as written, to the second, whatever its offset."""
    if date is None:
        return np.datetime64("NaT", "s")
    found = re.match(r"([0-9-]{10})(?:[T ](..:..(?::..)?))?", date)
    return np.datetime64("T".join(part for part in found.groups() if part) if found else "NaT", "s")


def _checked_labels(labels: list[Any]) -> NDArray[np.int64]:
    if not labels:
        raise TrainingError("holds no row")
    return np.array([_as_label(row, label) for row, label in enumerate(labels, start=1)])


def _check_classes(label: NDArray[np.int64]) -> None:
    if len(set(label.tolist())) < 2:
        raise TrainingError(f"every {LABEL} is {label[0]}: a model needs sessions of both classes")


def _as_label(row: int, label: object) -> int:
    if isinstance(label, str | int | float) and label in _LABELS:
        return _LABELS[label]
    raise TrainingError(f"row {row}: {LABEL}: expected 0 or 1")


def _check_columns(columns: Columns) -> None:
    empty = [field for field, row in zip(NUMERIC, columns.numbers, strict=True) if np.isnan(row).all()]
    categories = zip(CATEGORIES, columns.categories, strict=True)
    empty += [field for field, column in categories if all(value is None for value in column)]
    if (columns.hours == NO_HOUR).all():
        empty.append(DATE)
    if empty:
        raise TrainingError(f"not one value in {', '.join(empty)}: nothing to fill gaps with")


def _check_names(names: list[str]) -> None:
    if missing := [name for name in NEEDED if name not in names]:
        raise TrainingError(f"no column {', '.join(missing)}")


def _read_csv(path: Path) -> tuple[Decoded, _Rest]:
    try:
        # only the empty cell is a gap: `none` is an orientation, and `NA` may be a city
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise TrainingError(f"cannot be read as CSV: {str(error).splitlines()[0]}") from None
    _check_names(list(frame.columns))
    for name in NUMERIC:
        frame[name] = _parsed(frame[name])
    return _read_frame(frame)


def _parsed(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Cells as numbers; what is none stays text, for the contract to refuse by its row."""
    numbers = pd.to_numeric(column, errors="coerce")
    text = numbers.isna() & column.notna()
    return numbers.astype(object).where(~text, column) if text.any() else numbers


def _read_parquet(path: Path) -> tuple[Decoded, _Rest]:
    path.open("rb").close()  # what the system says is clearer than what pyarrow makes of it
    try:
        frame = pd.read_parquet(path)
    except (ValueError, OSError, NotImplementedError) as error:  # pyarrow's own errors are subclasses of these
        raise TrainingError(f"cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    _check_names(list(frame.columns))
    return _read_frame(frame)


def _read_frame(frame: "pd.DataFrame") -> tuple[Decoded, _Rest]:
    def texts(name: str) -> list[str | None]:
        column = frame.get(name, pd.Series([None] * len(frame)))
        return [None if gap else str(value) for value, gap in zip(column.tolist(), column.isna().tolist(), strict=True)]

    kinds = [kind or "" for kind in texts(KIND)] if KIND in frame else None
    return decode_frame(frame), _Rest(frame[LABEL].tolist(), texts(DATE), texts("user_id"), kinds)


class _Line(msgspec.Struct):
    """What a line of JSON holds beside the fields of an event."""

    label: Any = None
    transaction_date: str | None = None
    attack_kind: str | None = None


_names: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _read_jsonl(path: Path) -> tuple[Decoded, _Rest]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        lines = [line for line in file.read().splitlines() if line.strip()]
    decoded = decode(lines)
    names = sorted({name for line in lines for name in _names(line)}) if not decoded.invalid else []
    if names:
        _check_names(names)
    rest = [msgspec.json.decode(lines[row], type=_Line) for row in decoded.positions]
    return decoded, _Rest(
        labels=[each.label for each in rest],
        dates=[each.transaction_date for each in rest],
        users=list(decoded.columns.user_ids),
        kinds=[each.attack_kind or "" for each in rest] if KIND in names else None,
    )
