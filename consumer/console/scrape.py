"""Read /metrics of a worker."""

import time
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import Final, TextIO, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import ProxyHandler, build_opener

from prometheus_client.parser import text_fd_to_metric_families

from consumer.console.snapshot import Reading, read_metrics

PORT: Final = 9108  # of /metrics by default
_MOST_BYTES: Final = 16 * 1024 * 1024  # any server may answer
_MOST_LINE: Final = 4096  # characters of a line; our longest name a topic and a partition
_MODEL_METRIC: Final = "session_scorer_model_info"
_FOREIGN: Final = "what answers there is no session-scorer"


class ScrapeError(Exception):
    """The metrics cannot be read. The message says why, in a few words."""


def scrape(url: str, seconds: float = 5.0) -> Reading:
    """Return the worker's reading; `seconds` bounds the wait for the first byte, and for all. Raises ScrapeError."""
    # without a proxy
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=seconds) as response:
            deadline = time.monotonic() + seconds
            text = _read(response, deadline).decode()
        lines = cast("TextIO", _lines(text, deadline))  # it only iterates over them
        result = read_metrics(text_fd_to_metric_families(lines), time.monotonic())
    except (OSError, HTTPException) as error:
        raise ScrapeError(_why(error, seconds)) from None
    except UnicodeError as error:  # the response is no text, or the host is a name such as a..b
        raise ScrapeError(_FOREIGN if isinstance(error, UnicodeDecodeError) else "no such host") from None
    except (ValueError, LookupError, OverflowError):
        raise ScrapeError(_FOREIGN) from None
    if not result.model:
        raise ScrapeError(f"{_FOREIGN}: it has no metric {_MODEL_METRIC}")
    return result


def _read(response: HTTPResponse, deadline: float) -> bytes:
    text = bytearray()
    while len(text) < _MOST_BYTES and (more := response.read1(65536)):
        text += more
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(text)


def _lines(text: str, deadline: float) -> Iterator[str]:
    """Yield the lines. Raises ValueError for a long one: the parser's time grows with the square of its length."""
    for line in text.split("\n"):
        if len(line) > _MOST_LINE:
            raise ValueError(_FOREIGN)
        if time.monotonic() > deadline:
            raise TimeoutError
        yield f"{line}\n"


def address(text: str) -> str:
    """Complete the URL of /metrics: http://, port and path are optional. Raises ValueError."""
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
