"""Apache Kafka from Maven Central as a child process: for the tests, and for people without Docker (`make kafka`).

Measured on two idle cores: 3 s from start to the first answer, 290 MB of memory under load.
"""

import argparse
import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.support.kafka.jars import BrokerError, fetch, java, lock, settings, version

HOST = "127.0.0.1"
JAVA_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Dlog4j2.level=INFO")
START_SECONDS = 120.0  # beside two others and much else on two cores; alone it takes three
STOP_SECONDS = 15.0

# Waits for the end of its standard input, which is the end of this process however it ends; then ends the broker.
# (Linux's PDEATHSIG is bound to the thread that started the child, and needs preexec_fn, unsafe beside threads.)
WATCHER = 'read -r _; kill -KILL "$1" 2>/dev/null; sleep 1; rm -rf -- "$2"'


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below those the system gives to outgoing connections.

    A client that keeps dialling a dead broker's port above 32768 may be given that very port as its own end.
    """
    tried = random.SystemRandom().sample(range(20000, 32000), 100)
    free = list(itertools.islice(filter(is_free, tried), count))
    if len(free) < count:
        raise BrokerError("no free port found between 20000 and 32000: stop some of what listens there")
    return free


def is_free(port: int) -> bool:
    """Whether nobody listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def answers(bootstrap: str, timeout: float, alive: Callable[[], bool] = lambda: True) -> bool:
    """Whether a broker there answers requests, not merely connections, in time and before `alive` says no more."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200})
    deadline = time.monotonic() + timeout
    while alive() and time.monotonic() < deadline:
        # A node that its controller has not let in yet answers too, with no brokers.
        with contextlib.suppress(KafkaException):
            if client.list_topics(timeout=0.5).brokers:
                return True
    return False


def new_cluster() -> str:
    """An id for a cluster, as Kafka spells it."""
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


class KafkaBroker:
    """One node of Apache Kafka with a directory of its own; as a context manager it is started and then closed.

    `start` after `stop` or `kill` finds the same address and the same data; `close` removes them. When this process
    dies, in whatever way, the node dies with it and its directory goes.
    """

    def __init__(
        self,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        cluster: str | None = None,
        java_options: Sequence[str] = (),
    ) -> None:
        """On `port`, or a free one; `properties` go over those of deploy/kafka/server.properties.

        `cluster` is the id (`new_cluster`) that the nodes of one cluster share; without one the node is a cluster.
        `java_options` go to Java, beside our own.
        """
        self._java_options = (*JAVA_OPTIONS, *java_options)
        broker, controller = free_ports(2)
        self.port = port or broker
        self.address = f"{HOST}:{self.port}"
        self.directory = Path(tempfile.mkdtemp(prefix="session-scorer-kafka-"))
        self.log = self.directory / "broker.log"
        self._cluster = cluster or new_cluster()
        self._properties = self._of_this_node(f"{HOST}:{controller}") | dict(properties or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    def _of_this_node(self, controller: str) -> dict[str, str]:
        return {
            **settings(),
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "log.dirs": str(self.directory / "data"),
        }

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id of the running node."""
        if self._process is None:
            raise BrokerError(f"the broker at {self.address} is not running: start it first")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers. Raises BrokerError."""
        if not is_free(self.port):
            raise BrokerError(
                f"port {self.port} is taken by another process: choose another one, KAFKA_PORT={self.port + 1}"
            )
        command = [java(), *self._java_options, "-cp", f"{fetch()}/*"]
        config = self.directory / "server.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in self._properties.items()))
        with self.log.open("ab") as log:
            if not (self.directory / "data").exists():
                self._format([*command, "kafka.tools.StorageTool", "format"], config, log)
            self._process = _spawn([*command, "kafka.Kafka", str(config)], log)
        self._watcher = _watch(self._process.pid, self.directory)
        process = self._process
        if not answers(self.address, START_SECONDS, alive=lambda: process.poll() is None):
            raise BrokerError(self._why_not("Kafka does not answer"))

    def _format(self, command: Sequence[str], config: Path, log: IO[bytes]) -> None:
        # "=" because an id may begin with a dash
        if _spawn([*command, f"--cluster-id={self._cluster}", f"--config={config}"], log).wait(START_SECONDS) != 0:
            raise BrokerError(self._why_not("Kafka cannot format its directory"))

    def _why_not(self, what: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        said = [line.strip() for line in lines if "ERROR" in line or "Exception" in line] or ["its log tells nothing"]
        return f"{what}: {said[-1]} (Apache Kafka {version()} at {self.address})"

    def wait(self) -> None:
        """Return never but by BrokerError, when the node ends by itself."""
        if self._process is not None:
            raise BrokerError(self._why_not(f"Kafka ended by itself, exit {self._process.wait()}"))

    def stop(self) -> None:
        """End it as an operator would: SIGTERM, and SIGKILL when that takes too long."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would.

        A transaction committed a moment before may stay invisible after the next start (4.3.1: 3 times in 3, not after
        a pause of 2 s): a lone node comes back by an unclean election, which Kafka's transactions are not made for.
        """
        self._end(signal.SIGKILL)

    def _end(self, by: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(by)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        if self._watcher is not None:
            with self._watcher as watcher:  # after the node, so that it is watched to its end
                watcher.kill()
            self._watcher = None

    def close(self) -> None:
        """Stop it and remove its data and log."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def _spawn(command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C at the terminal is for us, who then stop the node in order.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _watch(pid: int, directory: Path) -> subprocess.Popen[bytes]:
    command = ["/bin/sh", "-c", WATCHER, "watcher", str(pid), str(directory)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # cleaning up is bounded, and not to be interrupted
    raise KeyboardInterrupt


def _port() -> int:
    given = os.environ.get("KAFKA_PORT") or "9092"
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise BrokerError(f"KAFKA_PORT is {given!r}, and a port is a number from 1 to 65535")
    return int(given)


def _serve() -> None:
    with KafkaBroker(_port()) as broker:
        sys.stdout.write(
            f"Apache Kafka {version()} answers at {broker.address}; Ctrl-C stops it and removes its data\n"
        )
        sys.stdout.flush()
        broker.wait()


def main() -> int:
    """Run a broker until Ctrl-C or SIGTERM, or only fetch it: the exit code."""
    parser = argparse.ArgumentParser(
        "python -m tests.support.kafka.brokers", description="Apache Kafka on $KAFKA_PORT, or 9092"
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=("run", "fetch", "lock"),
        default="run",
        help="until Ctrl-C, only fetch the jars, or write down the hashes of those that Maven gives",
    )
    what = parser.parse_args().what
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # `make kafka` starts this with SIGINT blocked
    try:
        {"run": _serve, "fetch": fetch, "lock": lock}[what]()
    except BrokerError as error:
        sys.stderr.write(f"kafka: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
