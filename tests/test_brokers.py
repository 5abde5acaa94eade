"""The broker that other tests stand on: it holds transactions, leaves nothing behind, and says why it cannot run."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from tests.support import wire
from tests.support.kafka import brokers, containers, jars
from tests.support.kafka.brokers import HOST, KafkaBroker, free_ports
from tests.support.kafka.jars import BrokerError
from tests.support.kafka.topics import Topics
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[1]
RUN = [sys.executable, "-m", "tests.support.kafka.brokers"]


def write(bootstrap: str, topic: str, value: bytes, *, commit: bool) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": topic, "log_level": 0})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value, partition=0)
    assert producer.flush(30) == 0
    (producer.commit_transaction if commit else producer.abort_transaction)(30)


def read(bootstrap: str, topic: str) -> list[bytes | None]:
    """The values of the topic's committed records."""
    return [message.value() for message in wire.read(bootstrap, topic)]


def test_committed_records_are_read_and_aborted_ones_are_not(kafka: str, topics: Topics) -> None:
    topic = topics(partitions=1)
    write(kafka, topic, b"aborted", commit=False)
    write(kafka, topic, b"committed", commit=True)
    assert read(kafka, topic) == [b"committed"]


def test_topics_are_fresh_and_go_after_their_test(kafka: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    topics = Topics(kafka)
    names = {topics("sessions", partitions=3), topics("sessions", partitions=3)}
    found = admin.list_topics(timeout=10).topics
    assert [len(found[name].partitions) for name in names] == [3, 3]
    topics.delete()
    wait_until(lambda: not names & set(admin.list_topics(timeout=10).topics))


@pytest.mark.usefixtures("java_and_maven")
def test_a_broker_keeps_its_records_through_a_crash_and_leaves_nothing_once_closed() -> None:
    # A node is let in again when its session before the crash has expired, after 9 s by default.
    with KafkaBroker(properties={"broker.session.timeout.ms": "2000"}) as broker:
        topics = Topics(broker.address)
        topic = topics(partitions=1)
        write(broker.address, topic, b"kept", commit=True)
        assert read(broker.address, topic) == [b"kept"]
        before = broker.pid
        broker.kill()
        broker.start()
        assert read(broker.address, topic) == [b"kept"]
        after = broker.pid
        topics.delete()
    assert not any(Path(f"/proc/{pid}").exists() for pid in (before, after))
    assert brokers.is_free(broker.port)
    assert not broker.directory.exists()


def own_environment(tmp_path: Path, **more: object) -> dict[str, str]:
    """This environment, with a directory for temporary files that the test can look into afterwards."""
    return {**os.environ, "TMPDIR": str(tmp_path)} | {name: str(value) for name, value in more.items()}


@contextmanager
def serving(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`make kafka`'s process, once it has said that it answers."""
    environment = own_environment(tmp_path, KAFKA_PORT=free_ports(1)[0])
    block = partial(signal.pthread_sigmask, signal.SIG_BLOCK, {signal.SIGINT})  # as `make` does
    with subprocess.Popen(
        RUN,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=block,  # noqa: PLW1509 - no other thread holds a lock that it needs
    ) as process:
        try:
            assert process.stdout is not None
            assert f"answers at {HOST}:{environment['KAFKA_PORT']}" in process.stdout.readline()
            yield process
        finally:
            process.kill()


def java_of(tmp_path: Path) -> list[str]:
    """The command lines of running processes that name a file of this test's directory."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return [line.decode() for line in lines if str(tmp_path).encode() in line]


@pytest.mark.usefixtures("java_and_maven")
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_served_broker_ends_in_order_when_asked_to(tmp_path: Path, by: signal.Signals) -> None:
    with serving(tmp_path) as process:
        process.send_signal(by)
        assert process.wait(30) == 0
    assert not java_of(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("java_and_maven")
def test_a_broker_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        assert java_of(tmp_path)
        process.kill()
    wait_until(lambda: not java_of(tmp_path))
    wait_until(lambda: not list(tmp_path.glob("session-scorer-kafka-*")))


def run_without_success(environment: dict[str, str], *arguments: str) -> str:
    """What the command says on standard error, in its one line."""
    done = subprocess.run(
        [*RUN, *arguments], cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("\n")
    assert done.stderr.count("\n") == 1
    return done.stderr


def program(directory: Path, name: str, script: str) -> None:
    """A program of that name which does what the shell script says."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_missing_java_is_one_line_that_names_the_packages(tmp_path: Path) -> None:
    said = run_without_success(own_environment(tmp_path, PATH=tmp_path, KAFKA_PORT=free_ports(1)[0]))
    assert "no java on the PATH" in said
    assert "apt-get install default-jre-headless maven" in said


def test_a_java_too_old_for_kafka_is_one_line(tmp_path: Path) -> None:
    program(tmp_path, "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    said = run_without_success(own_environment(tmp_path, PATH=tmp_path, KAFKA_PORT=free_ports(1)[0]))
    assert f"{tmp_path}/java is version 11" in said
    assert "needs Java 17 or newer" in said


def test_a_missing_maven_is_one_line_that_names_the_packages(tmp_path: Path) -> None:
    said = run_without_success(own_environment(tmp_path, PATH=tmp_path, SESSION_SCORER_KAFKA_DIR=tmp_path), "fetch")
    assert "no mvn on the PATH" in said
    assert "apt-get install default-jre-headless maven" in said


def test_what_maven_cannot_fetch_is_one_line_with_its_reason_and_leaves_no_half_of_it(tmp_path: Path) -> None:
    program(tmp_path, "mvn", "echo '[ERROR] Unknown host repo.maven.apache.org'; echo '[ERROR] Help 1'; exit 1")
    cache = tmp_path / "cache"
    said = run_without_success(own_environment(tmp_path, PATH=tmp_path, SESSION_SCORER_KAFKA_DIR=cache), "fetch")
    assert "Maven could not fetch Apache Kafka" in said
    assert "Unknown host repo.maven.apache.org" in said
    assert not list(cache.iterdir())


def test_a_jar_that_is_not_locked_is_refused_before_it_is_used(tmp_path: Path) -> None:
    program(
        tmp_path,
        "mvn",
        "for word; do case $word in -DoutputDirectory=*) to=${word#*=};; esac; done\n"
        '/bin/mkdir "$to"; echo evil >"$to/kafka.jar"',
    )
    cache = tmp_path / "cache"
    said = run_without_success(own_environment(tmp_path, PATH=tmp_path, SESSION_SCORER_KAFKA_DIR=cache), "fetch")
    assert "jars.sha256" in said
    assert not list(cache.iterdir())


def test_jars_that_were_changed_since_are_refused(tmp_path: Path) -> None:
    for line in jars.LOCK.read_text().splitlines():
        (tmp_path / line.split()[1]).touch()
    with pytest.raises(BrokerError, match=r"\.jar: its SHA-256 is not the one in jars\.sha256"):
        jars.check(tmp_path)
    (tmp_path / "A.jar").touch()
    with pytest.raises(BrokerError, match=r"A\.jar: jars\.sha256 does not name it"):
        jars.check(tmp_path)


def test_the_lock_names_the_version_of_kafka() -> None:
    names = [line.split()[1] for line in jars.LOCK.read_text().splitlines()]
    assert f"kafka_2.13-{jars.version()}.jar" in names
    assert names == sorted(set(names))


def test_a_taken_port_is_one_line_that_names_it(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        said = run_without_success(own_environment(tmp_path, KAFKA_PORT=port))
    assert f"port {port} is taken" in said


def test_a_port_that_is_no_number_is_one_line(tmp_path: Path) -> None:
    assert "KAFKA_PORT is 'high'" in run_without_success(own_environment(tmp_path, KAFKA_PORT="high"))


def pytest_run(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """The exit code and output of a run of the tests of this file that `arguments` select."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout


def bare_environment(tmp_path: Path, **more: object) -> dict[str, str]:
    """Neither Java, nor Docker, nor an address."""
    nowhere = {"PATH": tmp_path, "DOCKER_HOST": f"unix://{tmp_path}/none", "SESSION_SCORER_TEST_BOOTSTRAP": ""}
    return own_environment(tmp_path, **{**nowhere, **more})


def test_without_any_broker_a_test_is_skipped_and_says_why(tmp_path: Path) -> None:
    code, said = pytest_run(bare_environment(tmp_path, CI=""), "-k", "committed_records")
    assert (code, "1 skipped" in said) == (0, True)
    assert "no Kafka broker: no java on the PATH" in said
    assert "no Docker engine answers" in said


def test_without_any_broker_a_test_fails_in_ci(tmp_path: Path) -> None:
    code, said = pytest_run(bare_environment(tmp_path, CI="true"), "-k", "committed_records")
    assert (code, "skipped" in said) == (1, False)
    assert "no Kafka broker: no java on the PATH" in said


def test_an_address_given_where_no_broker_answers_fails_rather_than_tries_another(tmp_path: Path) -> None:
    nobody = f"{HOST}:{free_ports(1)[0]}"
    code, said = pytest_run(own_environment(tmp_path, SESSION_SCORER_TEST_BOOTSTRAP=nobody), "-k", "committed_records")
    assert code == 1
    assert f"no broker answers at {nobody}" in said


def test_a_broker_given_by_its_address_is_used_and_named_at_the_end(kafka: str, tmp_path: Path) -> None:
    code, said = pytest_run(bare_environment(tmp_path, SESSION_SCORER_TEST_BOOTSTRAP=kafka), "-k", "committed_records")
    assert code == 0
    assert f"broker: SESSION_SCORER_TEST_BOOTSTRAP, at {kafka}" in said


def test_tests_of_testcontainers_are_left_out_where_no_engine_answers(tmp_path: Path) -> None:
    _, said = pytest_run(bare_environment(tmp_path), "-k", "container_holds")
    assert "testcontainers: 1 deselected, no Docker engine answers" in said
    assert "skipped" not in said


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_a_container_holds_transactions_too() -> None:
    with containers.container_broker() as address:
        topics = Topics(address)
        topic = topics(partitions=1)
        write(address, topic, b"committed", commit=True)
        assert read(address, topic) == [b"committed"]
