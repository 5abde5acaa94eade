"""What `check` makes of facts, and what it says where there is no broker."""

import json
import os
import re
import socket
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from prometheus_client import CollectorRegistry

from consumer.check import group as groups
from consumer.check import topics
from consumer.check.finding import Finding, Status, duration, ok
from consumer.check.report import line
from consumer.check.topics import Needs
from consumer.delivery.transactional_ids import take_slot
from consumer.kafka.descriptions import (
    ClockReading,
    ConsumerGroup,
    FirstRecord,
    MemberSettings,
    Missing,
    Position,
    Topic,
)
from consumer.observability.health import Health
from consumer.observability.http_server import PortInUseError, Server
from consumer.observability.metrics import Metrics
from scoring.artifacts import shipped
from tests.support.command_line import Call

HOUR = 3_600_000  # ms
DAY = 24 * HOUR
NOBODY = "127.0.0.1:1"
SETTINGS = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "max.message.bytes": "1048588",
    "message.timestamp.after.max.ms": str(HOUR),
    "message.timestamp.before.max.ms": str(2**63 - 1),
    "message.timestamp.type": "CreateTime",
    "min.insync.replicas": "2",
    "retention.bytes": "-1",
    "retention.ms": str(7 * DAY),
    "unclean.leader.election.enable": "false",
}
SOUND = Topic("t", 4, 3, 3, 0, has_id=True, allowed=frozenset({"READ", "WRITE"}), settings=SETTINGS)
NEEDS = Needs(1_000_000, input_retention_ms=7 * DAY)


def setting(**changed: str) -> Topic:
    """The sound topic with other settings, `_` for a dot."""
    return replace(SOUND, settings=SETTINGS | {name.replace("_", "."): value for name, value in changed.items()})


def wrong(found: Sequence[Finding]) -> list[tuple[str, str]]:
    """Status and message of all that is not ok."""
    return [(each.status.value, each.message) for each in found if each.status is not Status.OK]


# -- topics ----------------------------------------------------------------------------------------------------------


def test_a_sound_topic_is_described_in_one_line() -> None:
    for found in (topics.output(SOUND, NEEDS), topics.source(SOUND, NEEDS)):
        assert found == [
            ok(
                "topic t",
                "4 partitions, replication 3 (min.insync.replicas 2), keeps records for 7 d, takes 1,048,588 bytes",
            )
        ]


def test_a_bound_in_bytes_and_another_compression_are_told() -> None:
    (found,) = topics.output(setting(retention_bytes="1000000", compression_type="gzip", retention_ms="-1"), NEEDS)
    assert "for ever, at most 1,000,000 bytes a partition" in found.message
    assert found.message.endswith("recompressed (gzip)")


@pytest.mark.parametrize(
    ("topic", "status", "said"),
    [
        (replace(SOUND, leaderless=1), "fail", "1 of its partitions have no leader"),
        (replace(SOUND, in_sync=1), "fail", "1 replicas in sync, and min.insync.replicas is 2"),
        (replace(SOUND, replicas=1, in_sync=1), "warn", "min.insync.replicas is 2, and it has 1 replicas"),
        (replace(setting(min_insync_replicas="3"), replicas=2, in_sync=1), "fail", "1 replicas in sync"),
        (replace(SOUND, replicas=2), "warn", "with one broker away nothing is written"),
        (replace(setting(min_insync_replicas="1"), replicas=1), "warn", "has no replicas"),
        (setting(min_insync_replicas="1"), "warn", "min.insync.replicas is 1"),
        (setting(unclean_leader_election_enable="true"), "warn", "unclean.leader.election.enable"),
        (replace(SOUND, has_id=False), "warn", "brokers older than 2.8"),
        (replace(SOUND, settings=None), "warn", "allow this user DescribeConfigs"),
    ],
)
def test_a_topic_that_may_lose_or_refuse_records_is_named(topic: Topic, status: str, said: str) -> None:
    for found in (topics.output(topic, NEEDS), topics.source(topic, NEEDS)):
        ((had, message),) = wrong(found)
        assert had == status
        assert said in message


@pytest.mark.parametrize(
    ("topic", "needs", "status", "said"),
    [
        (setting(max_message_bytes="999999"), NEEDS, "warn", "less than --max-record-bytes (1,000,000)"),
        (setting(max_message_bytes="300"), NEEDS, "warn", "or as a dead letter"),
        (setting(segment_bytes="20000"), NEEDS, "warn", "segment.bytes is 20,000, less than --max-record-bytes"),
        (setting(cleanup_policy="compact"), NEEDS, "fail", "is compacted"),
        (setting(cleanup_policy="compact,delete"), NEEDS, "fail", "is compacted"),
        (setting(retention_ms=str(HOUR)), replace(NEEDS, oldest_age_ms=HOUR), "fail", "deleted at once"),
        (setting(retention_ms=str(HOUR)), NEEDS, "warn", "keeps records for 1 h, the input topic for 7 d"),
        (SOUND, replace(NEEDS, input_retention_ms=-1), "warn", "the input topic for ever"),
        (
            setting(message_timestamp_before_max_ms=str(HOUR)),
            replace(NEEDS, oldest_age_ms=HOUR + 1),
            "warn",
            "refuses records dated more than 1 h ago",
        ),
        (setting(message_timestamp_after_max_ms="1000"), NEEDS, "warn", "dates up to 10 min ahead"),
        (
            setting(message_timestamp_after_max_ms="1000"),
            replace(NEEDS, newest_ahead_ms=2000),
            "warn",
            "the newest event is 2 s ahead",
        ),
        (setting(message_timestamp_type="LogAppendTime"), NEEDS, "warn", "results lose the dates"),
    ],
)
def test_an_output_topic_that_does_not_take_or_keep_what_is_written_is_named(
    topic: Topic, needs: Needs, status: str, said: str
) -> None:
    ((had, message),) = wrong(topics.output(topic, needs))
    assert had == status
    assert said in message


@pytest.mark.parametrize(("name", "value"), [("max.message.bytes", "16383"), ("segment.bytes", "900")])
def test_only_the_topic_of_dead_letters_must_take_16_kib(name: str, value: str) -> None:
    topic = replace(SOUND, settings=SETTINGS | {name: value})
    ((status, message),) = wrong(topics.output(topic, NEEDS, dead_letters=True))
    assert status == "fail"
    assert message.startswith(f"{name} is {int(value):,}, and a dead letter may need 16,384: run does not start")
    assert wrong(topics.output(topic, NEEDS))[0][0] == "warn"


def test_dead_letters_may_go_to_a_topic_of_16_kib_that_compresses_anew() -> None:
    topic = setting(max_message_bytes="16384", compression_type="zstd")
    ((status, _),) = wrong(topics.output(topic, NEEDS, dead_letters=True))
    assert status == "warn"


def test_the_one_setting_of_dates_of_brokers_before_3_6_counts_for_both() -> None:
    old = {name: value for name, value in SETTINGS.items() if "before" not in name and "after" not in name}
    topic = replace(SOUND, settings=old | {"message.timestamp.difference.max.ms": str(HOUR)})
    assert wrong(topics.output(topic, NEEDS)) == []
    ((status, _),) = wrong(topics.output(topic, replace(NEEDS, oldest_age_ms=HOUR + 1)))
    assert status == "warn"


@pytest.mark.parametrize(
    ("topic", "age", "said"),
    [
        (SOUND, 4 * DAY, "the oldest that waits is 4 d old"),
        (setting(retention_ms=str(HOUR)), None, "a worker that is away longer never sees them"),
        (setting(cleanup_policy="compact"), None, "some go before they are scored"),
    ],
)
def test_an_input_topic_that_may_lose_events_unread_is_named(topic: Topic, age: int | None, said: str) -> None:
    ((status, message),) = wrong(topics.source(topic, replace(NEEDS, oldest_age_ms=age)))
    assert status == "warn"
    assert said in message


def test_a_backlog_within_bounds_is_nothing_to_warn_of() -> None:
    aged = replace(NEEDS, oldest_age_ms=3 * DAY, newest_ahead_ms=5000)
    assert wrong([*topics.source(SOUND, aged), *topics.output(SOUND, aged)]) == []


def test_a_topic_that_is_missing_is_a_failure_unless_run_makes_it() -> None:
    assert topics.missing(Missing("sesions", "sessions"), NEEDS).status is Status.FAIL
    assert "the nearest name is sessions" in topics.missing(Missing("sesions", "sessions"), NEEDS).message
    assert "nearest" not in topics.missing(Missing("x"), NEEDS).message
    assert topics.missing(Missing("x"), replace(NEEDS, creates=True)).status is Status.WARN
    assert topics.missing(Missing("x", denied=True), replace(NEEDS, creates=True)).status is Status.FAIL


# -- the group, what waits, the clocks -------------------------------------------------------------------------------

GROUP = ConsumerGroup("STABLE", 2, ["a", "b"], frozenset({"READ", "DESCRIBE"}))


def as_member(instance: str | None = None) -> MemberSettings:
    return MemberSettings(instance, "classic", ["cooperative-sticky"])


def test_a_group_is_described_or_what_is_wrong_with_it_is_named() -> None:
    assert groups.group("g", GROUP, as_member()) == ok("group g", "2 members, stable")
    assert groups.group("g", GROUP, as_member("c")).status is Status.OK
    new = groups.group("g", ConsumerGroup(None, 0, [], None), as_member("a"))
    assert new.message == "is new: it begins with the oldest event"
    alike = groups.group("g", GROUP, as_member("b"))
    assert alike.status is Status.FAIL
    assert "the same -X group.instance.id (b)" in alike.message
    denied = groups.group("g", replace(GROUP, allowed=frozenset({"DESCRIBE"})), as_member())
    assert denied.status is Status.FAIL
    assert "lacks the right Read on the group" in denied.message


@pytest.mark.parametrize(
    ("theirs", "ours", "status", "said"),
    [
        (("classic", "cooperative-sticky"), ("classic", "cooperative-sticky"), "ok", "2 members, stable"),
        (("classic", "range"), ("classic", "roundrobin,range"), "ok", "2 members, stable"),
        (("classic", ""), ("classic", "cooperative-sticky"), "ok", "2 members, stable"),
        (("consumer", "uniform"), ("consumer", "cooperative-sticky"), "ok", "2 members, stable"),
        (("", ""), ("classic", "cooperative-sticky"), "ok", "2 members, stable"),
        (("classic", "range"), ("classic", "cooperative-sticky"), "fail", "use assignor range, this worker coop"),
        (("classic", "sessioned"), ("classic", "cooperative-sticky"), "fail", "choose another --group-id"),
        (("classic", "range"), ("consumer", "range"), "warn", "use group.protocol=classic, this worker consumer"),
        (("consumer", "uniform"), ("classic", "range"), "warn", "use group.protocol=consumer, this worker classic"),
    ],
)
def test_a_group_of_others_is_told_by_what_its_members_use(
    theirs: tuple[str, str], ours: tuple[str, str], status: str, said: str
) -> None:
    found = replace(GROUP, protocol=theirs[0], assignor=theirs[1])
    judged = groups.group("g", found, MemberSettings(None, ours[0], ours[1].split(",")))
    assert judged.status == status
    assert said in judged.message
    assert groups.group("g", replace(found, members=0), as_member()).status is Status.OK


def test_rights_to_write_are_judged_by_what_the_broker_tells() -> None:
    assert groups.writable(SOUND).status is Status.OK
    assert groups.writable(replace(SOUND, allowed=frozenset({"READ"}))).status is Status.FAIL
    assert groups.writable(replace(SOUND, allowed=None)).status is Status.WARN


@pytest.mark.parametrize("committed", [4, 21])
def test_offsets_that_are_gone_stop_a_run_unless_it_is_to_go_on(committed: int) -> None:
    positions = [Position(0, 10, 5, 20), Position(1, committed, 5, 20)]
    stops = groups.position("t", positions, continues=False)
    assert stops.status is Status.FAIL
    assert f"partition 1 is to be read from offset {committed}, and holds 5 to 20" in stops.message
    assert groups.position("t", positions, continues=True).status is Status.WARN


def test_what_waits_is_counted_from_where_the_group_stands_or_the_oldest() -> None:
    positions = [Position(0, 10, 5, 20), Position(1, None, 5, 20), Position(2, 20, 5, 20), Position(3, 5, 5, 20)]
    assert groups.position("t", positions, continues=False) == ok("events of t", "40 to be read")


def test_a_transaction_upstream_that_is_open_is_warned_of_with_its_partition() -> None:
    ends, stable = {0: 20, 1: 40, 2: 7}, {0: 20, 1: 16, 2: 6}
    (finding,) = groups.open_transactions("t", ends, stable)
    assert finding.status is Status.WARN
    assert "partition 1: a transaction of a producer is open: 24 offsets from 16 on" in finding.message
    assert "(2 partitions are so)" in finding.message


def test_where_all_is_stable_nothing_is_said_of_transactions() -> None:
    assert list(groups.open_transactions("t", {0: 20, 1: 40}, {0: 20, 1: 41})) == []
    assert list(groups.open_transactions("t", {}, {0: 3})) == []


def test_the_oldest_event_is_told_by_its_date_where_it_has_one() -> None:
    waiting = [FirstRecord(number, 0, date, b"{}") for number, date in enumerate((-1, 0, 500, 900))]
    assert groups.oldest_age(waiting, 1000) == 500
    assert groups.oldest_age(waiting[:2], 1000) is None
    assert groups.oldest_age(waiting, 400) == 0
    assert (groups.ahead(1500, 1000), groups.ahead(-1, 1000)) == (500, 0)


@pytest.mark.parametrize(
    ("latest", "status", "said"),
    [
        (10_000, "ok", "agrees with the broker's to 20 ms"),
        (9_500, "ok", "agrees"),
        (8_000, "warn", "2 s ahead of the broker's"),
        (12_020, "warn", "2 s behind the broker's"),
        (10_020 + HOUR, "fail", "1 h behind the broker's"),
        (10_000 - HOUR, "fail", "1 h ahead of the broker's"),
    ],
)
def test_a_clock_is_off_by_what_no_delay_explains(latest: int, status: str, said: str) -> None:
    found = groups.clock(ClockReading(10_000, 10_020, latest))
    assert found.status == status
    assert said in found.message


def test_a_clock_that_could_not_be_compared_says_why() -> None:
    assert "dated ahead" in groups.clock(ClockReading(1, 2, None, hidden_by=9)).message
    assert "a transaction" in groups.clock(ClockReading(1, 2, None)).message


def test_events_dated_ahead_are_told_from_a_second_on() -> None:
    assert list(groups.dates("t", 999)) == []
    (soon,) = groups.dates("t", 5000)
    assert soon.message.startswith("the newest is dated 5 s ahead of this machine's clock: look")
    (later,) = groups.dates("t", HOUR)
    assert "gets the time of day" in later.message


def test_what_is_no_event_is_told_by_its_code() -> None:
    assert list(groups.kind("t", [None, None])) == []
    (found,) = groups.kind("t", ["not_json", None, "wrong_type"])
    assert "of 3 looked at 2 are invalid (not_json, wrong_type)" in found.message


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0, "0 ms"), (999, "999 ms"), (1500, "1.5 s"), (90_000, "1.5 min"), (7 * DAY, "7 d")]
)
def test_lengths_of_time_are_told_in_their_largest_unit(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text


def test_nothing_that_is_shown_steers_a_terminal() -> None:
    assert line(ok("group \x1b[2J", "is\nnew")) == "ok   group ?[2J: is?new"


# -- the command, where there is no broker ---------------------------------------------------------------------------


def test_each_setting_is_told_with_the_place_it_came_from_and_no_secret_with_it(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        'group_id = "of-file"\nalerts_topic = "of-file"\n[kafka]\nsasl.password = "marker-3"\nretries = 7\n'
    )
    monkeypatch.setenv("SESSION_SCORER_CONFIG", str(path))
    monkeypatch.setenv("SESSION_SCORER_ALERTS_TOPIC", "of-environment")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", NOBODY)
    monkeypatch.setenv("KAFKA_SSL_KEY_PASSWORD", "marker-2")
    given = ["--results-topic", "of-command-line", "-X", "sasl.password=marker-1", "--metrics-port", "0"]
    as_json = call("check", "--json", *given)
    assert as_json.status == 1
    found = {each["name"]: (each["value"], each["from"]) for each in json.loads(as_json.out)["settings"]}
    assert found["results_topic"] == ("of-command-line", "command line")
    assert found["alerts_topic"] == ("of-environment", "environment variable SESSION_SCORER_ALERTS_TOPIC")
    assert found["bootstrap_servers"] == (NOBODY, "environment variable KAFKA_BOOTSTRAP_SERVERS")
    assert found["config"] == (str(path), "environment variable SESSION_SCORER_CONFIG")
    assert found["group_id"] == ("of-file", f"file {path}")
    assert found["input_topic"] == ("sessions", "default")
    assert found["kafka.sasl.password"] == ("***", "command line")
    assert found["kafka.ssl.key.password"] == ("***", "environment variable KAFKA_SSL_KEY_PASSWORD")
    assert found["kafka.retries"] == ("7", f"file {path}")
    plain = call("check", *given).out
    assert f"     group_id = of-file (file {path})\n" in plain
    assert "input_topic" not in plain
    assert "marker" not in as_json.out + as_json.err + plain
    assert "warn secrets: sasl.password on the command line, where any user of this host can list it" in plain
    assert "set KAFKA_SASL_PASSWORD_FILE in the environment" in plain


def test_a_set_without_golden_vectors_gets_them_as_check_says(call: Call, tmp_path: Path) -> None:
    used, copy = tmp_path / "set", tmp_path / "copy"
    given = ("check", "--artifacts", used, "--bootstrap-servers", NOBODY, "--metrics-port", "0")
    copytree(shipped(), used)
    copytree(shipped(), copy, ignore=ignore_patterns("manifest.json"))
    path = used / "manifest.json"
    described = json.loads(path.read_text())
    path.write_text(json.dumps(described | {"golden": []}))
    said = " ".join(call(*given).out.split())
    assert "take `golden` from the one that session-scorer model verify --write-manifest writes in a copy" in said
    assert call("model", "verify", copy, "--write-manifest").status == 0
    path.write_text(json.dumps(described | {"golden": json.loads((copy / "manifest.json").read_text())["golden"]}))
    assert "ok   artifacts: " in call(*given).out


def test_settings_that_come_by_a_pipe_are_told_as_those_of_a_file(call: Call, tmp_path: Path) -> None:
    pipe = tmp_path / "settings.toml"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_text, args=('group_id = "piped"',), daemon=True).start()
    said = call("check", "--bootstrap-servers", NOBODY, "--metrics-port", "0", "--config", pipe)
    assert f"     group_id = piped (file {pipe})\n" in said.out


def test_without_a_broker_what_needs_none_is_checked_all_the_same(call: Call) -> None:
    said = call("check", "--bootstrap-servers", NOBODY, "--metrics-port", "0")
    assert said.status == 1
    lines = said.out.splitlines()
    assert any(text.startswith("ok   artifacts: ") for text in lines)
    assert any(text.startswith("fail broker: no Kafka broker answered at 127.0.0.1:1") for text in lines)
    assert "skip topic sessions: not checked: no broker answers" in lines
    assert "skip clock: not checked: no broker answers" in lines
    assert [text for text in lines if text.startswith("fail")] == [text for text in lines if "fail broker: " in text]
    assert lines[-1].endswith(" 1 fail, 10 skip")
    assert said.err == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--batch-events", "many"], "--batch-events: expected a whole number"),
        (["--results-topic", "sessions"], "are the same topic"),
        (["-X", "transaction.timeout.ms=300000"], "must be less than max.poll.interval.ms"),
        (["--config", "/nowhere.toml"], "/nowhere.toml cannot be read"),
    ],
)
def test_settings_that_are_wrong_are_a_failure_of_their_own(call: Call, given: list[str], said: str) -> None:
    found = call("check", *given)
    assert found.status == 1
    assert found.out.startswith("fail settings: ")
    assert said in found.out
    assert found.err == ""


def test_a_port_where_a_session_scorer_answers_is_told_from_one_that_is_taken(call: Call) -> None:
    metrics = Metrics("version", "0" * 64)
    server = Server("127.0.0.1", 0, metrics.registry, Health())
    other = Server("127.0.0.1", 0, CollectorRegistry(), Health())
    try:
        ours, theirs = (
            call("check", "--bootstrap-servers", NOBODY, "--metrics-port", each.port).out for each in (server, other)
        )
    finally:
        server.close()
        other.close()
    assert f"warn metrics: a session-scorer answers on 127.0.0.1 port {server.port} already" in ours
    assert f"fail metrics: metrics cannot be served on 127.0.0.1 port {other.port}" in theirs


def test_the_default_port_where_a_session_scorer_answers_is_passed_over(call: Call) -> None:
    metrics = Metrics("version", "0" * 64)
    try:
        server = Server("127.0.0.1", 9108, metrics.registry, Health())
    except PortInUseError:  # another program of this host has it
        said = call("check", "--bootstrap-servers", NOBODY)
    else:
        said = call("check", "--bootstrap-servers", NOBODY)
        server.close()
    assert re.search(
        r"^warn metrics: .* 127\.0\.0\.1 port 9108 .* serves on port 91[01]\d, unless", said.out, re.MULTILINE
    )


def test_a_port_where_something_else_than_http_answers_is_taken_by_others(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        def answer() -> None:
            with taken.accept()[0] as client:
                client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

        threading.Thread(target=answer, daemon=True).start()
        said = call("check", "--bootstrap-servers", NOBODY, "--metrics-port", port)
    assert f"fail metrics: metrics cannot be served on 127.0.0.1 port {port}" in said.out
    assert "skip clock: not checked" in said.out


def test_a_slot_that_is_taken_is_named_with_its_transactional_ids(call: Call) -> None:
    with take_slot("of-a-test", 5):
        said = call("check", "--bootstrap-servers", NOBODY, "--group-id", "of-a-test", "--slot", 5)
        free = call("check", "--bootstrap-servers", NOBODY, "--group-id", "of-a-test")
    assert f"the same transactional ids (of-a-test-{socket.gethostname()}-5-0 and" in said.out
    assert "ok   slot: 0 is free" in free.out


def test_a_certificate_that_is_not_there_is_named_with_its_path(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "none.pem"
    tls = ["-X", "security.protocol=SSL", "-X", f"ssl.ca.location={path}"]
    said = call("check", "--bootstrap-servers", NOBODY, *tls)
    assert f"fail file ssl.ca.location: {path} cannot be read: No such file or directory" in said.out


def test_files_of_the_registry_are_checked_when_it_is_used(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "none.pem"
    registry = ["--schema-registry-url", "https://registry", "-R", f"ssl.ca.location={path}"]
    used = call("check", "--bootstrap-servers", NOBODY, *registry, "--input-format", "avro").out
    assert f"fail file schema_registry.ssl.ca.location: {path} cannot be read: No such file or directory" in used
    assert "input format" not in used
    unused = call("check", "--bootstrap-servers", NOBODY, *registry).out
    assert "file schema_registry" not in unused
    assert "warn input format: a Schema Registry is set, and plain JSON does not use it" in unused


def test_secret_of_the_registry_on_the_command_line_is_warned_of(call: Call) -> None:
    said = call("check", "--bootstrap-servers", NOBODY, "-R", "basic.auth.user.info=me:hunter2")
    assert "warn secrets: basic.auth.user.info on the command line" in said.out
    assert "set SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO_FILE in the environment" in " ".join(said.out.split())
    assert "schema_registry.basic.auth.user.info = *** (command line)" in said.out
    assert "hunter2" not in said.out + said.err


def test_it_explains_itself_and_wrong_usage_is_status_2(call: Call) -> None:
    help_ = call("check", "--help")
    assert help_.status == 0
    assert "--input-topic" in help_.out
    assert "--json" in help_.out
    assert call("check", "--nonsense").status == 2
