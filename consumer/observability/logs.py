"""Logs on stderr: one JSON object a line for machines, one line of text for a person at a terminal.

No payloads, and none of what an exception may quote of one.
"""

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import MemoryHandler
from typing import Any, Final, TextIO

import orjson

from consumer.errors import DeliveryError, UndeliveredError, WorkerError
from consumer.printable import escaped, printable

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OURS: Final = ("consumer", "scoring", "training")
_QUOTED: Final = (OSError, DeliveryError, UndeliveredError, WorkerError)
"""Exceptions whose words are known to hold no payload. Of others (ValueError quotes what it could not read) only the
type and the place are logged."""
_ORJSON: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
"""Keys, dataclasses and dates are written as `json` writes them with `default=str`."""


def configure(level: str, stream: TextIO | None = None, log_format: str = "auto") -> None:
    """Send the logs of this process, Python's warnings among them, to `stream` (default: stderr) from `level` up.

    `log_format` is text, json, or auto: text on a terminal, else JSON. What libraries say is never logged below info:
    numba alone says thousands of lines at debug.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    is_text = stream.isatty() if log_format == "auto" else log_format == "text"
    handler.setFormatter(TextFormatter(coloured=is_coloured(stream)) if is_text else JsonFormatter())
    logging.captureWarnings(capture=True)
    least = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(least, logging.INFO), handlers=[handler], force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(least)


@contextmanager
def held_back() -> Iterator[None]:
    """What is logged inside comes out at the end; when an exception ends it, not at all: its one line says enough.

    At level debug nothing is held back.
    """
    root = logging.getLogger()
    if logging.getLogger("consumer.logs").isEnabledFor(logging.DEBUG):
        yield
        return
    handlers = root.handlers
    held = MemoryHandler(capacity=1000, flushLevel=logging.CRITICAL + 1, flushOnClose=False)
    root.handlers = [held]
    try:
        yield
    finally:
        root.handlers = handlers
    for record in held.buffer:
        root.handle(record)


class JsonFormatter(logging.Formatter):
    """time (UTC), level, logger, message, then whatever came as `extra`; an exception as one field."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return _json(_entry(record))


class TextFormatter(logging.Formatter):
    """The same as text; see log_text.py."""

    def __init__(self, *, coloured: bool) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        """One line, and one for each frame of an exception's stack."""
        return text_line(_entry(record), _value_json, coloured=self._coloured)


def _entry(record: logging.LogRecord) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.getMessage(),
    }
    entry.update({name: value for name, value in vars(record).items() if name not in _STANDARD})
    if record.exc_info and record.exc_info[1] is not None:
        entry["exception"] = _exception(record.exc_info[1])
    return entry


def _json(entry: dict[str, Any]) -> str:
    """Encode one line. Never fails: a value that orjson refuses is left to `json`, what that refuses becomes text."""
    try:
        return orjson.dumps(entry, default=_as_basic_type, option=_ORJSON).decode()
    except orjson.JSONEncodeError:
        members = (f"{json.dumps(str(name))}:{_value_json(value)}" for name, value in entry.items())
        return f"{{{','.join(members)}}}"


def _as_basic_type(value: object) -> object:
    """Convert what orjson does not know: subclasses of tuple and float as `json` has them, all else as text."""
    if isinstance(value, tuple):
        return list(value)
    return float(value) if isinstance(value, float) else str(value)


def _value_json(value: object) -> str:
    try:
        return orjson.dumps(value, default=_as_basic_type, option=_ORJSON).decode()
    except orjson.JSONEncodeError:  # an integer of more than 64 bits, a lone surrogate, 255 levels
        pass
    try:
        return _stdlib_json(value)
    except Exception:  # noqa: BLE001 - a key that is a tuple, a cycle, whatever a __str__ raises
        return _stdlib_json(_text(value))


def _stdlib_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - the line matters more than this value
        return f"<{type(value).__name__}>"


def _exception(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    said = {"message": str(error)} if isinstance(error, _QUOTED) else {}
    return {
        "type": type(error).__name__,
        **said,
        "stack": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


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
