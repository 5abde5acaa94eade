"""A network between worker and broker that is slow, lossy, or gone for a while."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.conftest import Full, LineOn, Recovered
from tests.faults.proxy import Proxy, broker_behind
from tests.faults.stream import Watch, survive
from tests.support.end_to_end import Line
from tests.support.kafka.brokers import free_ports

pytestmark = pytest.mark.usefixtures("java_and_maven")

SLOW_SECONDS = 0.2  # each way


class Far(NamedTuple):
    """A broker with two ways to it: the test's own, and the worker's through the proxy."""

    near: str
    proxy: Proxy


@pytest.fixture(scope="module")
def far() -> Iterator[Far]:
    with broker_behind(Proxy) as (near, proxy):
        yield Far(near, proxy)


@pytest.fixture
def near(far: Far, line_on: LineOn) -> Line:
    """The line as the test sees it."""
    return line_on(far.near)


def through(far: Far, line: Line) -> Line:
    """The line as the worker sees it."""
    return replace(line, bootstrap=far.proxy.address)


@contextlib.contextmanager
def dropping(port: int, *which: str) -> Iterator[None]:
    """The kernel drops packets to and from the port; `which` of them, in iptables' words, or all."""
    rules = [
        ["INPUT", "-i", "lo", "-p", "tcp", side, str(port), *which, "-j", "DROP"] for side in ("--dport", "--sport")
    ]
    for rule in rules:
        iptables("-A", *rule)
    try:
        yield
    finally:
        for rule in rules:
            iptables("-D", *rule)


def iptables(*arguments: str) -> None:
    subprocess.run(["iptables", "-w", *arguments], check=True, capture_output=True, timeout=30)


def port_of(proxy: Proxy) -> int:
    return int(proxy.address.rpartition(":")[2])


def test_a_slow_network_only_takes_longer(
    far: Far, near: Line, tmp_path: Path, full: Full, recovered: Recovered
) -> None:
    def fault(_: Watch) -> None:
        far.proxy.delay = SLOW_SECONDS
        time.sleep(full(10, 60))
        far.proxy.delay = 0.0

    recovered(survive(near, tmp_path / "log", fault, worker=through(far, near)))


def test_a_network_cut_in_silence_is_told_by_readyz_and_waited_for(
    far: Far, near: Line, tmp_path: Path, full: Full, recovered: Recovered
) -> None:
    def fault(watch: Watch) -> None:
        began = time.monotonic()
        far.proxy.cut()
        try:
            watch.wait_for(503, seconds=28)
            time.sleep(max(0.0, full(18, 30) - (time.monotonic() - began)))
        finally:
            far.proxy.heal()

    recovered(survive(near, tmp_path / "log", fault, worker=through(far, near)))


@pytest.mark.usefixtures("firewall")
def test_packets_all_dropped_for_a_while_cost_nothing(
    far: Far, near: Line, tmp_path: Path, full: Full, recovered: Recovered
) -> None:
    def fault(_: Watch) -> None:
        with dropping(port_of(far.proxy)):
            time.sleep(full(12, 30))

    recovered(survive(near, tmp_path / "log", fault, worker=through(far, near)))


@pytest.mark.usefixtures("firewall")
def test_one_packet_in_five_dropped_costs_nothing(
    far: Far, near: Line, tmp_path: Path, full: Full, recovered: Recovered
) -> None:
    def fault(_: Watch) -> None:
        with dropping(port_of(far.proxy), "-m", "statistic", "--mode", "random", "--probability", "0.2"):
            time.sleep(full(10, 60))

    recovered(survive(near, tmp_path / "log", fault, worker=through(far, near)))


@pytest.fixture(scope="module")
def firewall() -> None:
    """The kernel's own packet filter: where it cannot be had these are skipped, in CI they fail."""
    why = "no iptables on the PATH" if shutil.which("iptables") is None else _refused()
    if why is not None and os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    if why is not None:
        pytest.skip(why)


def _refused() -> str | None:
    port = free_ports(1)[0]
    try:
        with dropping(port, "-m", "statistic", "--mode", "random", "--probability", "0.5"):
            return None
    except subprocess.CalledProcessError as error:
        return f"iptables is refused here: {error.stderr.decode(errors='replace').strip()}"
