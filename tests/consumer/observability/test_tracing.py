"""Spans of batches, as a collector gets them; and what the variables of OpenTelemetry switch on."""

import logging
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import cast

import pytest

from consumer.errors import MustAbortError, UndeliveredError
from consumer.observability import tracing
from consumer.observability.otel import CLOSE_SECONDS, OtelTracing, parents
from consumer.records import Batch, Headers
from tests.support.artifacts.hand_computed import batch
from tests.support.end_to_end import Line, logged, stop
from tests.support.kafka.brokers import free_ports
from tests.support.kafka.topics import Topics
from tests.support.otlp_collector import HOST, Collector, attributes, collecting
from tests.support.waiting import wait_until
from tests.support.wire import Event, read, write
from training.synthetic.dataset import keyed_events

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
STAGES = {"decode": 0.001, "score": 0.002, "encode": 0.003, "publish": 0.004, "commit": 0.005}
MARKER = b"planted-4711"
HIGH = b'{"session_id": "%s", "transaction_amount": 12000.5, "click_events": 37, "time_on_page": 600}' % MARKER


def parent(number: int) -> bytes:
    return f"00-{number + 1:032x}-{number + 1:016x}-01".encode()


def traced(number: int) -> Headers:
    return [("traceparent", parent(number)), ("tracestate", b"vendor=%d" % number), ("other", MARKER)]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A running collector, which the variables of this process name."""
    logger = logging.getLogger("opentelemetry")
    before = logger.level
    with collecting() as running:
        monkeypatch.setenv(ENDPOINT, running.url)
        yield running
    logger.setLevel(before)


# -- spans -----------------------------------------------------------------------------------------------------------


def test_a_batch_is_a_span_with_stages(collector: Collector) -> None:
    traces = OtelTracing("fraud", collector.url)
    span = traces.start_span(batch(b"{}", b"{}"))
    span.finish(STAGES, time.perf_counter() + 0.1)
    traces.close()

    [sent] = collector.named("process sessions")
    assert attributes(sent.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "sessions",
        "messaging.consumer.group.name": "fraud",
        "messaging.batch.message_count": 2,
    }
    assert sent.kind == sent.SPAN_KIND_CONSUMER
    assert sent.status.code == sent.status.STATUS_CODE_UNSET
    stages = collector.children(sent)
    assert list(stages) == list(STAGES)
    for name, stage in stages.items():
        assert stage.trace_id == sent.trace_id
        assert (stage.end_time_unix_nano - stage.start_time_unix_nano) / 1e9 == pytest.approx(STAGES[name], rel=1e-3)
    assert stages["decode"].start_time_unix_nano == sent.start_time_unix_nano
    assert stages["commit"].end_time_unix_nano == sent.end_time_unix_nano
    assert collector.paths == ["/v1/traces"]


def test_an_aborted_batch_is_an_error_span(collector: Collector) -> None:
    traces = OtelTracing("fraud", collector.url)
    error = UndeliveredError("the group has moved on")
    error.__cause__ = MustAbortError("the group has moved on")
    traces.start_span(batch(b"{}")).fail(error)
    traces.close()

    [sent] = collector.spans
    assert (sent.status.code, sent.status.message) == (sent.status.STATUS_CODE_ERROR, "the group has moved on")
    assert attributes(sent.attributes)["error.type"] == "MustAbortError"


def test_a_batch_links_the_traces_of_its_records(collector: Collector) -> None:
    traces = OtelTracing("fraud", collector.url)
    headers = [traced(number) for number in (0, 1, 1, 0)]
    traces.start_span(with_headers(headers)).finish(STAGES, time.perf_counter())
    traces.close()

    [sent] = collector.named("process")
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in sent.links] == [
        (f"{1:032x}", f"{1:016x}"),
        (f"{2:032x}", f"{2:016x}"),
    ]
    assert MARKER not in collector.received


@pytest.mark.parametrize("variable", [None, "OTEL_SPAN_LINK_COUNT_LIMIT"])
def test_links_are_limited(collector: Collector, monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    if variable is not None:
        monkeypatch.setenv(variable, "5")
    traces = OtelTracing("fraud", collector.url)
    traces.start_span(with_headers([traced(number) for number in range(2000)])).finish(STAGES, time.perf_counter())
    traces.close()

    [sent] = collector.named("process")
    assert len(sent.links) == (128 if variable is None else 5)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("other", b"x")],
        [("traceparent", None)],
        [("traceparent", b"")],
        [("traceparent", b"\xff\xfe")],
        [("traceparent", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01")],
        [("traceparent", parent(1) + b"-" + b"x" * 600)],
    ],
)
def test_an_invalid_trace_context_makes_no_link(headers: Headers) -> None:
    assert parents([headers], 128) == []


def test_variables_name_the_service(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "fraud-scorer")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    traces = OtelTracing("fraud", collector.url)
    traces.start_span(batch(b"{}")).fail(UndeliveredError("no"))
    traces.close()

    [resource] = collector.resources
    assert resource["service.name"] == "fraud-scorer"
    assert resource["deployment.environment.name"] == "test"


def with_headers(headers: list[Headers]) -> Batch:
    count = len(headers)
    return Batch("sessions", [0] * count, list(range(count)), [1] * count, [MARKER] * count, [MARKER] * count, headers)


# -- what switches it on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://collector:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", ENDPOINT: "http://collector:4318"}, False),
        ({"OTEL_SERVICE_NAME": "scorer"}, False),
    ],
)
def test_standard_variables_switch_tracing_on(environ: dict[str, str], on: bool) -> None:
    assert tracing.is_requested(environ) is on


def test_tracing_is_off_by_default(caplog: pytest.LogCaptureFixture) -> None:
    assert tracing.tracing({}, "fraud") is tracing.OFF
    assert caplog.records == []


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"OTEL_TRACES_EXPORTER": "console"}, "OTEL_TRACES_EXPORTER names an exporter that is not here: there is otlp"),
        (
            {ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL is not http/protobuf, the only supported protocol (a collector's port 4318)",
        ),
    ],
)
def test_an_unsupported_exporter_is_one_warning(
    environ: dict[str, str], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert tracing.tracing(environ, "fraud") is tracing.OFF
    [line] = caplog.records
    assert (line.levelname, line.getMessage()) == ("WARNING", "tracing is off")
    assert vars(line)["reason"] == reason


@pytest.mark.usefixtures("collector")
def test_an_invalid_variable_is_not_quoted(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "secret")
    assert tracing.tracing({ENDPOINT: "http://collector:4318"}, "fraud") is tracing.OFF
    [line] = caplog.records
    assert vars(line)["reason"].endswith("are the variables OTEL_* right?")
    assert "secret" not in str(vars(line))


def test_a_silent_collector_does_not_delay_the_end(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as mute:
        monkeypatch.setenv(ENDPOINT, f"http://{HOST}:{mute.getsockname()[1]}")
        traces = OtelTracing("fraud", collector.url)
        traces.start_span(batch(b"{}")).fail(UndeliveredError("no"))
        began = time.monotonic()
        traces.close()
    assert time.monotonic() - began < CLOSE_SECONDS + 5  # the collector is given 10


# -- the consumer as it runs -----------------------------------------------------------------------------------------


@pytest.mark.kafka
def test_spans_hold_no_payload(kafka: str, topics: Topics, tmp_path: Path) -> None:
    line = Line.on(kafka, topics)
    events = [HIGH, b"{" + MARKER, *(value for _, value in islice(keyed_events(seed=7), 98))]
    write(kafka, line.sessions, [Event(each, MARKER, headers=traced(i)) for i, each in enumerate(events)])
    with collecting() as collector, line.running(tmp_path / "log", env={ENDPOINT: collector.url}) as process:
        line.wait_for(lambda count: count == len(events), process)
        assert stop(process) == 0

    batches = collector.named(f"process {line.sessions}")
    counts = [attributes(each.attributes)["messaging.batch.message_count"] for each in batches]
    assert sum(map(int, counts)) == len(events)
    assert {attributes(each.attributes)["messaging.consumer.group.name"] for each in batches} == {line.group}
    for each in batches:
        assert list(collector.children(each)) == list(STAGES)
    linked = {link.span_id for each in batches for link in each.links}
    assert linked == {(i + 1).to_bytes(8, "big") for i in range(len(events))}
    assert collector.resources[0]["service.name"] == "session-scorer"
    assert MARKER not in collector.received
    assert MARKER.decode() not in (tmp_path / "log").read_text()
    # what came with a record goes on with what becomes of it, byte for byte
    for topic in (line.results, line.alerts, line.dead_letters):
        messages = read(kafka, topic)
        assert messages
        for message in messages:
            carried = dict(cast("Headers", message.headers()))
            number = int((carried["traceparent"] or b"")[3:35], 16) - 1
            assert dict(traced(number)).items() <= carried.items()


@pytest.mark.kafka
@pytest.mark.parametrize("mute", [False, True], ids=["refuses", "never answers"])
def test_a_consumer_runs_without_its_collector(kafka: str, topics: Topics, tmp_path: Path, mute: bool) -> None:
    line, log = Line.on(kafka, topics), tmp_path / "log"
    line.feed(2_000)
    with ExitStack() as stack:
        port = free_ports(1)[0]
        if mute:
            port = stack.enter_context(socket.create_server((HOST, 0))).getsockname()[1]
        env = {ENDPOINT: f"http://user:secret@{HOST}:{port}", "OTEL_BSP_SCHEDULE_DELAY": "100"}
        env["OTEL_EXPORTER_OTLP_TIMEOUT"] = "1"
        process = stack.enter_context(line.running(log, env=env))
        line.wait_for(lambda count: count == 2_000, process)
        wait_until(lambda: "traces cannot be sent" in log.read_text())
        began = time.monotonic()
        assert stop(process) == 0
        assert time.monotonic() - began < 10
    warnings = _warnings(log)
    assert [each["message"] for each in warnings] == ["traces cannot be sent"]
    assert warnings[0]["endpoint"] == f"{HOST}:{port}"
    assert "secret" not in log.read_text()


@pytest.mark.kafka
def test_a_consumer_runs_without_the_extra(kafka: str, topics: Topics, tmp_path: Path) -> None:
    line, log = Line.on(kafka, topics), tmp_path / "log"
    line.feed(200)
    program = "import sys; sys.modules['opentelemetry'] = None; from consumer.__main__ import main; main()"
    line.drain(log, 200, command=(sys.executable, "-c", program), env={"OTEL_TRACES_EXPORTER": "otlp"})
    warnings = _warnings(log)
    assert [(each["message"], each["reason"]) for each in warnings] == [
        ("tracing is off", "OpenTelemetry is not installed: pip install 'session-scorer[tracing]'")
    ]


def _warnings(log: Path) -> list[dict[str, str]]:
    """All that is logged of tracing, by us or by the library; a busy machine may have slow batches besides."""
    return [each for each in logged(log) if each["level"] != "info" and each["message"] != "slow batch"]
