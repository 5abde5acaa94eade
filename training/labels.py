"""The column that holds the label, and its values that mean an attack."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from scoring.contract import IDENTITIES, MODEL_FIELDS
from training import TrainingError
from training.synthetic.sessions import LABEL

_LABELS: Final[dict[object, int]] = {
    0: 0, 1: 1, "0": 0, "1": 1, "0.0": 0, "1.0": 1,  # False is 0, 1.0 is 1
    "false": 0, "true": 1, "False": 0, "True": 1,
}  # fmt: skip


class _Row(msgspec.Struct):
    label: Any = None


@dataclass(frozen=True)
class LabelColumn:
    """The label's column. Without `positive` its values are 0 and 1; otherwise those in `positive` mean an attack."""

    name: str = LABEL
    positive: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise TrainingError for a field that the model reads or that identifies a user or a session."""
        if self.name in (*MODEL_FIELDS, *IDENTITIES):
            raise TrainingError(f"--label {self.name}: is a field of the event, not a label: name another column")

    @property
    def is_default(self) -> bool:
        """Return True when neither option is set."""
        return self == LabelColumn()

    def check(self, columns: Sequence[str]) -> None:
        """Raise TrainingError when a file lacks the column."""
        if self.name in columns:
            return
        alike = next((column for column in columns if column.strip().lower() == self.name.strip().lower()), None)
        remedy = f"use --label {alike!r} if that is the label" if alike else "name the label's column with --label"
        raise TrainingError(f"no column {self.name}: {remedy}")

    @property
    def expected(self) -> str:
        """Return what a row's value must be."""
        return "expected a value" if self.positive else "expected 0 or 1, or name the value of attacks with --positive"

    def decoder(self) -> "msgspec.json.Decoder[Any]":
        """Return a decoder of JSON rows to objects with one attribute, `label`."""
        row = msgspec.defstruct("Row", [("label", Any, None)], rename={"label": self.name})
        return msgspec.json.Decoder(_Row if self.name == LABEL else row)

    def label_of(self, value: object) -> int | None:
        """Return 1 for an attack, 0 for an honest session, None for any other value."""
        if not isinstance(value, str | int | float) or value == "":
            return None
        if not self.positive:
            return _LABELS.get(value)
        return int(_canonical(value) in set(map(_canonical, self.positive)))

    def notes(self) -> tuple[str, ...]:
        """Return a line for the manifest when the label is not the default."""
        if self.positive:
            return (f"the label is {self.name}: an attack where it is {' or '.join(map(repr, self.positive))}",)
        return (f"the label is {self.name}",) if self.name != LABEL else ()


def _canonical(value: str | float) -> str:
    """Return one text for values that file formats write differently: 1, 1.0 and "1"; true and "True"."""
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        return text.lower() if text.lower() in ("true", "false") else text
    return repr(number) if math.isfinite(number) else text
