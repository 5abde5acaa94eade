"""Apache Kafka's jars, by Maven from Maven Central, and the Java to run them with.

They are fetched once, into `.kafka/` or $SESSION_SCORER_KAFKA_DIR: 44 MB in 5 to 10 s.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

DEPLOY = Path(__file__).parents[1] / "deploy" / "kafka"
DIRECTORY_VARIABLE = "SESSION_SCORER_KAFKA_DIR"
PACKAGES = "on Debian: apt-get install default-jre-headless maven"
FETCH_SECONDS = 300.0


class BrokerError(Exception):
    """No broker, and in one line why, and what to do about it."""


def version() -> str:
    """The version of Apache Kafka that deploy/kafka/pom.xml names."""
    found = re.search(r"<kafka\.version>(.+?)</kafka\.version>", (DEPLOY / "pom.xml").read_text())
    if found is None:
        raise BrokerError(f"{DEPLOY / 'pom.xml'} names no <kafka.version>")
    return found[1]


def settings() -> dict[str, str]:
    """deploy/kafka/server.properties: what every node here has in common."""
    lines = (DEPLOY / "server.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def java() -> str:
    """The path of a Java that can run Kafka. Raises BrokerError."""
    path = shutil.which("java")
    if path is None:
        raise BrokerError(f"no java on the PATH, and Apache Kafka {version()} needs Java 17 or newer ({PACKAGES})")
    said = subprocess.run([path, "-version"], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    found = re.search(r'version "(\d+)', said.stderr)
    if found is None or int(found[1]) < 17:
        what = f"is version {found[1]}" if found else "tells no version"
        raise BrokerError(f"{path} {what}, and Apache Kafka {version()} needs Java 17 or newer ({PACKAGES})")
    return path


def fetch() -> Path:
    """The directory of Kafka's jars, filled by Maven when it is not there yet. Raises BrokerError."""
    pom = DEPLOY / "pom.xml"
    home = Path(os.environ.get(DIRECTORY_VARIABLE) or DEPLOY.parents[1] / ".kafka").absolute()
    jars = home / f"{version()}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:8]}"
    if jars.is_dir():
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError(f"no mvn on the PATH to fetch Apache Kafka {version()} from Maven Central with ({PACKAGES})")
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=home) as room:
        target = Path(room) / "jars"
        _run_maven(
            [maven, "-q", "-B", "-C", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={target}"]
        )
        with contextlib.suppress(OSError):  # another run was faster: its jars are as good
            target.rename(jars)
    if not jars.is_dir():
        raise BrokerError(f"{jars} cannot be written: set {DIRECTORY_VARIABLE} to a directory that can")
    return jars


def _run_maven(command: Sequence[str]) -> None:
    failed = f"Maven could not fetch Apache Kafka {version()}"
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=FETCH_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise BrokerError(f"{failed} within {FETCH_SECONDS:.0f} s: run it again, it goes on where it was") from None
    if done.returncode != 0:
        said = re.search(r"\[ERROR\] *(.+)", done.stdout + done.stderr)
        why = said[1] if said else f"exit {done.returncode}"
        raise BrokerError(
            f"{failed}: {why} (is Maven Central reachable, or a mirror set in ~/.m2/settings.xml? {PACKAGES})"
        )


def problem() -> str | None:
    """Why no node can be run here, or None when one can. Fetches Kafka if it is not there."""
    try:
        java()
        fetch()
    except BrokerError as error:
        return str(error)
    return None
