"""A full disk. Kafka has no full topics: a node whose directory is full ends itself, "all log dirs have failed"."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Counted
from tests.support.end_to_end import Line, stop
from tests.support.kafka.brokers import KafkaBroker
from tests.support.kafka.topics import Topics
from tests.support.waiting import wait_until

COUNT = 20_000  # 9 MB of events, and twice that of results


def mount(*what: str) -> None:
    """Skips the test where that is not allowed: it takes root."""
    done = subprocess.run(["mount", *what], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mount {' '.join(what)}: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for the events and not for what comes of them."""
    place = tmp_path / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place))
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.usefixtures("java_and_maven")
def test_when_the_disk_is_full_the_worker_waits_and_delivers_all_once_there_is_room_again(
    disk: Path, tmp_path: Path, counted: Counted
) -> None:
    small = {"log.dirs": str(disk / "data"), "log.index.size.max.bytes": "65536", "log.segment.bytes": "2097152"}
    with KafkaBroker(properties=small) as broker:
        line = Line.on(broker.address, Topics(broker.address))
        counted(line)
        planted = line.feed(COUNT)
        with line.running(tmp_path / "log", "-X", "compression.type=none") as process:
            status = Path(f"/proc/{broker.pid}/stat")
            wait_until(lambda: ") Z " in status.read_text())
            assert "No space left on device" in broker.log.read_text()
            mount("-o", "remount,size=400m", str(disk))
            broker.stop()
            (broker.directory / "data").mkdir()  # or it would format the disk anew
            broker.start()
            line.wait_for(lambda count: count == COUNT, process)
            assert stop(process) == 0
        assert line.check(planted).faults() == {}
