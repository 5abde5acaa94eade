import subprocess
import sys
from pathlib import Path

import pytest

from consumer.errors import WorkerError
from consumer.slots import take_slot, transactional_ids


def test_each_worker_takes_the_lowest_number_that_is_free(tmp_path: Path) -> None:
    with take_slot("g", directory=tmp_path) as first, take_slot("g", directory=tmp_path) as second:
        assert (first.number, second.number) == (0, 1)
        first.free()
        with take_slot("g", directory=tmp_path) as third:
            assert third.number == 0


def test_groups_do_not_share_their_numbers_whatever_they_are_called(tmp_path: Path) -> None:
    with take_slot("../a/b", directory=tmp_path) as one, take_slot("..\\a", directory=tmp_path) as other:
        assert one.number == other.number == 0


def test_a_number_asked_for_is_had_or_refused_in_one_line(tmp_path: Path) -> None:
    with take_slot("g", 3, directory=tmp_path) as slot:
        assert slot.number == 3
        with pytest.raises(
            WorkerError, match=r"^slot 3 of group g is taken on this host: choose another --slot, or none$"
        ):
            take_slot("g", 3, directory=tmp_path)


def test_a_process_that_is_killed_frees_its_number(tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib; from consumer.slots import take_slot; "
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


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(WorkerError, match="set TMPDIR to a writable directory"):
        take_slot("g", directory=tmp_path / "file")


def test_a_host_with_no_place_to_write_at_all_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    with pytest.raises(WorkerError, match=r"^cannot keep the lock .* set TMPDIR to a writable directory$"):
        take_slot("g")


def test_the_ids_name_group_host_and_slot() -> None:
    assert transactional_ids("scorer", "web1", 2) == ("scorer-web1-2-0", "scorer-web1-2-1")
