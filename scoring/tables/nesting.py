"""Objects with the contract's fields inside: envelopes of our results, of Kafka Connect, Debezium and kcat."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from scoring.contract import MODEL_FIELDS

_FIELDS: Final = frozenset(MODEL_FIELDS)
_DEEPEST: Final = 3  # levels down that are searched
_MOST_KEYS: Final = 100  # of one object
_PLAIN: Final = re.compile(r"[A-Za-z_$@][A-Za-z0-9_$@-]{0,39}")


def nested_path(value: Mapping[Any, object]) -> str | None:
    """Return where in an object the fields of the contract are, as `payload.after`; None when they are not inside.

    What is inside may be an object, an array of objects or an object as JSON in a string. The shallowest is found.
    """
    level: list[tuple[str, Mapping[Any, object]]] = [("", value)]
    for _ in range(_DEEPEST):
        inside = [(f"{path}.{_shown(key)}", inner) for path, outer in level for key, inner in _objects(outer)]
        for path, inner in inside:
            if not _FIELDS.isdisjoint(inner):
                return path[1:]
        level = inside
    return None


def _objects(value: Mapping[Any, object]) -> list[tuple[object, Mapping[Any, object]]]:
    """Return the members that are objects, or stand for some."""
    found = []
    for key, member in list(value.items())[:_MOST_KEYS]:
        first = member[0] if isinstance(member, list) and member else member
        inner = _parsed(first) if isinstance(first, str) else first
        if isinstance(inner, Mapping):
            found.append((key, inner))
    return found


def _parsed(text: str) -> object:
    if not text.startswith("{"):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _shown(key: object) -> str:
    """Return a key that reads as a name; any other may be somebody's data."""
    return str(key) if _PLAIN.fullmatch(str(key)) else "*"
