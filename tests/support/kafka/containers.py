"""Apache Kafka in a container, by testcontainers: where there is a Docker engine and no Java.

testcontainers' own Kafka class starts Confluent's images only, so this is a plain container of `apache/kafka`.
"""

import contextlib
import gc
import warnings
from collections.abc import Iterator

import docker
from docker.errors import DockerException, ImageNotFound
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from tests.support.kafka.brokers import START_SECONDS, answers, free_ports
from tests.support.kafka.jars import BrokerError, settings, version

PORT = 9092


def image() -> str:
    """The image of the same version that Maven would fetch."""
    return f"apache/kafka:{version()}"


def problem() -> str | None:
    """Why no container of Kafka can be started here, or None when one can. Pulls the image if it is not there."""
    client = _engine()
    if client is None:
        return "no Docker engine answers"
    with contextlib.closing(client):
        try:
            client.images.get(image())
        except ImageNotFound:
            return _pull(client)
    return None


def _engine() -> docker.DockerClient | None:
    with warnings.catch_warnings():
        # Where nobody answers, docker leaves its socket open: collected here, it is not reported in some test's name.
        warnings.simplefilter("ignore", ResourceWarning)
        with contextlib.suppress(DockerException):
            return DockerClient().client
        gc.collect()
    return None


def _pull(client: docker.DockerClient) -> str | None:
    try:
        client.images.pull(image())
    except DockerException as error:
        return f"the Docker engine cannot pull {image()}: {error}"
    return None


@contextlib.contextmanager
def container_broker() -> Iterator[str]:
    """The bootstrap address of a broker in a container of its own, removed at the end. Raises BrokerError."""
    port = free_ports(1)[0]
    container = DockerContainer(image()).with_bind_ports(PORT, port)
    address = f"{container.get_docker_client().host()}:{port}"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(container.with_envs(**_environment(address)))
        except DockerException as error:
            raise BrokerError(f"a container of {image()} does not start: {error}") from None
        if not answers(address, START_SECONDS):
            said = b" ".join(container.get_logs()).decode(errors="replace").strip().splitlines()
            raise BrokerError(f"{image()} does not answer at {address}: {said[-1] if said else 'it says nothing'}")
        yield address


def _environment(advertised: str) -> dict[str, str]:
    """The settings of deploy/kafka in the image's spelling: it drops its own as soon as one is given, so all are."""
    common = settings()
    protocols = common["listener.security.protocol.map"]
    properties = {
        **common,
        "node.id": "1",
        "controller.quorum.voters": "1@localhost:9093",
        # The node calls itself to verify and end transactions; the host's address means nothing inside the container.
        "listeners": f"PLAINTEXT://:19092,HOST://:{PORT},CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://localhost:19092,HOST://{advertised}",
        "listener.security.protocol.map": f"{protocols},HOST:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": "/tmp/kafka-logs",
    }
    return {f"KAFKA_{name.replace('.', '_').upper()}": value for name, value in properties.items()}
