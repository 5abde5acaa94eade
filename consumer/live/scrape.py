"""Asks one worker for its /metrics."""

import time
from http.client import HTTPException, HTTPResponse
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import ProxyHandler, build_opener

from prometheus_client.parser import text_string_to_metric_families

from consumer.live.readings import Reading, reading

PORT: Final = 9108  # where a worker answers unless told otherwise
_MOST_BYTES: Final = 16 * 1024 * 1024  # what answers may be anything
_OURS: Final = "session_scorer_model_info"
_FOREIGN: Final = "what answers there is no session-scorer"


class ScrapeError(Exception):
    """There is no reading. The message says why, in a few words."""


def scrape(url: str, seconds: float = 5.0) -> Reading:
    """What the worker says now; `seconds` bounds the wait for its first word and for all. Raises ScrapeError."""
    # no proxy has business between us and a worker
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=seconds) as answer:
            text = _read(answer, seconds).decode()
        found = reading(text_string_to_metric_families(text), time.monotonic())
    except (OSError, HTTPException) as error:
        raise ScrapeError(_why(error, seconds)) from None
    except UnicodeError as error:  # of an answer that is no text, or of a name such as a..b
        raise ScrapeError(_FOREIGN if isinstance(error, UnicodeDecodeError) else "no such host") from None
    except (ValueError, LookupError, OverflowError):
        raise ScrapeError(_FOREIGN) from None
    if not found.model:
        raise ScrapeError(f"{_FOREIGN}: it has no metric {_OURS}")
    return found


def _read(answer: HTTPResponse, seconds: float) -> bytes:
    deadline = time.monotonic() + seconds
    text = bytearray()
    while len(text) < _MOST_BYTES and (more := answer.read1(65536)):
        text += more
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(text)


def address(text: str) -> str:
    """The whole address of /metrics, of which http://, the port and the path may be left out. Raises ValueError."""
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError(text)
    if not text.isprintable() or " " in text or parts.port == 0:
        raise ValueError(text)
    port = f":{PORT}" if parts.port is None and "://" not in text else ""
    return urlunsplit(parts._replace(netloc=parts.netloc + port, path=parts.path.rstrip("/") or "/metrics"))


def _why(error: OSError | HTTPException, seconds: float) -> str:
    if isinstance(error, HTTPError):
        error.close()
        return f"HTTP status {error.code}"
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return f"no answer within {seconds:g} s"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return _FOREIGN if isinstance(reason, HTTPException) else type(reason).__name__
