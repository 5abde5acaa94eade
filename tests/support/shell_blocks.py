"""The shell blocks of README.md and docs, and what runs each of them.

A block is named by its page and its beginning: "docs/check.md: session-scorer check".
"""

import os
import re
import shutil
import subprocess
import sysconfig
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
BIN: Final = Path(sysconfig.get_path("scripts"))

WITHOUT_A_BROKER: Final = (
    "README.md: session-scorer predict event.json",
    "README.md: session-scorer train --data",
    "docs/faq.md: make runbook URL=",
    "docs/faq.md: python3 -c",
    "docs/model.md: session-scorer evaluate",
    "docs/model.md: session-scorer train",
    "docs/runbook.md: make runbook URL=",
    "docs/upgrade.md: session-scorer model verify",
)
"""Run by tests/test_shell_blocks.py."""

ON_KUBERNETES: Final = (
    "docs/kubernetes.md: kubectl apply -k deploy/kubernetes/strimzi",
    "docs/kubernetes.md: kubectl apply -f deploy/kubernetes/base/namespace.yaml",
    "docs/kubernetes.md: kubectl diff -k",
    "docs/kubernetes.md: kubectl -n session-scorer create secret docker-registry",
    "docs/kubernetes.md: helm upgrade --install",
    "docs/kubernetes.md: get() {",
    "docs/kubernetes.md: kubectl -n session-scorer create secret generic session-scorer-kafka",
)
"""Run by tests/deploy/test_shell_blocks.py, without a cluster: kustomize and helm render what is there."""

QUICKSTART: Final = (
    "docs/quickstart.md: python3 -m venv ~/scorer",
    "docs/quickstart.md: ~/scorer/bin/session-scorer watch",
    "docs/quickstart.md: ~/scorer/bin/python examples/feeder.py --input event.json",
    "docs/quickstart.md: echo",
    "docs/quickstart.md: ~/scorer/bin/python examples/feeder.py --rate 2000",
    "docs/quickstart.md: ~/scorer/bin/python examples/subscriber.py --topic session-results",
)
"""Run by tests/deploy/test_shell_blocks.py, in this order on one broker."""

WORKERS: Final = (
    "README.md: python3 -m venv ~/scorer",
    "docs/tracing.md: pip install",
    "docs/upgrade.md: session-scorer run",
)
"""Run by tests/deploy/test_shell_blocks.py on a broker, until a worker scores."""

ON_A_BROKER: Final = (
    "README.md: make demo EVENTS=",
    "docs/check.md: session-scorer check",
    "docs/delivery.md: session-scorer dead-letters list",
    "docs/delivery.md: session-scorer dead-letters redrive",
    "docs/delivery.md: session-scorer dead-letters export",
    "docs/upgrade.md: ~/scorer/bin/pip install",
)
"""Run by tests/deploy/test_shell_blocks.py, to their end."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "docs/data-card.md: python -m training.synthetic.dataset": (
        "tests/training/synthetic/test_dataset.py::test_the_program_writes_the_shipped_sets"
    ),
    "docs/formats.md: session-scorer check": (
        "tests/faults/test_formats.py::test_check_and_run_read_the_registered_schema"
    ),
    "docs/quickstart.md: make kafka": "tests/test_brokers.py::test_a_served_broker_ends_in_order_when_asked_to",
}
"""Run by the tests that are named."""

BY_HAND: Final = "needs a Docker engine: `make docker-check` builds and runs the image and compose by hand"
LONG: Final = "takes up to half an hour; CI runs `make bench-quick`"
RIGHTS: Final = (
    "kafka-acls.sh is not here; tests/deploy/test_security.py gives a real broker the rights that the page has"
)
NOT_RUN: Final[Mapping[str, str]] = {
    "README.md: make demo      #": "CI runs `make test`, another block `make demo`; `make train` takes minutes",
    "docs/deployment.md: docker build -f": BY_HAND,
    "docs/deployment.md: docker buildx": BY_HAND,
    "docs/deployment.md: docker run": BY_HAND,
    "docs/deployment.md: docker compose up": BY_HAND,
    "docs/deployment.md: apt-get install docker.io": BY_HAND,
    "docs/deployment.md: GOBIN=": BY_HAND,
    "docs/messages.md: datamodel-codegen": (
        "tests/deploy/test_generated_types.py runs the first, `python -m tests.codegen` both, with paths of their own"
    ),
    "docs/performance.md: make bench  ": LONG,
    "docs/performance.md: make bench PYTHON=": LONG,
    'docs/performance.md: make bench BENCH="--old': LONG,
    "docs/security.md: kafka-acls.sh --bootstrap-server HOST:9092 --command-config admin.properties --add "
    "--allow-principal User:scorer \\\n  --operation Read": RIGHTS,
    "docs/security.md: kafka-acls.sh --bootstrap-server HOST:9092 --command-config admin.properties --add "
    "--allow-principal User:scorer \\\n  --operation DescribeConfigs": RIGHTS,
    "docs/security.md: uv tool run pip-audit": "asks PyPI itself, which has no mirror: `make audit`, by hand",
    "docs/sizing.md: make bench": LONG,
}
"""With the reason."""

RUN: Final = (*WITHOUT_A_BROKER, *ON_KUBERNETES, *QUICKSTART, *WORKERS, *ON_A_BROKER)

_COMMAND: Final = re.compile(
    r"(?:\w+=\S+ )*(?:~/scorer/bin/)?"
    r"(?:apt-get|bash|cat|cd|cp|curl|datamodel-codegen|docker|dockerd|echo|export|for|get\(\)|git|go|grep|helm|java|jq|"
    r"kafka-\w+\.sh|kcat|kubectl|kustomize|make|mvn|npm|npx|pip|pip3|podman|python|python3|quicktype|sed|session-scorer|sh|"
    r"sudo|systemctl|tar|uv|uvx)(?= |$)",
    re.MULTILINE,
)
_INDENTED: Final = re.compile(r"(?:^ {4,}\S.*\n)+", re.MULTILINE)


class Block(NamedTuple):
    """The path of its page from the top of the checkout, and its lines without indentation."""

    page: str
    text: str

    def is_named(self, name: str) -> bool:
        """Whether the name has this page, and the beginning of this text."""
        return f"{self.page}: {self.text}".startswith(name)


def shell_blocks() -> list[Block]:
    """Return the indented blocks of README.md and docs whose first line is a command."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    blocks = [
        Block(str(page.relative_to(ROOT)), textwrap.dedent(text))
        for page in pages
        for text in _INDENTED.findall(page.read_text(encoding="utf-8"))
    ]
    return [block for block in blocks if _COMMAND.match(block.text)]


def text_of(name: str) -> str:
    """Return the commands of a block; where a page has it twice, of the first."""
    return next(block.text for block in shell_blocks() if block.is_named(name))


def bash(text: str, directory: Path, *, home: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run commands in a directory until one of them fails."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=directory,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def environment(home: Path) -> dict[str, str]:
    """Return ours without settings. `home`/scorer/bin and `home`/bin come first on the PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SESSION_", "KAFKA_", "PYTHON"))}
    path = os.pathsep.join([f"{home}/scorer/bin", f"{home}/bin", str(BIN), kept["PATH"]])
    cache = kept.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())  # of pip and of compiled code
    return {**kept, "HOME": str(home), "PATH": path, "XDG_CACHE_HOME": cache}


def write_command(home: Path, name: str, script: str) -> None:
    """Put a shell script called `name` into `home`/bin."""
    (home / "bin").mkdir(exist_ok=True)
    path = home / "bin" / name
    path.write_text(f"#!/bin/sh\nset -eu\n{script}\n")
    path.chmod(0o755)


def copy_checkout(home: Path) -> Path:
    """Return a copy of what a clone has, but tests and docs, where make uses this environment and feeds 200 events."""
    names = ("Makefile", "README.md", "LICENSE", "pyproject.toml", ".gitignore")
    folders = ("artifacts", "consumer", "deploy", "examples", "requirements", "scoring", "tools", "training")
    checkout = home / "checkout"
    checkout.mkdir()
    for name in names:
        shutil.copy(ROOT / name, checkout)
    for name in folders:
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    write_command(home, "make", f'exec {shutil.which("make")} READY= VENV={BIN.parent} EVENTS=200 "$@"')
    return checkout
