"""Spans of batches for OpenTelemetry, switched on by its standard variables OTEL_*.

When tracing is off, a batch costs two calls that do nothing.
"""

import logging
from collections.abc import Mapping
from typing import Final

from consumer.errors import error_location
from consumer.records import Batch

_log = logging.getLogger("consumer.tracing")

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL: Final = "http/protobuf"


class Span:
    """The span of one batch, which starts when its first events are read. This one records nothing."""

    def extend(self, part: Batch) -> None:
        """Add the next part of the batch."""

    def finish(self, stage_seconds: Mapping[str, float], committed_at: float) -> None:
        """End the span of a committed batch; `committed_at` is by time.monotonic."""

    def fail(self, error: Exception) -> None:
        """End the span of an aborted batch. The error's message must hold no payload."""


class Tracing:
    """Starts spans. This one records nothing."""

    def start_span(self, batch: Batch) -> Span:  # noqa: ARG002 - for subclasses
        """Start the span of a batch, from its first part."""
        return NO_SPAN

    def close(self) -> None:
        """Send the spans that are left, within a few seconds."""


NO_SPAN: Final = Span()
OFF: Final = Tracing()


def tracing(environ: Mapping[str, str], group_id: str) -> Tracing:
    """Return the tracing that the variables ask for. Wrong variables are logged as a warning and switch it off."""
    if not is_requested(environ):
        return OFF
    reason = _unsupported(environ)
    if reason is None:
        try:
            from consumer.observability.otel import OtelTracing  # noqa: PLC0415 - an extra, which need not be installed

            return OtelTracing(group_id, endpoint(environ))
        except ImportError:
            reason = "OpenTelemetry is not installed: pip install 'session-scorer[tracing]'"
        except (ValueError, OSError) as error:  # its message may hold a secret of the variables
            reason = f"{error_location(error)}: are the variables OTEL_* right?"
    _log.warning("tracing is off", extra={"reason": reason})
    return OFF


def is_requested(environ: Mapping[str, str]) -> bool:
    """Return whether the variables switch tracing on: by an endpoint, or by the name of an exporter."""
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip()
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none":
        return False
    return bool(exporter or any(environ.get(name) for name in _ENDPOINTS))


def endpoint(environ: Mapping[str, str]) -> str:
    """Return the endpoint that spans are sent to, as the variables give it."""
    return next((environ[name] for name in _ENDPOINTS if environ.get(name)), "http://localhost:4318")


def _unsupported(environ: Mapping[str, str]) -> str | None:
    """Return why the requested exporter cannot be used; None when it can."""
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    if exporter != "otlp":
        return "OTEL_TRACES_EXPORTER names an exporter that is not here: there is otlp"
    protocol = next((environ[name].strip() for name in _PROTOCOLS if environ.get(name)), _PROTOCOL)
    if protocol != _PROTOCOL:
        return f"OTEL_EXPORTER_OTLP_PROTOCOL is not {_PROTOCOL}, the only supported protocol (a collector's port 4318)"
    return None
