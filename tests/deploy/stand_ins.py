"""Images where no registry is: a base by debootstrap, Kafka of its jars, Prometheus of its Debian package.

They have the names of docker-compose.yml and the label `session-scorer.stand-in`. What the engine holds already of that
name, pulled or made before, is used as it is.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

from tests.deploy.engine import ROOT, docker, has_image, run, show
from tests.support.kafka import jars

BASE = "session-scorer-base:bookworm"
LABEL = "session-scorer.stand-in"
IMAGES = Path(__file__).parent / "images"
# where pip and apt of this machine are told of its registries; a build has no other way to know
REGISTRIES = ("etc/pip.conf", "etc/ssl/certs/ca-certificates.crt")


def make() -> None:
    """Whatever is missing. Raises CheckError, BrokerError."""
    services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    _unless_there(BASE, _base)
    _unless_there(services["kafka"]["image"], _kafka)
    _unless_there(services["prometheus"]["image"], _prometheus)


def remove() -> None:
    """All that were made here, and what was built on them; what was pulled has no such label."""
    docker("image", "prune", "--all", "--force", "--filter", f"label={LABEL}")


def _unless_there(name: str, make_it: Callable[[str], None]) -> None:
    if has_image(name):
        show(name, "is there")
        return
    began = time.monotonic()
    make_it(name)
    show(name, f"made in {time.monotonic() - began:.0f} s")


def _base(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="session-scorer-base-") as room:
        run("debootstrap", "--variant=minbase", "--include=python3,python3-venv", "bookworm", room)
        for each in REGISTRIES:
            if (Path("/") / each).exists():
                shutil.copy(Path("/") / each, Path(room) / each)
        archive = f"{room}.tar"
        try:
            run("tar", "--create", f"--directory={room}", f"--file={archive}", ".")
            docker("import", "--change", f"LABEL {LABEL}=debootstrap", archive, name)
        finally:
            Path(archive).unlink(missing_ok=True)


def _kafka(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="session-scorer-image-") as room:
        shutil.copytree(IMAGES / "kafka", room, dirs_exist_ok=True)
        shutil.copytree(jars.fetch(), Path(room) / "libs")
        tools = ("-q", "-B", f"-Dkafka.version={jars.version()}", f"-DoutputDirectory={room}/libs")
        run("mvn", *tools, "-f", f"{room}/pom.xml", "dependency:copy-dependencies")
        _build(name, room)


def _prometheus(name: str) -> None:
    _build(name, str(IMAGES / "prometheus"))


def _build(name: str, room: str) -> None:
    labelled = ("--label", f"{LABEL}=packages", "--build-arg", f"BASE={BASE}")
    docker("build", "--network", "host", *labelled, "--tag", name, room)
