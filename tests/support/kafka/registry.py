"""A real schema registry as a child process: Apicurio, from Maven Central, with Confluent's API.

It is fetched once, beside Kafka's jars: 109 MB. Started, it answers within 10 s and takes 230 MB of memory; schemas are
kept in memory.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final, Self

from tests.support.kafka.brokers import HOST, free_ports
from tests.support.kafka.jars import BrokerError, home, java, run_maven

VERSION: Final = "3.0.9"  # the last that Java 17 runs
ARTIFACT: Final = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
SHA256: Final = "2b28181501a20cbf6efcd77f9b7153908fc01f3d3a7c32024c0bd9e1b04c8a43"
# a later plugin asks for the parent of the artifact's POM, which Maven Central does not have
PLUGIN: Final = "org.apache.maven.plugins:maven-dependency-plugin:2.10:copy"
START_SECONDS: Final = 120.0


class SchemaRegistry:
    """A registry on a port of its own, within a `with` block."""

    def __init__(self) -> None:
        (self._port,) = free_ports(1)
        self._directory = Path(tempfile.mkdtemp(prefix="registry-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of Confluent's API."""
        return f"http://{HOST}:{self._port}/apis/ccompat/v7"

    def __enter__(self) -> Self:
        place = fetch()
        own = {"QUARKUS_HTTP_PORT": str(self._port), "QUARKUS_HTTP_HOST": HOST}
        classes = f"{place / f'apicurio-registry-app-{VERSION}-runner.jar'}:{place / 'lib'}/*"
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [java(), "-Xmx600m", "-cp", classes, "io.quarkus.runner.GeneratedMain"],
                cwd=self._directory,
                env=os.environ | own,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                log_end = (self._directory / "log").read_text(errors="replace")[-500:]
                self.__exit__()
                raise BrokerError(f"the schema registry does not answer: {log_end}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def pause(self) -> None:
        """Let it accept connections and answer none."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False


def fetch() -> Path:
    """Return the directory of the registry's jars, filled by Maven if it is not there. Raises BrokerError."""
    place = home() / f"registry-{VERSION}-{SHA256[:8]}"
    if not place.is_dir():
        home().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetching-", dir=home()) as room:
            run_maven([PLUGIN, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={room}"], f"Apicurio {VERSION}")
            (archive,) = Path(room).glob("*.tar.gz")
            if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
                raise BrokerError(f"{ARTIFACT}: its SHA-256 is not the one in {Path(__file__).name}")
            with tarfile.open(archive) as tar:
                tar.extractall(Path(room) / "registry", filter="data")
            if not place.is_dir():  # or another run was faster
                (Path(room) / "registry").rename(place)
    return place
