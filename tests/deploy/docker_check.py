"""make docker-check: the image and docker-compose.yml on a real Docker engine, and what of the tests needs one.

By hand, since CI has no engine. Needs the Docker CLI with compose, and for images that the engine does not hold:
debootstrap (as root), Java and Maven. docs/deployment.md has the commands.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator

from tests.deploy import compose_check, image_check, stand_ins
from tests.deploy.engine import CheckError, compose, docker, remove_started, require, run, show
from tests.support.kafka.brokers import START_SECONDS, answers
from tests.support.kafka.jars import BrokerError


def check(*, keep: bool) -> None:
    """All of it; what was started is gone at the end. Raises CheckError, BrokerError."""
    with _needed():
        show("engine", docker("version", "--format", "{{.Server.Version}}"))
        show("compose", docker("compose", "version", "--short"))
    with contextlib.ExitStack() as at_the_end:
        if not keep:
            at_the_end.callback(stand_ins.remove)
        with _needed():
            stand_ins.make()
        image_check.build(stand_ins.BASE)
        image_check.look_inside()
        at_the_end.callback(compose_check.down)
        at_the_end.callback(remove_started)
        _image_beside_kafka()
        compose_check.down()
        compose_check.up()
        compose_check.watch()
        compose_check.account()
        _tests()


@contextlib.contextmanager
def _needed() -> Iterator[None]:
    try:
        yield
    except CheckError as error:
        raise CheckError(f"{error} (what this needs is in docs/deployment.md, Without a registry)") from None


def _image_beside_kafka() -> None:
    compose_check.up("topics")
    docker("container", "wait", compose("ps", "--all", "--quiet", "topics"))
    require(answers(compose_check.LINE.bootstrap, START_SECONDS), "Kafka does not answer on its port of this machine")
    image_check.start_times(compose_check.LINE)
    image_check.health_and_stop(compose_check.LINE)
    remove_started()


def _tests() -> None:
    # testcontainers' own reaper is one more image to be pulled
    without = {"TESTCONTAINERS_RYUK_DISABLED": "true"}
    said = run(sys.executable, "-m", "pytest", "-q", "-m", "docker", "tests", env=without).splitlines()[-1]
    require(" passed" in said, f"pytest -m docker: {said}")
    show("pytest -m docker", said)


def main() -> int:
    """0 where all holds; 1 with a line that says what does not."""
    parser = argparse.ArgumentParser("python -m tests.deploy.docker_check", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the images made here in the engine")
    given = parser.parse_args()
    try:
        check(keep=given.keep)
    except (CheckError, BrokerError) as error:
        sys.stderr.write(f"docker-check: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("docker-check: stopped; what it started is gone\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
