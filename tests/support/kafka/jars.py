"""Apache Kafka's jars, by Maven from Maven Central, and the Java to run them with.

They are fetched once, into `.kafka/` or $SESSION_SCORER_KAFKA_DIR: 44 MB in 5 to 10 s. Each jar must have the SHA-256
that deploy/kafka/jars.sha256 gives, at every use. For another version `python -m tests.support.kafka.brokers lock`
writes that file.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

DEPLOY = Path(__file__).parents[3] / "deploy" / "kafka"
LOCK = DEPLOY / "jars.sha256"
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
    """The directory of Kafka's jars, filled by Maven when it is not there yet. Raises BrokerError.

    Also when a jar is not the one that the lock names.
    """
    jars = _directory()
    if not jars.is_dir():
        _fetch_into(jars, check)
    check(jars)
    return jars


def lock() -> None:
    """Write the lock anew, from jars that Maven fetches again. Raises BrokerError."""
    with tempfile.TemporaryDirectory(prefix="locking-") as room:
        jars = Path(room) / "jars"
        _fetch_into(jars, lambda _: None)
        lines = [f"{digest}  {name}\n" for name, digest in sorted(_digests(jars).items())]
    LOCK.write_text("".join(lines))


def check(jars: Path) -> None:
    """Raise BrokerError unless the directory holds the locked jars and no other file."""
    locked = {name: digest for digest, name in (line.split() for line in LOCK.read_text().splitlines())}
    found = _digests(jars)
    wrong = sorted(name for name in locked.keys() | found.keys() if locked.get(name) != found.get(name))
    if wrong:
        raise BrokerError(
            f"{jars / wrong[0]}: {_fault(wrong[0], locked, found)}; remove {jars}, so that it is fetched again "
            "(another version of Kafka: python -m tests.support.kafka.brokers lock)"
        )


def _fault(name: str, locked: Mapping[str, str], found: Mapping[str, str]) -> str:
    if name not in found:
        return f"is missing, {LOCK.name} names it"
    return f"its SHA-256 is not the one in {LOCK.name}" if name in locked else f"{LOCK.name} does not name it"


def _digests(jars: Path) -> dict[str, str]:
    """SHA-256 by name, of every file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in jars.iterdir()}


def home() -> Path:
    """The directory of all that is fetched."""
    return Path(os.environ.get(DIRECTORY_VARIABLE) or DEPLOY.parents[1] / ".kafka").absolute()


def _directory() -> Path:
    pom = DEPLOY / "pom.xml"
    return home() / f"{version()}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:8]}"


def _fetch_into(jars: Path, check_fetched: Callable[[Path], None]) -> None:
    """Fill the directory by Maven, whole or not at all."""
    pom, parent = DEPLOY / "pom.xml", jars.parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=parent) as room:
        target = Path(room) / "jars"
        run_maven(
            ["-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={target}"],
            f"Apache Kafka {version()}",
        )
        check_fetched(target)
        with contextlib.suppress(OSError):  # another run was faster: its jars are as good
            target.rename(jars)
    if not jars.is_dir():
        raise BrokerError(f"{jars} cannot be written: set {DIRECTORY_VARIABLE} to a directory that can")


def run_maven(goal: Sequence[str], what: str) -> None:
    """Fetch `what` by a goal of Maven. Raises BrokerError."""
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError(f"no mvn on the PATH to fetch {what} from Maven Central with ({PACKAGES})")
    failed = f"Maven could not fetch {what}"
    try:
        done = subprocess.run(
            [maven, "-q", "-B", "-C", *goal],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=FETCH_SECONDS,
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
