"""Log lines for people who read them on a terminal. Pure."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

from consumer.printable import escaped, printable

_BARE: Final = re.compile(r"[^\s\"'=\\{}\[\]]+")  # needs no quotes
_MOST_CHARACTERS: Final = 200  # of a mapping, except at debug: the settings are a screenful
_DIM: Final = "2"
_COLOURS: Final = {"debug": _DIM, "warning": "33", "error": "31", "critical": "1;31"}
_LEVEL_WIDTH: Final = len("critical")


def is_coloured(stream: TextIO) -> bool:
    """Return whether log lines have colours there: on a terminal that knows them, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") not in {"", "dumb"}


def text_line(entry: Mapping[str, Any], encode: Callable[[object], str], *, coloured: bool) -> str:
    """Format a log entry: time (UTC), level, message, then key=value; an exception's stack in lines below.

    `encode` writes any value as JSON. Nothing in the line steers a terminal but our own colours.
    """
    rest = {key: value for key, value in entry.items() if key not in {"time", "level", "logger", "message"}}
    exception = rest.pop("exception", None) if isinstance(rest.get("exception"), Mapping) else None
    if exception is not None:
        rest["exception"] = ": ".join(str(exception[key]) for key in ("type", "message") if key in exception)
    whole = entry["level"] == "debug"
    pairs = "".join(f" {printable(str(key))}={_value(value, encode, whole=whole)}" for key, value in rest.items())
    message = printable(" ".join(str(entry["message"]).split()))
    time = f"{str(entry['time'])[:19].replace('T', ' ')}Z"
    level = str(entry["level"])
    shown = _coloured(level.ljust(_LEVEL_WIDTH), _COLOURS.get(level), on=coloured)
    stack = "".join(f"\n    {printable(frame)}" for frame in (exception or {}).get("stack", ()))
    return f"{_coloured(time, _DIM, on=coloured)} {shown} {message}{pairs}{stack}"


def _value(value: object, encode: Callable[[object], str], *, whole: bool) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value) and value.isprintable():
        return value
    text = escaped(encode(value))
    if isinstance(value, Mapping) and len(text) > _MOST_CHARACTERS and not whole:
        return "{…}"
    return text


def _coloured(text: str, colour: str | None, *, on: bool) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if on and colour else text
