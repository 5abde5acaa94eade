"""Which column holds the label, and which of its values mean an attack."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from scoring.contract import IDENTITIES, MODEL_FIELDS
from training.errors import TrainingError
from training.synthetic.sessions import LABEL

_LABELS: Final[dict[object, int]] = {
    0: 0, 1: 1, "0": 0, "1": 1, "0.0": 0, "1.0": 1,  # False is 0, 1.0 is 1
    "false": 0, "true": 1, "False": 0, "True": 1,
}  # fmt: skip


class _Row(msgspec.Struct):
    label: Any = None


@dataclass(frozen=True)
class LabelColumn:
    """The column of the label. Without `positive` its values are 0 and 1; with it an attack has one of these."""

    name: str = LABEL
    positive: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise TrainingError for a column that the model reads, or that names a user or a session."""
        if self.name in (*MODEL_FIELDS, *IDENTITIES):
            raise TrainingError(f"--label {self.name}: is a field of a session event, not a label: name another column")

    @property
    def is_default(self) -> bool:
        """Tell whether nothing was asked for."""
        return self == LabelColumn()

    def check(self, columns: Sequence[str]) -> None:
        """Raise TrainingError when the column is not among those of a file."""
        if self.name in columns:
            return
        alike = next((column for column in columns if column.strip().lower() == self.name.strip().lower()), None)
        remedy = f"--label {alike!r}, if that is it" if alike else "name the column of the label by --label"
        raise TrainingError(f"no column {self.name}: {remedy}")

    @property
    def expected(self) -> str:
        """Say what a row's value must be."""
        return "expected a value" if self.positive else "expected 0 or 1, or name the attacks' value by --positive"

    def decoder(self) -> "msgspec.json.Decoder[Any]":
        """Return a decoder of rows to objects with one attribute, `label`."""
        row = msgspec.defstruct("Row", [("label", Any, None)], rename={"label": self.name})
        return msgspec.json.Decoder(_Row if self.name == LABEL else row)

    def label_of(self, value: object) -> int | None:
        """Return 1 for an attack, 0 for an honest session, None for what is neither."""
        if not isinstance(value, str | int | float) or value == "":
            return None
        if not self.positive:
            return _LABELS.get(value)
        return int(_canonical(value) in {_canonical(each) for each in self.positive})

    def notes(self) -> tuple[str, ...]:
        """Say what a reader of the manifest must know of the label, a line each."""
        if self.positive:
            return (f"the label is {self.name}: an attack where it is {' or '.join(map(repr, self.positive))}",)
        return (f"the label is {self.name}",) if self.name != LABEL else ()


def _canonical(value: str | float) -> str:
    """Return one text for values that files write differently: 1, 1.0 and "1"; true and "True"."""
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        return text.lower() if text.lower() in ("true", "false") else text
    return repr(number) if math.isfinite(number) else text
