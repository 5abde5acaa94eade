"""kustomize and helm, for tests of what they make of deploy/: `python -m tests.support.go_programs` fetches them.

Go builds each once, from the source that the Go module proxy has, into `build/`: half a minute of a core for kustomize,
three minutes for helm.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = "on Debian: apt-get install golang-go"
FETCH_SECONDS: Final = 900.0


class GoProgramError(Exception):
    """A program is missing, or it found a mistake. One line says which."""


class GoProgram(NamedTuple):
    """A program that Go installs."""

    name: str
    package: str
    version: str

    @property
    def path(self) -> Path:
        return ROOT / "build" / f"{self.name}-{self.version}"

    def fetch(self) -> Path:
        """Return the program, built if it is not there yet. Raises GoProgramError."""
        if self.path.exists():
            return self.path
        go = shutil.which("go")
        if go is None:
            raise GoProgramError(f"no go on the PATH to build {self.name} {self.version} with ({PACKAGES})")
        self.path.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{self.name}-", dir=self.path.parent) as room:
            # without C: Debian's golang-go comes without a compiler for it
            settings = {"GOBIN": room, "CGO_ENABLED": "0"}
            failed = f"go could not build {self.name} {self.version}"
            _run([go, "install", f"{self.package}@{self.version}"], failed, os.environ | settings)
            (Path(room) / self.name).replace(self.path)
        return self.path

    def run(self, *arguments: str | Path) -> str:
        """Return what it prints. Raises GoProgramError."""
        command = [str(self.fetch()), *map(str, arguments)]
        return _run(command, f"{self.name} {' '.join(command[1:])}", None)


# the newest that Debian 12's Go (1.19) can build; this kustomize is older than what is in any kubectl since 1.28
KUSTOMIZE: Final = GoProgram("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "v5.0.3")
HELM: Final = GoProgram("helm", "helm.sh/helm/v3/cmd/helm", "v3.11.3")


def _run(command: list[str], failed: str, environment: dict[str, str] | None) -> str:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment, timeout=FETCH_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise GoProgramError(f"{failed} within {FETCH_SECONDS:.0f} s: run it again, it goes on where it was") from None
    if done.returncode != 0:
        output = [line for line in done.stderr.splitlines() if not line.startswith("go: downloading")]
        raise GoProgramError(f"{failed}: {' '.join(output) or f'exit {done.returncode}'}")
    return done.stdout


def main() -> None:
    """Print the paths of the programs; exit with 1 and one line if one cannot be built."""
    try:
        for program in (KUSTOMIZE, HELM):
            sys.stdout.write(f"{program.fetch()}\n")
    except GoProgramError as error:
        sys.exit(f"tests.support.go_programs: {error}")


if __name__ == "__main__":
    main()
