"""The state of the host, neighbours, and an older commit as a contestant."""

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from benchmarks import events, host, old
from benchmarks.__main__ import main
from benchmarks.processes import peak_mib
from benchmarks.rounds import Measured
from benchmarks.run import Run
from scoring.contract import Event

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("cpu", "neighbours", "text"),
    [
        ((1.8, 2.2, 5.0), 0, "quiet (the pass-through took 2.2 (1.8 to 5.0) µs of CPU an event)."),
        ((4.0,), 2, "busy, beside 2 neighbours streaming through memory (the pass-through took 4.0 (4.0 to 4.0) "),
        ((3.0,), 1, "between quiet and busy, beside 1 neighbour streaming through memory (the "),
        ((3.0,), 1, "A busy host could not be had on this machine."),
        ((4.1,), 0, "A quiet host could not be had on this machine."),
        ((0.0,), 0, "not known"),
    ],
)
def test_state_is_named_by_cpu_of_pass_through(cpu: tuple[float, ...], neighbours: int, text: str) -> None:
    assert text in host.state(Measured(cpu), neighbours)


def test_probe_without_a_broker_says_so(tmp_path: Path) -> None:
    probe = host.Probe(Run(tmp_path), reason="there is no Java")
    probe.measure()
    assert probe.state() == "State of the host: not known (there is no Java)."


def test_neighbours_run_while_inside() -> None:
    me = psutil.Process()
    with host.neighbours(2):
        started = [child for child in me.children() if host.NEIGHBOUR in child.cmdline()]
        assert len(started) == 2
        for child in started:
            before, deadline = child.cpu_times().user, time.monotonic() + 30
            while child.cpu_times().user == before:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    assert not any(child.is_running() for child in started)


def test_neighbours_are_refused_where_their_tables_have_no_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--neighbours", "1", "--only", "forest"]) == 2
    assert capsys.readouterr().err == "benchmarks: --neighbours has no place for forest\n"


def test_neighbour_ends_with_its_parent() -> None:
    program = "import time\nfrom benchmarks import host\nwith host.neighbours(1): print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        children = psutil.Process(parent.pid).children()
        parent.kill()
    assert len(children) == 1
    assert not psutil.wait_procs(children, timeout=30)[1]


def test_an_unknown_commit_is_an_error_in_one_line() -> None:
    with pytest.raises(old.OldCommitError, match="git rev-parse"):
        old.check_out("no-such-commit")


def test_an_escaped_key_leaves_the_event_the_same() -> None:
    for _, value in events.keyed(100):
        escaped = events.with_escaped_key(value)
        assert escaped.startswith(b'{"\\u00')
        assert msgspec.json.decode(escaped, type=Event) == msgspec.json.decode(value, type=Event)


def test_peak_memory_is_at_least_what_is_resident() -> None:
    with host.neighbours(1):
        (child,) = [child for child in psutil.Process().children() if host.NEIGHBOUR in child.cmdline()]
        assert peak_mib(child.pid) >= child.memory_info().rss / 2**20 > host.MIB
