"""The real kustomize, for tests of what it makes of deploy/kubernetes: `python -m tests.support.kustomize` fetches it.

Go builds it once, from the source that the Go module proxy has, into `build/`: half a minute of a core.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "deploy" / "kubernetes"
VERSION = "v5.0.3"  # the newest that Debian 12's Go (1.19) can build, and older than what is in any kubectl since 1.28
PROGRAM = ROOT / "build" / f"kustomize-{VERSION}"
PACKAGES = "on Debian: apt-get install golang-go"
FETCH_SECONDS = 500.0


class KustomizeError(Exception):
    """No kustomize, or it found a mistake. One line says which."""


def fetch() -> Path:
    """The program, built when it is not there yet. Raises KustomizeError."""
    if PROGRAM.exists():
        return PROGRAM
    go = shutil.which("go")
    if go is None:
        raise KustomizeError(f"no go on the PATH to build kustomize {VERSION} with ({PACKAGES})")
    PROGRAM.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kustomize-", dir=PROGRAM.parent) as room:
        module = f"sigs.k8s.io/kustomize/kustomize/v5@{VERSION}"
        # without C: Debian's golang-go comes without a compiler for it
        settings = {"GOBIN": room, "CGO_ENABLED": "0"}
        _run([go, "install", module], f"go could not build kustomize {VERSION}", os.environ | settings)
        (Path(room) / "kustomize").replace(PROGRAM)
    return PROGRAM


def build(place: str) -> list[dict[str, Any]]:
    """The objects that `kubectl apply -k deploy/kubernetes/<place>` would send. Raises KustomizeError."""
    text = _run([str(fetch()), "build", str(PLACE / place)], f"{place} cannot be built", None)
    return [each for each in YAML(typ="safe").load_all(text) if each]


def _run(command: list[str], failed: str, environment: dict[str, str] | None) -> str:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment, timeout=FETCH_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise KustomizeError(f"{failed} within {FETCH_SECONDS:.0f} s: run it again, it goes on where it was") from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if not line.startswith("go: downloading")]
        raise KustomizeError(f"{failed}: {' '.join(said) or f'exit {done.returncode}'}")
    return done.stdout


def main() -> None:
    try:
        sys.stdout.write(f"{fetch()}\n")
    except KustomizeError as error:
        sys.exit(f"tests.support.kustomize: {error}")


if __name__ == "__main__":
    main()
