"""How hypothesis runs; where a real broker is looked for, and what is said of it at the end of the run."""

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, NoReturn

import hypothesis
import pytest

from tests.support.command_line import Call, caller
from tests.support.kafka import brokers, containers, jars
from tests.support.kafka.brokers import KafkaBroker
from tests.support.kafka.jars import BrokerError
from tests.support.kafka.secured import Secured, secured_broker
from tests.support.kafka.topics import Topics

# the same examples in every run, so that a red run means a changed program, and soon: shrinking a batch of events takes
# minutes. HYPOTHESIS_PROFILE=deep looks for new ones, and makes what it finds small.
QUICK = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
hypothesis.settings.register_profile(
    "default", deadline=None, derandomize=True, database=None, max_examples=40, phases=QUICK
)
hypothesis.settings.register_profile("deep", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

BOOTSTRAP_VARIABLE = "SESSION_SCORER_TEST_BOOTSTRAP"
SOURCE = pytest.StashKey["Source"]()
SAID = pytest.StashKey[list[str]]()  # the lines at the end of the run


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long`: the fault suite with its full counts. `--seed`: the events of tests/equality once more."""
    parser.addoption("--long", action="store_true", help="the fault suite with its full counts (an hour and a half)")
    parser.addoption("--seed", type=int, help="of the events in tests/equality (a new one in each run)")


def pytest_configure(config: pytest.Config) -> None:
    """Begin with nothing said, and with the default handlers of Ctrl-C and of a closed terminal.

    A shell ignores Ctrl-C in background jobs, nohup the other; processes that tests start would inherit that.
    """
    config.stash[SAID] = []
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Mark what uses the broker, so that `-m "not kafka"` is right; leave out what needs Docker where it is not."""
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker("kafka")
    yield
    of_docker = [item for item in items if item.get_closest_marker("docker")]
    why = containers.problem() if of_docker else None
    if why is not None:
        items[:] = [item for item in items if item not in of_docker]
        config.hook.pytest_deselected(items=of_docker)
        config.stash[SAID].append(f"testcontainers: {len(of_docker)} deselected, {why}")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Choose the broker before the first test, whose time limit is not meant for a download."""
    wanted = any(item.get_closest_marker("kafka") for item in session.items)
    if wanted and not session.config.option.collectonly:
        session.config.stash[SOURCE] = _choose()


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Name the broker in the report of each test that used it: .ci/none_skipped.py wants one."""
    if item.get_closest_marker("kafka") and item.config.stash[SOURCE].open is not None:
        item.user_properties.append(("broker", item.config.stash[SOURCE].name))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the last lines of a process of pytest-xdist to the one that prints them."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["last_lines"] = session.config.stash[SAID]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the last lines of a process."""
    node.config.stash[SAID] += getattr(node, "workeroutput", {}).get("last_lines", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line for the broker used, one for what was left out."""
    lines = config.stash[SAID]
    for line in dict.fromkeys(lines):
        terminalreporter.write_line(line)


class Source(NamedTuple):
    """A way to a broker: its name, and what opens it and gives the address; or why there is none."""

    name: str
    open: Callable[[], AbstractContextManager[str]] | None


def _choose() -> Source:
    given = os.environ.get(BOOTSTRAP_VARIABLE)
    if given:
        return Source(BOOTSTRAP_VARIABLE, lambda: _given(given))
    no_maven = jars.problem()
    if no_maven is None:
        return Source(f"Apache Kafka {jars.version()} from Maven", _from_maven)
    no_docker = containers.problem()
    if no_docker is None:
        return Source(f"a container of {containers.image()}", containers.container_broker)
    return Source(f"no Kafka broker: {no_maven}; {no_docker}; {BOOTSTRAP_VARIABLE} names none", None)


@contextlib.contextmanager
def _given(bootstrap: str) -> Iterator[str]:
    if not brokers.answers(bootstrap, timeout=5):
        raise BrokerError(f"no broker answers at {bootstrap}: correct {BOOTSTRAP_VARIABLE}, or unset it")
    yield bootstrap


@contextlib.contextmanager
def _from_maven() -> Iterator[str]:
    with KafkaBroker() as broker:
        yield broker.address


def _do_without(why: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


@pytest.fixture(scope="session")
def java_and_maven() -> None:
    """For tests that start nodes of their own (KafkaBroker). Where they cannot they are skipped; in CI they fail."""
    why = jars.problem()
    if why is not None:
        _do_without(why)


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> Iterator[str]:
    """The bootstrap address of a real broker. Where there is none the test is skipped; in CI it fails."""
    source = pytestconfig.stash[SOURCE]
    if source.open is None:
        _do_without(source.name)
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(source.open())
        except BrokerError as error:
            pytest.fail(str(error), pytrace=False)
        pytestconfig.stash[SAID].append(f"broker: {source.name}, at {address}")
        yield address


@pytest.fixture(scope="module")
def secured(java_and_maven: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:  # noqa: ARG001
    """A broker with logins and rights, for the tests of one file."""
    with secured_broker(tmp_path_factory.mktemp("secured")) as broker:
        yield broker


@pytest.fixture
def topics(kafka: str) -> Iterator[Topics]:
    """Makes fresh topics: `topics("sessions", partitions=2)` is the name of one. They are deleted after the test."""
    with Topics(kafka) as made:
        yield made


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Whatever a test makes of the process's logging is undone at its end."""
    names = (None, "consumer", "scoring", "training", "botocore", "google.auth", "httpx", "httpx2")
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger, logger.handlers[:], logger.level) for logger in loggers]
    yield
    logging.captureWarnings(capture=False)
    for logger, handlers, level in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    logging_as_before: None,  # noqa: ARG001 - commands configure it
) -> Call:
    """`call(*arguments, stdin=b"")`: runs the command line in this process, by its one entry point."""
    return caller(monkeypatch, capsys)
