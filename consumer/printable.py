"""Remove from untrusted text the characters that control a terminal."""

import re
from typing import Final

import msgspec

_NOT_ASCII: Final = re.compile("[^ -~]")  # may have to be escaped
_MAX_CHARACTERS: Final = 100


def printable(text: str) -> str:
    """Return the text with `?` for control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)


def shortened(text: str) -> str:
    """Return the printable text, cut to the length of a line."""
    return printable(text[:_MAX_CHARACTERS])


def json_text(value: object) -> str:
    """Return one line of JSON in which control characters are escaped."""
    return escaped(msgspec.json.encode(value).decode())


def escaped(text: str) -> str:
    """Return the JSON text with control characters escaped, except line feeds between its parts."""
    return _NOT_ASCII.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable() or character == "\n":
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
