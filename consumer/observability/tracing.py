"""Spans of batches, for OpenTelemetry: what the worker tells of a batch, and whether anybody wants to know.

It is switched on as anywhere: by the standard variables OTEL_*. Off, it is two calls a batch that do nothing.
"""

import logging
from collections.abc import Mapping
from typing import Final, Protocol

from consumer.errors import error_location
from consumer.records import Batch

_log = logging.getLogger("consumer.tracing")

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN: Final = "http/protobuf"


class Span(Protocol):
    """One batch, from when its first events were read."""

    def extend(self, part: Batch) -> None:
        """More events of it have been read."""

    def committed(self, seconds: Mapping[str, float], at: float) -> None:
        """It is committed: `seconds` that each stage took, and when the commit was done, by time.monotonic."""

    def failed(self, error: Exception) -> None:
        """Nothing of it counts. The error's words hold no payload."""


class Tracing(Protocol):
    """Who is told of batches."""

    def begin(self, batch: Batch) -> Span:
        """The first events of a batch have been read."""

    def close(self) -> None:
        """Sends what is left, within a few seconds."""


class Off:
    """Nobody wants to know: both the tracing and each of its spans."""

    def begin(self, batch: Batch) -> "Off":  # noqa: ARG002 - the seam's signature
        """See `Tracing`."""
        return self

    def extend(self, part: Batch) -> None:
        """See `Span`."""

    def committed(self, seconds: Mapping[str, float], at: float) -> None:
        """See `Span`."""

    def failed(self, error: Exception) -> None:
        """See `Span`."""

    def close(self) -> None:
        """See `Tracing`."""


OFF: Final = Off()


def tracing(environ: Mapping[str, str], group_id: str) -> Tracing:
    """As the variables say. What is wrong with them is a warning: for want of a trace no event goes unscored."""
    if not wanted(environ):
        return OFF
    reason = _hindrance(environ)
    if reason is None:
        try:
            from consumer.observability.otel import Traces  # noqa: PLC0415 - an extra, which need not be installed

            return Traces(group_id, endpoint(environ))
        except ImportError:
            reason = "OpenTelemetry is not installed: pip install 'session-scorer[tracing]'"
        except (ValueError, OSError) as error:  # its words may hold a secret of the variables
            reason = f"{error_location(error)}: are the variables OTEL_* right?"
    _log.warning("tracing is off", extra={"reason": reason})
    return OFF


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether the variables switch tracing on: an address to send to, or the exporter by name."""
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip()
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none":
        return False
    return bool(exporter or any(environ.get(name) for name in _ENDPOINTS))


def endpoint(environ: Mapping[str, str]) -> str:
    """The address that spans are sent to, as it was given."""
    return next((environ[name] for name in _ENDPOINTS if environ.get(name)), "http://localhost:4318")


def _hindrance(environ: Mapping[str, str]) -> str | None:
    """Why what is wanted cannot be had."""
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    if exporter != "otlp":
        return "OTEL_TRACES_EXPORTER names an exporter that is not here: there is otlp"
    protocol = next((environ[name].strip() for name in _PROTOCOLS if environ.get(name)), _SPOKEN)
    if protocol != _SPOKEN:
        return f"OTEL_EXPORTER_OTLP_PROTOCOL is not {_SPOKEN}, which alone is spoken here (a collector's port 4318)"
    return None
