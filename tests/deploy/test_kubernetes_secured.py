"""A worker as the pod of overlays/production runs it: its environment, files and command, the rights of its KafkaUser,
the topics as they are described, on a broker that asks for certificates."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from tests.deploy.manifests import container, one, pod, those, variables
from tests.support.kafka.brokers import HOST, free_ports
from tests.support.kafka.secured import USER, Right, Secured, operation_named, secured_broker
from tests.support.wire import Event, read, write
from training.synthetic.dataset import keyed_events

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]

PLACE = "overlays/production"
SECONDS = 60.0
MOUNT = "/etc/session-scorer/kafka"


def rights() -> Iterator[Right]:
    """Those of the KafkaUser."""
    kinds = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "transactionalId": ResourceType.TRANSACTIONAL_ID}
    for acl in one("strimzi", "KafkaUser")["spec"]["authorization"]["acls"]:
        resource = acl["resource"]
        name = resource["name"] + ("*" if resource["patternType"] == "prefix" else "")
        for operation in acl["operations"]:
            yield kinds[resource["type"]], name, operation_named(operation)


def make_topics(master: str) -> None:
    """As the KafkaTopics say, with the one copy that one broker can hold."""
    wanted = [
        NewTopic(
            each["metadata"]["name"],
            num_partitions=each["spec"]["partitions"],
            replication_factor=1,
            config=each["spec"]["config"] | {"min.insync.replicas": "1"},
        )
        for each in those("strimzi", "KafkaTopic")
    ]
    admin = AdminClient({"bootstrap.servers": master, "log_level": 0})
    for answer in admin.create_topics(wanted).values():
        answer.result(SECONDS)


def environment(broker: Secured, port: int, room: Path) -> dict[str, str]:
    """The pod's, with its files in `room`, and at addresses of this machine."""
    certificate, key = broker.authority.identity(USER)
    for name, path in {"ca.crt": broker.authority.certificate, "user.crt": certificate, "user.key": key}.items():
        (room / name).write_bytes(path.read_bytes())
    given = {name: value.replace(MOUNT, str(room)) for name, value in variables(PLACE).items()}
    own = {"SESSION_SCORER_BOOTSTRAP_SERVERS": broker.addresses["mtls"], "SESSION_SCORER_METRICS_PORT": str(port)}
    return given | own | {"SESSION_SCORER_METRICS_HOST": HOST, "PATH": os.environ["PATH"], "TMPDIR": str(room)}


def ready(port: int) -> bool:
    """Whether the pod's readiness probe would be content."""
    link = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        link.request("GET", container(PLACE)["readinessProbe"]["httpGet"]["path"])
        return link.getresponse().status == 200
    except OSError:
        return False
    finally:
        link.close()


def test_the_worker_of_the_overlay_scores_with_the_rights_of_its_user_and_stops_within_its_grace(
    tmp_path: Path,
) -> None:
    (port,) = free_ports(1)
    events = [Event(value, key) for key, value in islice(keyed_events(seed=3), 500)]
    program = [str(Path(sys.executable).parent / "session-scorer"), *container(PLACE)["args"]]
    with secured_broker(tmp_path / "broker") as broker, (tmp_path / "log").open("wb") as log:
        make_topics(broker.master)
        broker.allow(list(rights()))
        write(broker.master, "sessions", [*events, Event(b"not json", b"key")])
        with subprocess.Popen(program, env=environment(broker, port, tmp_path), stdout=log, stderr=log) as worker:
            try:
                deadline = time.monotonic() + SECONDS
                while not ready(port) or len(read(broker.master, "session-results")) < len(events):
                    assert worker.poll() is None, (tmp_path / "log").read_text()
                    assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                    time.sleep(0.2)
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(pod(PLACE)["spec"]["terminationGracePeriodSeconds"]) == 0
            finally:
                worker.kill()
        assert len(read(broker.master, "session-results")) == len(events)
        assert len(read(broker.master, "session-dead-letters")) == 1
