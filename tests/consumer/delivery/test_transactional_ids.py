import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from consumer.delivery.transactional_ids import SlotTakenError, keep_slot, take_slot, transactional_ids
from consumer.errors import WorkerError
from tests.support.waiting import wait_until

DAY = 86_400  # seconds


def test_worker_takes_the_lowest_free_slot(tmp_path: Path) -> None:
    with take_slot("g", directory=tmp_path) as first, take_slot("g", directory=tmp_path) as second:
        assert (first.number, second.number) == (0, 1)
        first.release()
        with take_slot("g", directory=tmp_path) as third:
            assert third.number == 0


def test_groups_have_slots_of_their_own(tmp_path: Path) -> None:
    with take_slot("../a/b", directory=tmp_path) as one, take_slot("..\\a", directory=tmp_path) as other:
        assert one.number == other.number == 0


def test_fixed_slot_is_taken_or_refused_in_a_line(tmp_path: Path) -> None:
    with take_slot("g", 3, directory=tmp_path) as slot:
        assert slot.number == 3
        with pytest.raises(
            WorkerError, match=r"^slot 3 of group g is taken on this host: choose another --slot, or none$"
        ):
            take_slot("g", 3, directory=tmp_path)


def test_a_process_that_is_killed_frees_its_number(tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib; from consumer.delivery.transactional_ids import take_slot; "
        f"slot = take_slot('g', directory=pathlib.Path({str(tmp_path)!r})); print('taken', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with take_slot("g", directory=tmp_path) as slot:
            assert slot.number == 1
        other.kill()
        other.wait()
    with take_slot("g", directory=tmp_path) as slot:
        assert slot.number == 0


def test_unwritable_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(WorkerError, match="set TMPDIR to a writable directory"):
        take_slot("g", directory=tmp_path / "file")


def test_host_without_writable_directory_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    with pytest.raises(WorkerError, match=r"^cannot keep the lock .* set TMPDIR to a writable directory$"):
        take_slot("g")


def test_the_ids_name_group_host_and_slot() -> None:
    assert transactional_ids("scorer", "web1", 2) == ("scorer-web1-2-0", "scorer-web1-2-1")


def test_removed_lock_is_made_again(tmp_path: Path) -> None:
    with take_slot("g", directory=tmp_path / "locks") as slot:
        shutil.rmtree(tmp_path / "locks")
        slot.keep()
        with take_slot("g", directory=tmp_path / "locks") as second:
            assert second.number == 1
    with take_slot("g", directory=tmp_path / "locks") as again:
        assert again.number == 0


def test_removed_lock_of_another_worker_is_lost(tmp_path: Path) -> None:
    with take_slot("g", directory=tmp_path) as slot:
        slot.path.unlink()
        with take_slot("g", directory=tmp_path) as second:
            assert second.number == 0
            with pytest.raises(SlotTakenError, match=r"^slot 0: its lock .* was removed, and another worker has"):
                slot.keep()


def test_a_running_worker_notices_the_removal_by_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    with take_slot("g", directory=tmp_path) as slot, keep_slot(slot, stop, 0.01):
        slot.path.unlink()
        wait_until(lambda: "the lock of this slot was removed and is made again" in caplog.messages)
        with take_slot("g", directory=tmp_path) as second:
            assert second.number == 1
    assert not stop.is_set()


def test_a_worker_stops_when_its_slot_is_lost(tmp_path: Path) -> None:
    stop = threading.Event()
    with (
        take_slot("g", directory=tmp_path / "ours") as slot,
        take_slot("g", directory=tmp_path / "theirs") as other,
    ):
        other.path.replace(slot.path)
        with pytest.raises(SlotTakenError), keep_slot(slot, stop, 0.01):
            assert stop.wait(30)


def test_lock_that_cannot_be_kept_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    locks, stop = tmp_path / "locks", threading.Event()
    with take_slot("g", directory=locks) as slot, keep_slot(slot, stop, 0.01):
        shutil.rmtree(locks)
        locks.symlink_to(tmp_path)
        wait_until(lambda: "the lock of this slot cannot be kept" in caplog.messages)
        locks.unlink()
        wait_until(slot.path.exists)
    assert caplog.messages.count("the lock of this slot cannot be kept") == 1
    assert not stop.is_set()


def test_times_of_lock_and_directory_are_renewed(tmp_path: Path) -> None:
    with take_slot("g", directory=tmp_path / "locks") as slot:
        old, paths = time.time() - 11 * DAY, (slot.path, slot.path.parent)
        for path in paths:
            os.utime(path, (old, old))
        slot.keep()
        assert all(min(path.stat().st_mtime, path.stat().st_atime) > time.time() - DAY for path in paths)


def test_lock_removed_during_locking_is_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock
    paths: list[Path] = []

    def removed_first(descriptor: int, operation: int) -> None:
        if not paths:
            paths.extend(tmp_path.glob("*.lock"))
            paths[0].unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_first)
    with take_slot("g", directory=tmp_path), take_slot("g", directory=tmp_path) as second:
        assert second.number == 1
    assert paths


def test_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    locks = tmp_path / "locks"
    locks.mkdir()
    for mode in (0o770, 0o707, 0o1777):
        locks.chmod(mode)
        with pytest.raises(WorkerError, match=rf"can be written by other users \(mode {mode:04o}\): chmod it to 0700"):
            take_slot("g", directory=locks)
    locks.chmod(0o2755)
    take_slot("g", directory=locks).release()


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_directory_that_is_a_link_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "locks").symlink_to(tmp_path / target)
    with pytest.raises(WorkerError, match=r"is a symbolic link: remove it, or set TMPDIR"):
        take_slot("g", directory=tmp_path / "locks")
    assert not list((tmp_path / "there").iterdir())


def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        locks = tmp_path / "locks"
        locks.mkdir(mode=0o700)
        os.chown(locks, 12345, -1)
    else:
        locks = Path("/usr")
    with pytest.raises(WorkerError, match=r"belongs to user \d+, not to this user \(\d+\): remove it, or set TMPDIR"):
        take_slot("g", directory=locks)
