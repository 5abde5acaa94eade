"""Labelled sessions from a file: read in chunks, checked against the contract, gathered into columns."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np

from files.reading import open_source
from files.source import FileError, Source, kind_to_read, opened
from scoring.contract import CATEGORIES, DATE, MODEL_FIELDS, NUMERIC
from scoring.localtime import NO_HOUR
from training.errors import TrainingError
from training.gathering import Gathered
from training.labelled import Labelled, of_sessions, sample_users
from training.sessions import LABEL

__all__ = ["Labelled", "of_sessions", "read", "sample_users"]

NEEDED: Final = (*MODEL_FIELDS, LABEL)
Progress = Callable[[float, int], None]
"""Is told how much is read (0 to 1) and how many rows that is."""


def read(path: Path, progress: Progress = lambda *_: None, *, to_train: bool = True) -> Labelled:
    """Labelled sessions from CSV, JSON Lines (both perhaps with .gz) or Parquet, told apart by the name.

    What only training needs, both classes and a value in every field, is not asked for without `to_train`.
    Identities are kept as `users` only. 1 million rows of CSV took 20 s of one core and 0.6 GiB at most, 5 million
    117 s and 2.5 GiB: what is read is dropped but for its columns. Raises TrainingError naming the file
    and, where one is at fault, the row: the first after the header is row 1.
    """
    try:
        source = open_source(path)
        if kind_to_read(path) != "jsonl":  # lines bring their own names: those are looked at when something lacks
            _check_names(NEEDED, source)
        gathered = Gathered()
        for chunk in source.chunks():
            gathered.add(chunk.read())
            progress(chunk.done, gathered.rows)
        _check(gathered, source)
        if to_train:
            _check_for_training(gathered, source)
        return gathered.labelled(_digest(path))
    except FileError as error:
        raise TrainingError(str(error)) from None
    except TrainingError as error:
        raise TrainingError(f"{path}: {error}") from None


def _check(gathered: Gathered, source: Source) -> None:
    """Raises TrainingError for rows that are at fault, and when there is none."""
    if gathered.faults:
        _complain(gathered, source)
    if not gathered.rows:
        raise TrainingError("holds no row")


def _check_for_training(gathered: Gathered, source: Source) -> None:
    """Raises TrainingError for what no model can be trained from."""
    labels = {int(value) for part in gathered.label for value in np.unique(part)}
    if len(labels) < 2:
        raise TrainingError(f"every {LABEL} is {labels.pop()}: a model needs sessions of both classes")
    empty = [name for i, name in enumerate(NUMERIC) if all(np.isnan(part[i]).all() for part in gathered.numbers)]
    categories = zip(CATEGORIES, gathered.categories, strict=True)
    empty += [name for name, column in categories if all(value is None for value in column)]
    if all((part == NO_HOUR).all() for part in gathered.hours):
        empty.append(DATE)
    if empty:
        _check_names(empty, source)
        raise TrainingError(f"not one value in {', '.join(empty)}: nothing to fill gaps with")


def _complain(gathered: Gathered, source: Source) -> None:
    name, first = min(gathered.faults.items(), key=lambda item: item[1].row)
    if name == LABEL:
        _check_names([LABEL], source)
    said = f"row {first.row}: {first.message}"
    if first.rows > 1:
        said += f" ({first.rows:,} such rows of {gathered.rows:,}"
        said += "; write all dates in this one form)" if name == DATE else ")"
    if others := sum(fault.rows for fault in gathered.faults.values()) - first.rows:
        said += f"; {others:,} more with other faults"
    raise TrainingError(said)


def _check_names(names: Iterable[str], source: Source) -> None:
    there = source.columns()
    if missing := [name for name in names if name not in there]:
        raise TrainingError(f"no column {', '.join(missing)}")


def _digest(path: Path) -> str:
    with opened(path) as file:
        return hashlib.file_digest(file.bytes, "sha256").hexdigest()
