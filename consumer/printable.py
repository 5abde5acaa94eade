"""Text of anybody's, fit for a terminal."""

from typing import Final

_MOST_CHARACTERS: Final = 100


def printable(text: str) -> str:
    """With nothing in it that would steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def beginning(text: str) -> str:
    """As much of it as fits a line, printable."""
    return printable(text[:_MOST_CHARACTERS])
