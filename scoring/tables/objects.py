"""Sample the objects of JSON Lines: which keys they have, and where the fields of the contract are if inside.

The results of this project, Kafka Connect, Debezium and kcat put events inside envelopes.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.tables.columns import ColumnReport, compare_columns

SAMPLE_ROWS: Final = 10_000
"""How many rows are sampled before output is published."""
_FIELDS: Final = frozenset(MODEL_FIELDS)
_KNOWN: Final = frozenset((*MODEL_FIELDS, *IDENTITIES))
_MOST_KEYS: Final = 10_000  # different ones that are kept
_SEARCHED: Final = 100  # objects without a known field whose inside is searched
_DEEPEST: Final = 3  # levels down that are searched
_MOST_MEMBERS: Final = 100  # of one object that are searched
_PLAIN: Final = re.compile(r"[A-Za-z_$@][A-Za-z0-9_$@-]{0,39}")

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode: Final = msgspec.json.Decoder(dict[str, object]).decode
_REFUSALS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(slots=True)
class ObjectSample:
    """Count keys and fields of the objects that are added, with keys renamed by `renames`."""

    renames: Mapping[str, str] = field(default_factory=dict)
    objects: int = 0
    without_fields: int = 0  # objects with no model field
    keys: dict[str, None] = field(default_factory=dict)  # in the order of their first appearance
    nested: Counter[str] = field(default_factory=Counter)  # where the fields are inside those objects

    def add(self, rows: Iterable[bytes]) -> None:
        """Read the keys of rows. Rows that are no JSON object are skipped: they are invalid by themselves."""
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
            path = nested_path(_decode(row))
        except _REFUSALS:
            return
        if path is not None:
            self.nested[path] += 1

    def report(self) -> ColumnReport:
        """Compare the keys, as columns, with the contract; an empty report without any object."""
        return compare_columns(self._renamed(self.keys), nested=self.nested_in) if self.objects else ColumnReport()

    def _renamed(self, keys: Iterable[str]) -> Iterable[str]:
        return (self.renames.get(key, key) for key in keys) if self.renames else keys

    @property
    def is_strange(self) -> bool:
        """Return True when no field of an event is there, identities included, or all objects have them inside."""
        all_unknown = _KNOWN.isdisjoint(self._renamed(self.keys))
        return self.objects > 0 and (all_unknown or (self.without_fields == self.objects and bool(self.nested)))

    @property
    def nested_in(self) -> str | None:
        """Return where the fields are inside most of the objects that have none."""
        return next((path for path, _ in self.nested.most_common(1)), None)

    def notes(self) -> list[str]:
        """Return how many objects have no model field, as text, when others have some."""
        if not self.without_fields or self.without_fields == self.objects:
            return []
        inside = f": their fields are inside {self.nested_in!r}" if self.nested else ""
        return [f"{self.without_fields:,} of the first {self.objects:,} rows have no model field{inside}"]


def nested_path(value: Mapping[Any, object]) -> str | None:
    """Return the path to the fields of the contract in an object, such as `payload.after`; None when there is none.

    They may be inside an object, an array of objects, or JSON in a string. The shallowest path wins.
    """
    level: list[tuple[str, Mapping[Any, object]]] = [("", value)]
    for _ in range(_DEEPEST):
        inside = [(f"{path}.{_path_part(key)}", inner) for path, outer in level for key, inner in _objects(outer)]
        for path, inner in inside:
            if not _FIELDS.isdisjoint(inner):
                return path[1:]
        level = inside
    return None


def _objects(value: Mapping[Any, object]) -> list[tuple[object, Mapping[Any, object]]]:
    """Return the members that are objects, arrays of objects, or JSON of one."""
    objects = []
    for key, member in list(value.items())[:_MOST_MEMBERS]:
        first = member[0] if isinstance(member, list) and member else member
        inner = _parsed(first) if isinstance(first, str) else first
        if isinstance(inner, Mapping):
            objects.append((key, inner))
    return objects


def _parsed(text: str) -> object:
    if not text.startswith("{"):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _path_part(key: object) -> str:
    """Return a key that reads as a name; any other may be personal data."""
    return str(key) if _PLAIN.fullmatch(str(key)) else "*"
