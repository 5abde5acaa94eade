"""Logs on stderr: JSON lines for machines, text lines on a terminal.

No line holds a payload, or the message of an exception that may quote one.
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
_PACKAGES: Final = ("consumer", "scoring", "training")
_SIGNERS: Final = ("botocore", "google.auth")
"""Loggers of signers, which describe each attempt to find credentials; the login logs its failures itself."""
_HTTP_CLIENTS: Final = ("httpx", "httpx2")
"""Loggers of the registry's client, which log each request at info."""
_SAFE_ERRORS: Final = (OSError, DeliveryError, UndeliveredError, WorkerError)
"""Exceptions whose messages hold no payload. Of others (ValueError quotes its input) only the type and the stack are
logged."""
_ORJSON: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
"""Encode keys, dataclasses and dates like `json` with `default=str`."""


def configure(level: str, stream: TextIO | None = None, log_format: str = "auto") -> None:
    """Send the logs of this process and Python's warnings to `stream` (default: stderr), from `level` up.

    `log_format` is text, json, or auto: text on a terminal, else JSON. Libraries never log below info: numba alone
    logs thousands of lines at debug.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    is_text = stream.isatty() if log_format == "auto" else log_format == "text"
    handler.setFormatter(TextFormatter(coloured=is_coloured(stream)) if is_text else JsonFormatter())
    logging.captureWarnings(capture=True)
    least = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(least, logging.INFO), handlers=[handler], force=True)
    for name in _PACKAGES:
        logging.getLogger(name).setLevel(least)
    for name in _HTTP_CLIENTS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _SIGNERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold log records back until the end of the block; drop them when an exception ends it, whose message suffices.

    At level debug no record is held back.
    """
    root = logging.getLogger()
    if logging.getLogger("consumer.logs").isEnabledFor(logging.DEBUG):
        yield
        return
    handlers = root.handlers
    memory = MemoryHandler(capacity=1000, flushLevel=logging.CRITICAL + 1, flushOnClose=False)
    root.handlers = [memory]
    try:
        yield
    finally:
        root.handlers = handlers
    for record in memory.buffer:
        root.handle(record)


class JsonFormatter(logging.Formatter):
    """Formats time (UTC), level, logger, message, then the members of `extra`; an exception is one field."""

    def format(self, record: logging.LogRecord) -> str:
        return _json(_entry(record))


class TextFormatter(logging.Formatter):
    """Formats the same as text, an exception's stack as further lines; see `text_line`."""

    def __init__(self, *, coloured: bool) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
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
    """Encode one line. Never fails: `json` encodes a value that orjson refuses, and `str` the rest."""
    try:
        return orjson.dumps(entry, default=_as_basic_type, option=_ORJSON).decode()
    except orjson.JSONEncodeError:
        members = (f"{json.dumps(str(name))}:{_value_json(value)}" for name, value in entry.items())
        return f"{{{','.join(members)}}}"


def _as_basic_type(value: object) -> object:
    """Convert a type that orjson does not know: subclasses of tuple and float like `json`, others to text."""
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
    except Exception:  # noqa: BLE001 - a key that is a tuple, a cycle, any error of a __str__
        return _stdlib_json(_text(value))


def _stdlib_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - the line matters more than the value
        return f"<{type(value).__name__}>"


def _exception(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    message = {"message": str(error)} if isinstance(error, _SAFE_ERRORS) else {}
    return {
        "type": type(error).__name__,
        **message,
        "stack": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


_BARE: Final = re.compile(r"[^\s\"'=\\{}\[\]]+")  # needs no quotes
_MOST_CHARACTERS: Final = 200  # of a mapping, except at debug: the settings fill a screen
_DIM: Final = "2"
_COLOURS: Final = {"debug": _DIM, "warning": "33", "error": "31", "critical": "1;31"}
_LEVEL_WIDTH: Final = len("critical")


def is_coloured(stream: TextIO) -> bool:
    """Return whether log lines have colours: on a terminal that supports them, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") not in {"", "dumb"}


def text_line(entry: Mapping[str, Any], encode: Callable[[object], str], *, coloured: bool) -> str:
    """Format a log entry: time (UTC), level, message, then key=value; an exception's stack on further lines.

    `encode` returns any value as JSON. The line holds no control characters but those of its colours.
    """
    rest = {key: value for key, value in entry.items() if key not in {"time", "level", "logger", "message"}}
    exception = rest.pop("exception", None) if isinstance(rest.get("exception"), Mapping) else None
    if exception is not None:
        rest["exception"] = ": ".join(str(exception[key]) for key in ("type", "message") if key in exception)
    in_full = entry["level"] == "debug"
    pairs = "".join(f" {printable(str(key))}={_value(value, encode, in_full=in_full)}" for key, value in rest.items())
    message = printable(" ".join(str(entry["message"]).split()))
    time = f"{str(entry['time'])[:19].replace('T', ' ')}Z"
    level = str(entry["level"])
    padded = _coloured(level.ljust(_LEVEL_WIDTH), _COLOURS.get(level), on=coloured)
    stack = "".join(f"\n    {printable(frame)}" for frame in (exception or {}).get("stack", ()))
    return f"{_coloured(time, _DIM, on=coloured)} {padded} {message}{pairs}{stack}"


def _value(value: object, encode: Callable[[object], str], *, in_full: bool) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value) and value.isprintable():
        return value
    text = escaped(encode(value))
    if isinstance(value, Mapping) and len(text) > _MOST_CHARACTERS and not in_full:
        return "{…}"
    return text


def _coloured(text: str, colour: str | None, *, on: bool) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if on and colour else text
