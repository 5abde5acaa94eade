"""Labelled sessions from a file: read in chunks, checked against the contract, gathered into columns."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from scoring.contract import DATE
from scoring.tables import AS_IS, FileError, Source, TableOptions, digest, open_table
from training.errors import TrainingError
from training.gathering import Gathered
from training.labelled import Labelled, of_sessions
from training.labels import LabelColumn

__all__ = ["LabelColumn", "Labelled", "Reading", "of_sessions", "read"]

Progress = Callable[[float, int], None]
"""Is told how much is read (0 to 1) and how many rows that is."""


@dataclass(frozen=True)
class Reading:
    """How a labelled file is to be read."""

    label: LabelColumn = field(default_factory=LabelColumn)
    table: TableOptions = AS_IS
    to_train: bool = True  # ask for both classes
    most_rows: int | None = None  # read no more than about so many


def read(path: Path, progress: Progress = lambda *_: None, how: Reading | None = None) -> Labelled:
    """Labelled sessions from CSV, JSON Lines (both perhaps with .gz) or Parquet, told apart by the name.

    Identities are kept as `users` only. 1 million rows of CSV took 20 s of one core and 0.6 GiB at most, 5 million
    117 s and 2.5 GiB: what is read is dropped but for its columns. Raises TrainingError naming the file
    and, where one is at fault, the row: the first after the header is row 1.
    """
    how = how or Reading()
    try:
        source, remarks = open_table(path, how.table)
        if source.is_table:
            how.label.check(source.columns())
        gathered = Gathered(how.label)
        for chunk in source.chunks():
            gathered.add(chunk.read())
            progress(chunk.done, gathered.rows)
            if how.most_rows is not None and gathered.rows >= how.most_rows:
                break
        _check(gathered, source, how)
        data = gathered.labelled(digest(path) if how.most_rows is None else "")
        data = replace(data, notes=(*(line.removeprefix(f"{path}: ") for line in remarks), *data.notes))
    except FileError as error:
        raise TrainingError(str(error)) from None
    except TrainingError as error:
        raise TrainingError(f"{path}: {error}") from None
    return data


def _check(gathered: Gathered, source: Source, how: Reading) -> None:
    """Raises TrainingError for rows that are at fault, when there is none, and for a class that lacks."""
    if gathered.faults:
        _complain(gathered, source, how)
    if not gathered.rows:
        raise TrainingError("holds no row")
    labels = {int(value) for part in gathered.label for value in np.unique(part)}
    if how.to_train and len(labels) < 2:
        only = labels.pop()
        if how.label.positive:
            matched = "every row's" if only else "no row's"
            raise TrainingError(f"{matched} {how.label.name} is a value of --positive: a model needs both classes")
        raise TrainingError(f"every {how.label.name} is {only}: a model needs sessions of both classes")


def _complain(gathered: Gathered, source: Source, how: Reading) -> None:
    name, first = min(gathered.faults.items(), key=lambda item: item[1].row)
    if name == how.label.name:
        how.label.check(source.columns())
    said = f"row {first.row}: {first.message}"
    if first.rows > 1:
        said += f" ({first.rows:,} such rows of {gathered.rows:,}"
        said += "; write all dates in this one form)" if name == DATE else ")"
    if others := sum(fault.rows for fault in gathered.faults.values()) - first.rows:
        said += f"; {others:,} more with other faults"
    raise TrainingError(said)
