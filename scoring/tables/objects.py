"""The first rows of JSON Lines: which keys their objects have, and how many have none of the contract's."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.tables.columns import ColumnReport, judge_columns
from scoring.tables.nesting import nested_path

SAMPLE_ROWS: Final = 10_000
"""How many rows of a table are judged before its output is published."""
_FIELDS: Final = frozenset(MODEL_FIELDS)
_KNOWN: Final = frozenset((*MODEL_FIELDS, *IDENTITIES))
_MOST_KEYS: Final = 10_000  # different ones that are kept
_SEARCHED: Final = 100  # objects without a known field whose inside is searched

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_whole: Final = msgspec.json.Decoder(dict[str, object]).decode
_REFUSALS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(slots=True)
class ObjectSample:
    """What is known of the objects that were added, their keys renamed as `renames` has them."""

    renames: Mapping[str, str] = field(default_factory=dict)
    objects: int = 0
    without_fields: int = 0  # objects with no model field
    keys: dict[str, None] = field(default_factory=dict)  # in the order in which they first come
    nested: Counter[str] = field(default_factory=Counter)  # where the fields are inside those objects

    def add(self, rows: Iterable[bytes]) -> None:
        """Look at the keys of each row. Rows that are no JSON object are left out: they are invalid by themselves."""
        for row in rows:
            try:
                keys = _members(row).keys()
            except _REFUSALS:
                continue
            self.objects += 1
            if len(self.keys) < _MOST_KEYS:
                self.keys.update(dict.fromkeys(keys))
            if _FIELDS.isdisjoint(self._renamed(keys)):
                self._look_inside(row)

    def _look_inside(self, row: bytes) -> None:
        self.without_fields += 1
        if self.without_fields > _SEARCHED:
            return
        try:
            path = nested_path(_whole(row))
        except _REFUSALS:
            return
        if path is not None:
            self.nested[path] += 1

    def report(self) -> ColumnReport:
        """Judge the keys as columns. Without one object there is nothing to judge."""
        return judge_columns(self._renamed(self.keys), nested=self.nested_in) if self.objects else ColumnReport()

    def _renamed(self, keys: Iterable[str]) -> Iterable[str]:
        return (self.renames.get(key, key) for key in keys) if self.renames else keys

    @property
    def is_strange(self) -> bool:
        """Tell whether not one field of an event is there, identities included, or all of the model's are inside."""
        nothing_known = _KNOWN.isdisjoint(self._renamed(self.keys))
        return self.objects > 0 and (nothing_known or (self.without_fields == self.objects and bool(self.nested)))

    @property
    def nested_in(self) -> str | None:
        """Return where the fields are inside most of the objects that have none."""
        return next((path for path, _ in self.nested.most_common(1)), None)

    def notes(self) -> list[str]:
        """Say how many of the objects have no model field, when others have some."""
        if not self.without_fields or self.without_fields == self.objects:
            return []
        inside = f": their fields are inside {self.nested_in!r}" if self.nested else ""
        return [f"{self.without_fields:,} of the first {self.objects:,} rows have no model field{inside}"]
