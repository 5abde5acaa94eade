"""`session-scorer demo`, run as its users run it: to the end, until Ctrl-C, on their own file, on a terminal."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import msgspec
import pytest
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

from consumer.config import settings
from consumer.console.snapshot import read_metrics
from consumer.demo import main
from consumer.errors import WorkerError
from consumer.process import BackgroundTask
from tests.support.command_line import COMMAND, running

SECONDS = 60


def demo(*arguments: str, **variables: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return running(*COMMAND, "demo", *arguments, env={**os.environ, **variables})


def until(process: subprocess.Popen[str], pattern: str) -> tuple[re.Match[str], str]:
    """Reads its lines up to the first that matches."""
    assert process.stdout is not None
    lines = ""
    for line in process.stdout:
        lines += line
        if found := re.search(pattern, line):
            return found, lines
    raise AssertionError(f"it ended without {pattern}: {lines}")


def summed_up(output: str) -> dict[str, str]:
    """The summary, by what each line is about."""
    summary = output.partition("session-scorer demo: ")[2].replace("\n" + " " * 18, " ")
    return dict(re.findall(r"^  (\S+(?: \S+)*) {2,}(.+)$", summary, re.MULTILINE))


def number(text: str) -> int:
    """The number that a line begins with."""
    return int(text.split(maxsplit=1)[0].rstrip(":").replace(",", ""))


def test_it_scores_all_it_feeds_and_ends_by_itself() -> None:
    # what a user has set for production, or for colours, must not matter
    own = {"SESSION_SCORER_GROUP_ID": "production", "KAFKA_SECURITY_PROTOCOL": "SSL", "FORCE_COLOR": "1"}
    with demo("--events", "600", "--rate", "400", **own) as process:
        url, before = until(process, r"metrics (http://\S+)")
        _, more = until(process, "running")
        with build_opener(ProxyHandler({})).open(url[1], timeout=5) as answer:
            scraped = read_metrics(text_string_to_metric_families(answer.read().decode()), at=0)
        rest, errors = process.communicate(timeout=SECONDS)

    output = before + more + rest
    assert (process.returncode, errors) == (0, "")
    assert "\x1b" not in output
    assert "without transactions: at-least-once" in output
    assert list(scraped.levels) == ["Low", "Medium", "High"]
    summary = summed_up(output)
    assert number(summary["events fed"]) == 600
    assert number(summary["results"]) + number(summary["dead letters"]) == 600
    assert number(summary["dead letters"]) > 0
    high = re.search(r"High (\d+)", summary["results"])
    assert high is not None
    assert int(high[1]) == number(summary["alerts"]) > 0
    assert re.fullmatch(r"p50 \d.* m?s, p99 \d.* m?s \(event in Kafka to result committed\)", summary["latency"])
    assert re.search(r"^alert 0\.\d{4} session_\S+: \w+", output, re.MULTILINE)
    assert re.search(r"^dead letter (not_\w+|wrong_type|bad_date|out_of_range|too_deep), \w+", output, re.MULTILINE)


def test_ctrl_c_in_the_middle_ends_it_with_what_was_done() -> None:
    with demo("--events", "100000", "--rate", "200") as process:
        until(process, "running")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=SECONDS)

    assert (process.returncode, errors) == (0, "")
    assert "session-scorer demo: interrupted" in output
    summary = summed_up(output)
    assert "not yet scored" not in summary["events fed"]
    assert number(summary["results"]) + number(summary["dead letters"]) == number(summary["events fed"]) > 0


@pytest.mark.parametrize("request_to_stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_it_runs_ends_it_too(request_to_stop: signal.Signals) -> None:
    with demo() as process:
        until(process, "starting")
        process.send_signal(request_to_stop)
        output, errors = process.communicate(timeout=SECONDS)

    assert (process.returncode, errors) == (0, "")
    assert number(summed_up(output)["events fed"]) == 0


def test_the_users_own_file_is_fed_line_by_line(tmp_path: Path) -> None:
    event = {"user_id": "u", "session_id": "mine\x1b[2J", "transaction_amount": 20_000, "click_events": 50}
    event["transaction_date"] = "2026-11-23T02:00:00"
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b"\n".join([msgspec.json.encode(event), b"{", b"", b"[]", msgspec.json.encode(event)]))

    with demo("--input", str(path)) as process:
        output, errors = process.communicate(timeout=SECONDS)

    assert (process.returncode, errors) == (0, "")
    assert "\x1b" not in output
    summary = summed_up(output)
    assert number(summary["events fed"]) == 5
    assert number(summary["results"]) == 2
    assert summary["dead letters"] == "3: not_json 2, not_an_object 1"


def test_a_pipe_that_nobody_writes_to_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with demo("--input", str(path)) as process:
        until(process, "starting|joining")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=SECONDS)

    assert (process.returncode, errors) == (0, "")
    assert number(summed_up(output)["events fed"]) == 0


def test_the_newest_dead_letter_is_shown_without_its_value(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"click_events": "SECRET-1"}\n')

    with demo("--input", str(path)) as process:
        output, errors = process.communicate(timeout=SECONDS)

    assert (process.returncode, errors) == (0, "")
    assert "dead letter wrong_type, click_events: expected a number from 0 to 1e12, got a string\n" in output
    assert "SECRET" not in output


def test_a_file_that_is_no_json_lines_is_named_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_text('[{"click_events": 1}]')

    with demo("--input", str(path)) as process:
        output, errors = process.communicate(timeout=SECONDS)

    assert (process.returncode, output) == (1, "")
    assert errors.startswith(f"session-scorer: {path} is a JSON array: write one object a line (JSON Lines)")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--input", "nowhere.jsonl"], "nowhere.jsonl cannot be read: No such file or directory"),
        (["--artifacts", "nowhere"], "nowhere"),
        (["--bootstrap-servers", ""], "--bootstrap-servers: expected HOST:PORT"),
    ],
)
def test_what_cannot_work_is_one_line(arguments: list[str], said: str) -> None:
    with demo(*arguments) as process:
        _, errors = process.communicate(timeout=SECONDS)

    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert said in errors


def test_on_a_terminal_it_draws() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    command = [*COMMAND, "demo", "--events", "50"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        drawn = b"".join(chunks(ours)).decode()
    os.close(ours)

    assert "\x1b[" in drawn
    assert "╭─ dead letters" in re.sub(r"\x1b\[[\d;]*m", "", drawn)
    assert number(summed_up(drawn.replace("\r\n", "\n"))["events fed"]) == 50


def chunks(terminal: int) -> Iterator[bytes]:
    """What is written to a terminal, until nobody has it open any more."""
    while True:
        try:
            yield os.read(terminal, 65_536)
        except OSError:
            return


@pytest.mark.kafka
def test_on_a_real_broker_it_is_exactly_once_on_topics_of_its_own(kafka: str) -> None:
    with demo("--events", "300", "--bootstrap-servers", kafka, SESSION_SCORER_RESULTS_TOPIC="production") as process:
        output, errors = process.communicate(timeout=SECONDS)

    assert (process.returncode, errors) == (0, "")
    assert "exactly-once" in output
    summary = summed_up(output)
    assert number(summary["results"]) + number(summary["dead letters"]) == number(summary["events fed"]) == 300
    kept = summary["kept on broker"].split(", ")
    assert all(name.startswith("demo-") for name in kept)
    admin = AdminClient({"bootstrap.servers": kafka})
    for deleted in admin.delete_topics(kept).values():
        deleted.result(SECONDS)  # an error when it is not there


def test_nothing_of_production_is_touched_whatever_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.setting_names():
        if name.endswith(("_topic", "group_id", "bootstrap_servers")):
            monkeypatch.setenv(f"SESSION_SCORER_{name.upper()}", "production")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "secret")
    monkeypatch.setenv("SESSION_SCORER_INPUT_FORMAT", "avro")

    embedded = main.own_settings({}, "127.0.0.1:1", "abc", embedded=True)
    real = main.own_settings({"kafka": ["client.id=demo"]}, "127.0.0.1:1", "abc", embedded=False)

    assert "production" not in str(embedded.model_dump())
    assert embedded.kafka == main.EMBEDDED_PROPERTIES
    assert "production" not in str(real.model_dump())
    assert real.kafka == {"sasl.password": "secret", "client.id": "demo"}
    assert real.input_topic == "demo-abc-sessions"
    assert (embedded.delivery.value, real.delivery.value) == ("at-least-once", "exactly-once")
    assert (embedded.input_format, real.input_format) == ("json", "json")


def test_embedded_broker_wants_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_SCORER_LOGIN", "gcp")
    logins = [main.own_settings({}, "127.0.0.1:1", "abc", embedded=embedded).login for embedded in (True, False)]
    assert logins == [None, "gcp"]


def test_what_ends_a_thread_is_raised_where_it_can_be_told() -> None:
    def fail() -> None:
        raise WorkerError("no more")

    task = BackgroundTask("work", fail)
    assert task.join(SECONDS)
    with pytest.raises(WorkerError, match="no more"):
        task.check()
