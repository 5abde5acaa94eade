"""Batches as spans, sent over OTLP. Needs the extra `tracing`; nothing of it is global."""

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

from consumer.config.version import program_version
from consumer.records import Batch, Headers

_log = logging.getLogger("consumer.otel")

CLOSE_SECONDS: Final = 3.0  # less than what a stop has left when the group is left (run.py)
_SILENT: Final = logging.CRITICAL + 1
_LONGEST: Final = 512  # bytes of a traceparent that is looked at; one of today has 55
_MOST_LINKS: Final = 128  # where the variables say that there is no limit
# Shown one after the other, the first from when the batch was read, the others until it was committed; between them it
# may wait. Of a batch that is worked on in parts each is a sum.
_BEFORE: Final = ("decode", "score", "encode")
_AFTER: Final = ("publish", "commit")


class Traces:
    """Makes a span of each batch, in the group's name, and sends it.

    Raises ValueError for variables OTEL_* that cannot be read.
    """

    def __init__(self, group_id: str, endpoint: str) -> None:
        # it logs each of a collector's failures several times, and may quote what it could not read
        logging.getLogger("opentelemetry").setLevel(_SILENT)
        limits = SpanLimits()
        self._most_links = _MOST_LINKS if limits.max_links is None else limits.max_links
        self._group_id = group_id
        self._provider = TracerProvider(resource=_resource(), span_limits=limits, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_Told(OTLPSpanExporter(), endpoint)))
        self._tracer = self._provider.get_tracer("session-scorer", program_version())

    def begin(self, batch: Batch) -> "BatchSpan":
        """See `Tracing`."""
        began = time.time_ns(), time.monotonic()
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
            start_time=began[0],
        )
        made = BatchSpan(self._tracer, span, *began, self._most_links)
        made.extend(batch)
        return made

    def close(self) -> None:
        """See `Tracing`. A collector that does not answer is not waited for any longer: what is left is given up."""
        last = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        last.start()
        last.join(CLOSE_SECONDS)


class BatchSpan:
    """See `Span`. Began at the same time by two clocks: in ns since the epoch, and by time.monotonic."""

    def __init__(
        self, tracer: trace.Tracer, span: trace.Span, began: int, began_by_clock: float, most_links: int
    ) -> None:
        self._tracer = tracer
        self._span = span
        self._began = began
        self._began_by_clock = began_by_clock
        self._most_links = most_links
        self._events = 0
        self._linked: set[tuple[int, int]] = set()

    def extend(self, part: Batch) -> None:
        """See `Span`. Linked are the distinct traces that its records are of, to `most_links` of them."""
        self._events += len(part)
        self._span.set_attribute("messaging.batch.message_count", self._events)
        if len(self._linked) == self._most_links:
            return
        for context in parents(part.headers, self._most_links):
            ids = context.trace_id, context.span_id
            if ids not in self._linked and len(self._linked) < self._most_links:
                self._linked.add(ids)
                self._span.add_link(context)

    def committed(self, seconds: Mapping[str, float], at: float) -> None:
        """See `Span`."""
        end = self._began + _ns(at - self._began_by_clock)
        self._stages(self._began, {name: seconds.get(name, 0.0) for name in _BEFORE})
        after = {name: seconds.get(name, 0.0) for name in _AFTER}
        self._stages(end - _ns(sum(after.values())), after)
        self._span.end(end)

    def failed(self, error: Exception) -> None:
        """See `Span`."""
        self._span.set_attribute("error.type", type(error.__cause__ or error).__name__)
        self._span.set_status(trace.StatusCode.ERROR, str(error))
        self._span.end()

    def _stages(self, start: int, seconds: Mapping[str, float]) -> None:
        """A span for each, one after the other. Where a batch is worked on in parts, a stage's times are added up."""
        inside = trace.set_span_in_context(self._span)
        for name, each in seconds.items():
            stage = self._tracer.start_span(name, inside, start_time=start)
            start += _ns(each)
            stage.end(start)


class _Told(SpanExporter):
    """Exports as `exporter` does, and tells when that begins to fail, and when it goes on."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._where = urlsplit(endpoint).netloc.rpartition("@")[2]  # without a password
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends them."""
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            _log.warning("traces cannot be sent", extra={"endpoint": self._where})
        elif self._failing and not failed:
            _log.info("traces are sent again", extra={"endpoint": self._where})
        self._failing = failed
        return result

    def shutdown(self) -> None:
        """Gives up what is being sent."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept here."""
        return self._exporter.force_flush(timeout_millis)


def parents(headers: Sequence[Headers], most: int) -> list[trace.SpanContext]:
    """The distinct traces (W3C's traceparent) that records are of, `most` of them."""
    found: dict[bytes, None] = {}
    for each in headers:
        parent = dict(each).get("traceparent") if each else None
        if parent and len(parent) <= _LONGEST:
            found[parent] = None
            if len(found) >= most:
                break
    return [context for context in map(_context, found) if context.is_valid]


def _context(parent: bytes) -> trace.SpanContext:
    carrier = {"traceparent": parent.decode("latin-1")}
    return trace.get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()


def _resource() -> Resource:
    """Who sends: what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say comes first."""
    ours = {
        "service.name": "session-scorer",
        "service.version": program_version(),
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
    }
    return Resource.create(ours).merge(OTELResourceDetector().detect())


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
