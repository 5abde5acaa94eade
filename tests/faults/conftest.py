"""What the fault suite shares. Everything in this directory is marked `faults`: `make faults`, `make faults-long`."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.rights import guarded_broker
from tests.faults.stream import RECOVERY_SECONDS
from tests.support.checker import Report
from tests.support.end_to_end import Line
from tests.support.kafka.topics import Topics

HERE = Path(__file__).parent
Counted = Callable[[Line], None]
Full = Callable[[int, int], int]
LineOn = Callable[..., Line]
Record = Callable[[str, object], None]
Recovered = Callable[[float], None]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what stands here; a fault takes its time."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("faults")
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(3600 if config.getoption("--long") else 300))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A table, as docs/delivery.md has it: what was done, how long it took, what was counted."""
    stats = terminalreporter.stats
    told = {report.nodeid: report.user_properties for report in stats.get("", []) if report.when == "teardown"}
    rows: dict[str, list[pytest.TestReport]] = defaultdict(list)
    for report in [*stats.get("passed", []), *stats.get("failed", [])]:
        if HERE.name in Path(report.nodeid.split("::")[0]).parts:
            rows[report.nodeid.split("::")[-1].split("[")[0]].append(report)
    if rows:
        terminalreporter.write_line("| test | passed | seconds | counted |\n|---|---|---|---|")
    for test, reports in rows.items():
        passed, seconds = sum(report.passed for report in reports), sum(report.duration for report in reports)
        # equal words stand once: of many cases of one test each is checked alike
        words = dict.fromkeys(f"{name} {value}" for each in reports for name, value in told.get(each.nodeid, []))
        terminalreporter.write_line(f"| `{test}` | {passed} of {len(reports)} | {seconds:.0f} | {'; '.join(words)} |")


@pytest.fixture
def full(pytestconfig: pytest.Config) -> Full:
    """`full(small, long)`: the first in `make faults`, the second in `make faults-long`."""
    return lambda small, long: long if pytestconfig.getoption("--long") else small


@pytest.fixture
def counted(record_property: Record) -> Iterator[Counted]:
    """`counted(line)`: what the checker finds on this line is told at the end of the run."""
    lines: list[Line] = []
    yield lines.append
    for line in lines:
        for report in line.reports:
            record_property("events", f"{report.counts['inputs']:,} ({summary(report)})")


@pytest.fixture
def recovered(record_property: Record) -> Recovered:
    """`recovered(seconds)`: it took no longer than is promised, and how long is told at the end of the run."""

    def check(seconds: float) -> None:
        record_property("seconds to recover", round(seconds, 1))
        assert seconds <= RECOVERY_SECONDS

    return check


def summary(report: Report) -> str:
    """The faults found, in a few words."""
    return " ".join(f"{count} {kind}" for kind, count in report.faults().items()) or "0/0"


@pytest.fixture(scope="module")
def guarded(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A broker that asks who may do what: the address for its master, and that for users."""
    request.getfixturevalue("java_and_maven")
    with guarded_broker() as addresses:
        yield addresses


@pytest.fixture
def line_on(counted: Counted) -> Iterator[LineOn]:
    """`line_on(bootstrap, partitions=4, config=None)`: a line of its own topics and group on this broker."""
    with ExitStack() as stack:

        def make(bootstrap: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> Line:
            line = Line.on(bootstrap, stack.enter_context(Topics(bootstrap)), partitions, config)
            counted(line)
            return line

        yield make


@pytest.fixture
def line(kafka: str, line_on: LineOn) -> Line:
    """A line of its own topics and group on the one broker."""
    return line_on(kafka)
