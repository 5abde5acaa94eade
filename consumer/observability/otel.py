"""Spans of batches, sent over OTLP. Needs the extra `tracing`; sets nothing global."""

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from consumer.config import program_version
from consumer.observability.tracing import Span, Tracing
from consumer.records import Batch, Headers

_log = logging.getLogger("consumer.otel")

CLOSE_SECONDS: Final = 3.0  # less than a stop has left once the worker has left the group (app.py)
_SILENT: Final = logging.CRITICAL + 1
_LONGEST: Final = 512  # bytes; a longer traceparent is ignored, a usual one has 55
_MOST_LINKS: Final = 128  # where the variables set no limit
# Stages follow one another: the first from the read on, the others up to the commit; between them the batch may wait.
# A stage of a batch with several parts is their sum.
_BEFORE: Final = ("decode", "score", "encode")
_AFTER: Final = ("publish", "commit")


class OtelTracing(Tracing):
    """Sends a span of every batch. Raises ValueError for invalid variables OTEL_*."""

    def __init__(self, group_id: str, endpoint: str) -> None:
        # it logs a collector's failure several times, and may quote what it could not read
        logging.getLogger("opentelemetry").setLevel(_SILENT)
        limits = SpanLimits()
        self._most_links = _MOST_LINKS if limits.max_links is None else limits.max_links
        self._group_id = group_id
        self._provider = TracerProvider(resource=_resource(), span_limits=limits, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_LoggedExporter(OTLPSpanExporter(), endpoint)))
        self._tracer = self._provider.get_tracer("session-scorer", program_version())

    def start_span(self, batch: Batch) -> "OtelSpan":
        started = time.time_ns(), time.monotonic()
        attributes: Attributes = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": batch.topic,
            "messaging.consumer.group.name": self._group_id,
        }
        span = self._tracer.start_span(
            f"process {batch.topic}",
            kind=trace.SpanKind.CONSUMER,
            attributes=attributes,
            start_time=started[0],
        )
        batch_span = OtelSpan(self._tracer, span, *started, self._most_links)
        batch_span.extend(batch)
        return batch_span

    def close(self) -> None:
        # spans that a slow collector has not accepted by then are lost
        last = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        last.start()
        last.join(CLOSE_SECONDS)


class OtelSpan(Span):
    """A span that is sent, with links to the traces of its records.

    `started` (ns since the epoch) and `started_by_clock` (time.monotonic) are the same moment.
    """

    def __init__(
        self, tracer: trace.Tracer, span: trace.Span, started: int, started_by_clock: float, most_links: int
    ) -> None:
        self._tracer = tracer
        self._span = span
        self._started = started
        self._started_by_clock = started_by_clock
        self._most_links = most_links
        self._events = 0
        self._linked: set[tuple[int, int]] = set()

    def extend(self, part: Batch) -> None:
        self._events += len(part)
        self._span.set_attribute("messaging.batch.message_count", self._events)
        if len(self._linked) == self._most_links:
            return
        for context in parents(part.headers, self._most_links):
            ids = context.trace_id, context.span_id
            if ids not in self._linked and len(self._linked) < self._most_links:
                self._linked.add(ids)
                self._span.add_link(context)

    def finish(self, stage_seconds: Mapping[str, float], committed_at: float) -> None:
        end = self._started + _ns(committed_at - self._started_by_clock)
        self._add_stages(self._started, {name: stage_seconds.get(name, 0.0) for name in _BEFORE})
        after = {name: stage_seconds.get(name, 0.0) for name in _AFTER}
        self._add_stages(end - _ns(sum(after.values())), after)
        self._span.end(end)

    def fail(self, error: Exception) -> None:
        self._span.set_attribute("error.type", type(error.__cause__ or error).__name__)
        self._span.set_status(trace.StatusCode.ERROR, str(error))
        self._span.end()

    def _add_stages(self, start: int, stage_seconds: Mapping[str, float]) -> None:
        """Add a child span per stage, one after the other."""
        context = trace.set_span_in_context(self._span)
        for name, seconds in stage_seconds.items():
            stage = self._tracer.start_span(name, context, start_time=start)
            start += _ns(seconds)
            stage.end(start)


class _LoggedExporter(SpanExporter):
    """Logs when an exporter begins to fail and when it recovers."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._address = urlsplit(endpoint).netloc.rpartition("@")[2]  # without a password
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            _log.warning("traces cannot be sent", extra={"endpoint": self._address})
        elif self._failing and not failed:
            _log.info("traces are sent again", extra={"endpoint": self._address})
        self._failing = failed
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def parents(headers: Sequence[Headers], most: int) -> list[trace.SpanContext]:
    """Return the distinct traces (W3C traceparent) of the records, at most `most`."""
    distinct: dict[bytes, None] = {}
    for record_headers in headers:
        parent = dict(record_headers).get("traceparent") if record_headers else None
        if parent and len(parent) <= _LONGEST:
            distinct[parent] = None
            if len(distinct) >= most:
                break
    return [context for context in map(_context, distinct) if context.is_valid]


def _context(parent: bytes) -> trace.SpanContext:
    carrier = {"traceparent": parent.decode("latin-1")}
    return trace.get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()


def _resource() -> Resource:
    """Return the attributes of this process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override them."""
    attributes = {
        "service.name": "session-scorer",
        "service.version": program_version(),
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
    }
    return Resource.create(attributes).merge(OTELResourceDetector().detect())


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
