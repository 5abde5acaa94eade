"""Text of anybody's, fit for a terminal."""

import re
from typing import Final

import msgspec

_NOT_ASCII: Final = re.compile("[^ -~]")  # what may have to be escaped
_MOST_CHARACTERS: Final = 100


def printable(text: str) -> str:
    """With nothing in it that would steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def beginning(text: str) -> str:
    """As much of it as fits a line, printable."""
    return printable(text[:_MOST_CHARACTERS])


def json_text(value: object) -> str:
    """One line of JSON; characters that would steer a terminal are escaped, others stand as they are."""
    return escaped(msgspec.json.encode(value).decode())


def escaped(text: str) -> str:
    """JSON text with such characters escaped, line feeds between its parts excepted."""
    return _NOT_ASCII.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable() or character == "\n":
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
