"""`session-scorer check` on a real broker: each planted mistake is found and named, and nothing is disturbed."""

import json
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType

from consumer.errors import WorkerError
from consumer.kafka.admin import Admin
from consumer.kafka.config import Connection
from scoring.artifacts import loading
from tests.support.command_line import Call
from tests.support.end_to_end import Line, last_words, logged, stop
from tests.support.kafka.brokers import HOST, free_ports
from tests.support.kafka.certificates import Authority
from tests.support.kafka.secured import PASSWORD, Right, Secured, options
from tests.support.kafka.topics import Topics
from tests.support.wire import Event, read, write
from training.synthetic.dataset import keyed_events

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(300)]

HOUR = 3_600_000  # ms
SECONDS = 120.0
AT_ONCE = 8.0  # seconds: less than one question is given


class Checked(NamedTuple):
    """What a check said."""

    status: int
    checks: list[dict[str, str]]
    said: str

    def named(self, status: str) -> dict[str, str]:
        """The messages of this status by name: with several the first."""
        return {each["name"]: each["message"] for each in reversed(self.checks) if each["status"] == status}


Check = Callable[..., Checked]


@pytest.fixture
def check(call: Call) -> Check:
    """`check(*options)`: what `session-scorer check --json` says."""

    def run(*given: str) -> Checked:
        said = call("check", "--json", *given)
        assert said.err == ""
        return Checked(said.status, json.loads(said.out)["checks"], said.out)

    return run


@pytest.fixture
def topics(secured: Secured) -> Iterator[Topics]:
    """Topics on it."""
    with Topics(secured.master) as made:
        yield made


@pytest.fixture
def line(secured: Secured, topics: Topics) -> Line:
    """A sound one."""
    return Line.on(secured.master, topics)


def the_only_failure(checked: Checked) -> tuple[str, str]:
    """Its name and what it says."""
    assert checked.status == 1
    ((name, message),) = [(each["name"], each["message"]) for each in checked.checks if each["status"] == "fail"]
    return name, message


# -- a sound set-up --------------------------------------------------------------------------------------------------


def test_where_all_is_sound_nothing_fails_and_a_lone_broker_is_all_there_is_to_warn_of(
    check: Check, line: Line
) -> None:
    line.feed(100)
    checked = check(*line.options())
    assert checked.status == 0
    assert checked.named("fail") == {}
    topics = {f"topic {name}" for name in (line.sessions, line.results, line.alerts, line.dead_letters)}
    assert {each["name"] for each in checked.checks if each["status"] == "warn"} == topics
    assert {each["message"].split(":")[0] for each in checked.checks if each["status"] == "warn"} == {"has no replicas"}
    assert {"broker", "artifacts", "metrics", "slot", "clock", f"read {line.sessions}"} <= checked.named("ok").keys()
    assert checked.named("ok")[f"events of {line.sessions}"] == "100 to be read"


def test_it_leaves_nothing_behind_and_joins_nothing(check: Check, line: Line) -> None:
    line.feed(100)
    assert check(*line.options()).status == 0
    assert read(line.bootstrap, line.results, line.alerts, line.dead_letters) == []
    assert line.committed() == 0
    groups = AdminClient({"bootstrap.servers": line.bootstrap, "log_level": 0}).list_consumer_groups()
    assert line.group not in {each.group_id for each in groups.result(SECONDS).valid}


def test_beside_running_workers_it_disturbs_nothing(check: Check, line: Line, tmp_path: Path) -> None:
    planted, log = line.feed(5000), tmp_path / "log"
    with line.running(log) as worker:
        line.wait_for(lambda count: count > 0, worker)
        for _ in range(3):
            assert check(*line.options()).status == 0
            planted |= line.feed(1000, seed=len(planted))
        line.wait_for(lambda count: count == 8000, worker)
        assert stop(worker) == 0
    messages = [each["message"] for each in logged(log)]
    assert messages.count("partitions assigned") == 1
    assert not {"partitions lost", "transaction given up", "going back to the committed offsets"} & set(messages)
    assert line.check(planted).faults() == {}


# -- the mistakes ----------------------------------------------------------------------------------------------------


def test_a_wrong_topic_is_named_with_the_one_that_was_meant(check: Check, line: Line) -> None:
    name, message = the_only_failure(check(*line.options(), "--input-topic", line.sessions[:-1]))
    assert name == f"topic {line.sessions[:-1]}"
    assert f"the nearest name is {line.sessions}" in message


def test_a_topic_of_something_else_is_doubted(check: Check, line: Line) -> None:
    write(line.bootstrap, line.sessions, [Event(b"no event", partition=number) for number in range(4)])
    warned = [each for each in check(*line.options()).checks if each["status"] == "warn"]
    assert "of 4 looked at 4 are invalid (not_json): is it the right topic?" in {each["message"] for each in warned}


def test_a_topic_that_takes_less_than_the_worker_writes_is_named(check: Check, line: Line, topics: Topics) -> None:
    small = replace(line, results=topics("small", config={"max.message.bytes": "900000"}))
    found = check(*small.options())
    assert found.status == 0
    warned = {each["message"] for each in found.checks if each["status"] == "warn"}
    assert any(each.startswith("max.message.bytes is 900,000, less than --max-record-bytes") for each in warned)
    tiny = replace(line, dead_letters=topics("tiny", config={"max.message.bytes": "16383"}))
    name, message = the_only_failure(check(*tiny.options()))
    assert name == f"topic {tiny.dead_letters}"
    assert message.startswith("max.message.bytes is 16,383, and a dead letter may need 16,384")


def test_a_topic_of_one_replica_is_judged_by_the_write_and_not_by_min_insync_replicas(
    check: Check, line: Line, topics: Topics
) -> None:
    alone = replace(line, alerts=topics("alone", config={"min.insync.replicas": "2"}))
    checked = check(*alone.options())
    assert checked.status == 0
    assert checked.named("ok")[f"write {alone.alerts}"].startswith("tried in a transaction")
    assert "min.insync.replicas is 2, and it has 1 replicas" in checked.named("warn")[f"topic {alone.alerts}"]


def test_a_group_whose_members_use_another_assignor_is_named_and_run_says_what_to_do(
    check: Check, line: Line, tmp_path: Path
) -> None:
    settings = {"group.id": line.group, "partition.assignment.strategy": "range", "log_level": 0}
    other = Consumer({"bootstrap.servers": line.bootstrap, **settings})
    other.subscribe([line.sessions])
    deadline = time.monotonic() + SECONDS
    while not other.assignment():
        assert time.monotonic() < deadline
        other.poll(0.1)
    name, message = the_only_failure(check(*line.options()))
    assert name == f"group {line.group}"
    assert "its 1 members use assignor range, this worker cooperative-sticky" in message
    with line.running(tmp_path / "log") as process:
        said = last_words(process, tmp_path / "log")
    other.close()
    assert "INCONSISTENT_GROUP_PROTOCOL" in said
    assert "choose another --group-id" in said


def rights(line: Line) -> dict[str, Right]:
    """All that a worker needs, by the name of the check that tries it."""
    topic, write_ = ResourceType.TOPIC, AclOperation.WRITE
    return {
        f"read {line.sessions}": (topic, line.sessions, AclOperation.READ),
        f"group {line.group}": (ResourceType.GROUP, line.group, AclOperation.READ),
        f"write {line.results}": (topic, line.results, write_),
        f"write {line.alerts}": (topic, line.alerts, write_),
        f"write {line.dead_letters}": (topic, line.dead_letters, write_),
        "transactions": (ResourceType.TRANSACTIONAL_ID, f"{line.group}-*", write_),
    }


def as_user(secured: Secured, line: Line) -> list[str]:
    return [*line.options(), "--bootstrap-servers", secured.addresses["scram"], *options(secured.scram())]


def test_with_all_rights_that_a_worker_needs_nothing_fails_and_no_secret_is_shown(
    check: Check, secured: Secured, line: Line
) -> None:
    line.feed(100)
    secured.allow(list(rights(line).values()))
    checked = check(*as_user(secured, line))
    assert checked.named("fail") == {}
    assert checked.status == 0
    assert "allow this user DescribeConfigs" in checked.named("warn")[f"topic {line.results}"]
    assert PASSWORD not in checked.said


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ("read", "[Rr]ead (on )?the input topic"),
        ("group", "[Rr]ead (as this|on the) consumer group"),
        ("write", "lacks the right Write on the topic"),
        ("transactions", "transactional ids that begin with the group's name"),
    ],
)
def test_a_right_that_is_missing_is_named(check: Check, secured: Secured, line: Line, taken: str, said: str) -> None:
    line.feed(100)
    needed = rights(line)
    name = next(each for each in needed if each.split()[0] == taken)
    kind, resource, _ = needed.pop(name)
    seen = [(kind, resource, AclOperation.DESCRIBE)] if kind is ResourceType.TOPIC else []
    secured.allow([*needed.values(), *seen])
    checked = check(*as_user(secured, line))
    assert checked.status == 1
    assert re.search(said, checked.named("fail")[name])


def test_the_right_to_read_a_topic_that_a_pattern_matches_is_asked_for(
    check: Check, secured: Secured, line: Line
) -> None:
    line.feed(100)
    needed = rights(line)
    _, sessions, _ = needed.pop(f"read {line.sessions}")
    secured.allow([*needed.values(), (ResourceType.TOPIC, sessions, AclOperation.DESCRIBE)])
    checked = check(*as_user(secured, replace(line, sessions=f"^{sessions}$")))
    assert checked.status == 1
    assert f"this user lacks the right Read on topic {sessions}; give them: " in checked.named("fail")["rights"]


def test_the_right_to_read_as_a_group_that_is_there_is_told_from_that_to_see_it(
    check: Check, secured: Secured, line: Line
) -> None:
    line.feed(100)
    member = Consumer({"bootstrap.servers": line.bootstrap, "group.id": line.group, "log_level": 0})
    member.commit(offsets=[TopicPartition(line.sessions, 0, 1)], asynchronous=False)
    member.close()
    needed = rights(line)
    name = f"group {line.group}"
    needed[name] = (ResourceType.GROUP, line.group, AclOperation.DESCRIBE)
    secured.allow(list(needed.values()))
    checked = check(*as_user(secured, line))
    assert "lacks the right Read on the group" in checked.named("fail")[name]
    assert checked.named("ok")[f"events of {line.sessions}"] == "99 to be read"


def test_a_bad_certificate_authority_is_named(check: Check, secured: Secured, line: Line, tmp_path: Path) -> None:
    theirs = secured.trusting() | {"ssl.ca.location": str(Authority(tmp_path / "other").certificate)}
    checked = check(*line.options(), "--bootstrap-servers", secured.addresses["tls"], *options(theirs))
    assert checked.status == 1
    assert "-X ssl.ca.location" in checked.named("fail")["broker"]
    assert set(checked.named("skip").values()) == {"not checked: no broker answers"}


def test_a_stale_artifact_is_named(check: Check, line: Line, tmp_path: Path) -> None:
    stale = shutil.copytree(loading.shipped(), tmp_path / "set", ignore=shutil.ignore_patterns("datasets", "results"))
    (stale / "scaler.pkl").write_bytes((stale / "scaler.pkl").read_bytes() + b"\0")
    name, message = the_only_failure(check(*line.options(), "--artifacts", str(stale)))
    assert name == "artifacts"
    assert "scaler.pkl: altered" in message


def test_two_ids_alike_are_named(check: Check, line: Line, tmp_path: Path) -> None:
    line.feed(100)
    with line.running(tmp_path / "log", "--slot", "3") as worker:
        line.wait_for(lambda count: count == 100, worker)
        name, message = the_only_failure(check(*line.options(), "--slot", "3"))
        assert stop(worker) == 0
    assert name == "slot"
    assert f"the same transactional ids ({line.group}-{socket.gethostname()}-3-0 and" in message


def test_a_retention_too_short_for_the_backlog_is_named(check: Check, line: Line, topics: Topics) -> None:
    short = replace(line, alerts=topics("short", config={"retention.ms": str(HOUR)}))
    then = int(time.time() * 1000) - 2 * HOUR
    events = [Event(value, key, timestamp=then) for key, value in islice(keyed_events(3), 20)]
    write(line.bootstrap, line.sessions, events)
    name, message = the_only_failure(check(*short.options()))
    assert name == f"topic {short.alerts}"
    assert "keeps records for 1 h, and the oldest event that waits is 2 h old" in message


def test_dates_that_an_output_topic_refuses_are_named(check: Check, line: Line, topics: Topics) -> None:
    config = {"message.timestamp.before.max.ms": str(HOUR)}
    strict = replace(line, results=topics("strict", config=config))
    then = int(time.time() * 1000) - 2 * HOUR
    events = [Event(value, key, timestamp=then) for key, value in islice(keyed_events(3), 20)]
    write(line.bootstrap, line.sessions, events)
    found = check(*strict.options())
    assert found.status == 0
    warned = {each["message"] for each in found.checks if each["name"] == f"topic {strict.results}"}
    assert any("refuses records dated more than 1 h ago (message.timestamp.before.max.ms)" in each for each in warned)


def test_a_port_that_is_taken_is_named(check: Check, line: Line) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = str(other.getsockname()[1])
        name, message = the_only_failure(check(*line.options(), "--metrics-port", port))
    assert name == "metrics"
    assert f"port {port}" in message
    assert "another --metrics-port" in message


@pytest.mark.parametrize(("shift", "said"), [(5 * HOUR, "5 h ahead of"), (-5 * HOUR, "5 h behind")])
def test_a_clock_that_is_off_is_named(
    check: Check, line: Line, monkeypatch: pytest.MonkeyPatch, shift: int, said: str
) -> None:
    clock = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: clock() + shift * 10**6)
    name, message = the_only_failure(check(*line.options()))
    assert name == "clock"
    assert f"this machine's is {said} the broker's" in message


def test_events_dated_ahead_are_told(check: Check, line: Line) -> None:
    ahead = int(time.time() * 1000) + HOUR // 2
    events = [Event(value, key, timestamp=ahead) for key, value in islice(keyed_events(3), 20)]
    write(line.bootstrap, line.sessions, events)
    checked = check(*line.options())
    assert checked.status == 0
    assert any(
        "ahead of this machine's clock; its result gets the time of day" in each["message"] for each in checked.checks
    )


def test_a_file_that_cannot_be_read_is_named(check: Check, line: Line, tmp_path: Path) -> None:
    checked = check(*line.options(), "--config", str(tmp_path))
    assert checked.status == 1
    assert checked.named("fail")["settings"] == f"the settings file {tmp_path} cannot be read: Is a directory"
    authority = {"security.protocol": "SSL", "ssl.ca.location": str(tmp_path / "none.pem")}
    failed = check(*line.options(), *options(authority)).named("fail")
    assert "none.pem cannot be read: No such file or directory" in failed["file ssl.ca.location"]


# -- no broker -------------------------------------------------------------------------------------------------------


def seconds_to_give_up(port: int) -> float:
    """Return how long the question for the brokers takes: a check loads artifacts as well, slowly on a busy host."""
    admin, since = Admin(Connection(f"{HOST}:{port}")), time.monotonic()
    with pytest.raises(WorkerError):
        admin.cluster()
    return time.monotonic() - since


def test_where_nobody_listens_it_says_so_at_once_and_names_what_is_not_checked(check: Check, line: Line) -> None:
    (port,) = free_ports(1)
    assert seconds_to_give_up(port) < AT_ONCE
    checked = check(*line.options(), "--bootstrap-servers", f"{HOST}:{port}")
    name, message = the_only_failure(checked)
    assert name == "broker"
    assert "Connection refused" in message
    skipped = checked.named("skip")
    assert {f"topic {line.sessions}", f"write {line.alerts}", "clock"} <= skipped.keys()
    assert set(skipped.values()) == {"not checked: no broker answers"}


def test_a_broker_that_never_answers_is_given_up(check: Check, line: Line) -> None:
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        assert seconds_to_give_up(port) < AT_ONCE + 10
        checked = check(*line.options(), "--bootstrap-servers", f"{HOST}:{port}")
    assert checked.status == 1
    assert "no connection brought a word of answer" in checked.named("fail")["broker"]
