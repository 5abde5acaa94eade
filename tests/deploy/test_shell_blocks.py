"""The shell blocks of README.md and docs that need a broker or a cluster. The broker is real; kubectl is a stand-in."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.go_programs import HELM, KUSTOMIZE
from tests.support.kafka.brokers import KafkaBroker
from tests.support.shell_blocks import (
    ON_A_BROKER,
    ON_KUBERNETES,
    QUICKSTART,
    ROOT,
    WORKERS,
    bash,
    copy_checkout,
    environment,
    text_of,
    write_command,
)
from tests.support.wire import Event, write

SECONDS = 240.0  # for what takes a few; the first installation downloads 100 MB
BAD_DATE = b'{"session_id": "s-1", "transaction_date": "2026-02-30T10:00:00"}'
KUBECTL = """
for last; do :; done
for word; do case $word in --from-file=*) test -s "${{word##*=}}" ;; esac; done
case "$*" in
  "apply -k "* | "diff -k "*) exec {kustomize} build "$last" ;;
  "apply -f "*) test -s "$last" ;;
  *" get secret "*) echo secret ;;
  *" create secret "* | *" rollout status "*) ;;
  *) echo "kubectl $*: the stand-in does not know this" >&2; exit 1 ;;
esac"""

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]


class Shell:
    """Runs blocks in a copy of the checkout, with the address of a broker instead of the one that they name."""

    def __init__(self, home: Path, bootstrap: str) -> None:
        self._home = home
        self._bootstrap = bootstrap
        self.directory = copy_checkout(home)

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run commands to their end, and check that all succeed."""
        done = bash(self._on_the_broker(text), self.directory, home=self._home)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    @contextlib.contextmanager
    def running(self, text: str, until: str) -> Iterator[str]:
        """Run commands that do not end, by SIGTERM at last. Yields their output once `until` is in it."""
        log = self._home / "output.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", self._on_the_broker(text)],
                cwd=self.directory,
                env=environment(self._home),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_for(lambda: until in log.read_text() or (process.poll() or 0) != 0)
            assert until in log.read_text(), log.read_text()
            yield log.read_text()
        finally:
            end_group(process)

    def _on_the_broker(self, text: str) -> str:
        named = re.sub(r"\b(?:localhost|kafka):9092\b", self._bootstrap, text)
        named = re.sub(r"examples/\w+\.py", rf"\g<0> --bootstrap-servers {self._bootstrap}", named)
        named = named.replace(" run …", " run --create-topics")
        return f"export SESSION_SCORER_BOOTSTRAP_SERVERS={self._bootstrap}\n{named}"


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.1)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End the shell and what it started, which may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        for _ in range(400):  # a worker ends within 35 s
            os.killpg(process.pid, 0)
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def broker(java_and_maven: None) -> Iterator[str]:  # noqa: ARG001 - skips where there is none
    with KafkaBroker() as broker:
        yield broker.address


@pytest.fixture(scope="module")
def shell(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(tmp_path_factory.mktemp("home"), broker)


def test_the_quickstart_runs_as_written(shell: Shell) -> None:
    worker, watch, event, invalid, kill, count = map(text_of, QUICKSTART)
    page = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    (json_line,) = re.findall(r'^ {4}(\{"session_id": .*\})$', page, re.MULTILINE)
    (shell.directory / "event.json").write_text(json_line + "\n")
    with shell.running(worker, "partitions assigned") as output:
        assert "1 of 1 workers up" in shell.run(watch).stdout
        assert '"risk_level":"High"' in shell.run(event).stdout
        assert "1 dead letter (wrong_type 1)" in shell.run(invalid).stdout
        (pid,) = re.findall(r"ready to score.*?\bpid\W+(\d+)", output)
        with shell.running(kill.replace("10848", pid), "partitions assigned"):
            time.sleep(10)  # "A few seconds after the last event"
            assert shell.run(count).stderr.endswith("10001 results, 0 more were repeats\n")


@pytest.fixture(scope="module")
def dead_letter(shell: Shell, broker: str) -> str:
    """Return the source of one of two dead letters, as which a worker has rejected two events."""
    with shell.running(text_of(QUICKSTART[0]), "partitions assigned"):
        write(broker, "sessions", [Event(BAD_DATE, b"u-1"), Event(BAD_DATE, b"u-2")])
        wait_for(lambda: len(sources(shell)) > 1)
    return sources(shell)[0]


def sources(shell: Shell) -> list[str]:
    """Return the sources of the dead letters that are there."""
    listed = shell.run("session-scorer dead-letters list --json --code bad_date").stdout
    return [json.loads(line)["source"] for line in listed.splitlines()]


@pytest.mark.parametrize("name", ON_A_BROKER)
def test_a_block_runs_on_a_broker_as_written(name: str, shell: Shell, dead_letter: str) -> None:
    (shell.directory / "my-sessions.jsonl").write_text('{"click_events": 95}\n' * 100)
    shell.run(text_of(name).replace("sessions-3-1842", dead_letter))


@pytest.mark.parametrize("name", WORKERS)
def test_a_block_starts_a_worker_as_written(name: str, shell: Shell) -> None:
    if not (shell.directory / "new-set").exists():
        (shell.directory / "new-set").symlink_to("artifacts")
    with shell.running(text_of(name), "partitions assigned"):
        pass


@pytest.mark.parametrize("name", ON_KUBERNETES)
def test_a_block_for_kubernetes_names_what_is_there(name: str, tmp_path: Path) -> None:
    directory = copy_checkout(tmp_path)
    for file in ("config.json", "settings.toml", "ca.crt"):
        (directory / file).write_text("{}")
    write_command(tmp_path, "kubectl", KUBECTL.format(kustomize=KUSTOMIZE.fetch()))
    write_command(tmp_path, "helm", f'shift 2; exec {HELM.fetch()} template "$@"')  # for upgrade --install
    done = bash(text_of(name), directory, home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
