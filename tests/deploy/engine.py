"""The Docker engine as a person uses it: by its command line, every command with a bound."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 900.0  # for the longest: a build, on a busy machine
PROJECT = "session-scorer-check"  # of its own, so that nobody's `docker compose up` is touched


class CheckError(Exception):
    """What does not hold, or cannot be looked at, in one line."""


def run(*command: str, env: dict[str, str] | None = None) -> str:
    """What the command prints on stdout, run at the top of the repository. Raises CheckError."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=SECONDS,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckError(f"{' '.join(command[:3])}: {error}") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise CheckError(f"{' '.join(command[:3])}: exit {done.returncode}: {said[-1]}")
    return done.stdout.strip()


def docker(*arguments: str) -> str:
    """`docker …`, as `run`."""
    return run("docker", *arguments)


def compose(*arguments: str) -> str:
    """`docker compose …` without Grafana and kafka-ui, as `run`."""
    return run("docker", "compose", "--project-name", PROJECT, *arguments, env={"COMPOSE_PROFILES": ""})


def has_image(name: str) -> bool:
    """Whether the engine holds this image; it is not looked for anywhere else."""
    return bool(docker("image", "ls", "--quiet", name))


def state(container: str, of: str) -> str:
    """One field of a container's state, such as `ExitCode` or `Health.Status`."""
    return docker("container", "inspect", "--format", f"{{{{.State.{of}}}}}", container)


def start(*options: str) -> str:
    """The id of a container that runs in the background until `remove_started`, or is removed before."""
    return docker("run", "--detach", "--label", PROJECT, *options)


def remove_started() -> None:
    """All that `start` started, whatever it does."""
    if left := docker("container", "ls", "--all", "--quiet", "--filter", f"label={PROJECT}").split():
        docker("container", "rm", "--force", *left)


def stop(container: str) -> float:
    """SIGTERM; how many seconds it took. Raises CheckError where it did not end by itself with 0."""
    began = time.monotonic()
    docker("container", "stop", "--time", "60", container)
    took = time.monotonic() - began
    code = state(container, "ExitCode")
    if code != "0":
        raise CheckError(f"a container ended with {code}: {last_words(container)}")
    return took


def last_words(container: str) -> str:
    """The last line of its log."""
    return run("sh", "-c", 'docker container logs --tail 1 "$1" 2>&1', "sh", container)


def wait_for(happened: Callable[[], bool], what: str, seconds: float = 120.0) -> float:
    """Until it has; how many seconds that took. Raises CheckError."""
    began = time.monotonic()
    while not happened():
        require(time.monotonic() - began < seconds, f"{what}: not within {seconds:g} s")
        time.sleep(0.2)
    return time.monotonic() - began


def require(holds: bool, otherwise: str) -> None:
    """Raises CheckError unless it holds."""
    if not holds:
        raise CheckError(otherwise)


def show(what: str, figure: str) -> None:
    """One line for what was seen."""
    sys.stdout.write(f"  {what:<52} {figure}\n")
    sys.stdout.flush()
