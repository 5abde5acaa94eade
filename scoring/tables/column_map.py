"""Columns renamed as the user asks, `--map ours=theirs`: for reading only; what is written keeps its own names."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from scoring.contract import IDENTITIES, MODEL_FIELDS

Renames = Mapping[str, str]
"""Column of the file -> field of the contract."""
NO_RENAMES: Final[Renames] = {}

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_KNOWN: Final = (*MODEL_FIELDS, *IDENTITIES)


def parse_renames(pairs: Iterable[str]) -> Renames:
    """Read `ours=theirs` pairs. Raises ValueError, one line, for what is no such pair."""
    renames: dict[str, str] = {}
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        if not equals or not theirs:
            raise ValueError(f"expected FIELD=COLUMN, such as {MODEL_FIELDS[0]}=clicks")
        if ours not in _KNOWN:
            raise ValueError(f"{ours!r} is no field of a session event; they are {', '.join(_KNOWN)}")
        if ours in renames.values() or theirs in renames:
            raise ValueError(f"{pair!r}: the field or the column is named twice")
        renames[theirs] = ours
    return renames


def rename_keys(row: bytes, renames: Renames) -> bytes:
    """Rename the keys of a JSON object, its values byte for byte; whatever is no object stays as it is.

    An object with both names has the field twice then: the last one counts, and each must be valid.
    """
    try:
        members = _members(row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return row
    if renames.keys().isdisjoint(members):
        return row
    encode = msgspec.json.encode
    renamed = (b"%b:%b" % (encode(renames.get(name, name)), bytes(value)) for name, value in members.items())
    return b"{%b}" % b",".join(renamed)
