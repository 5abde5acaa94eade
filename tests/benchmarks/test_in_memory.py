"""Bytes to bytes in processes of their own, and what is counted there."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import counts
from benchmarks.in_memory import STAGES
from benchmarks.run import Run
from benchmarks.trees import InMemory, Tree, in_memory, same_events, trees
from benchmarks.watching import RaceError


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InMemory]:
    room = tmp_path_factory.mktemp("room")
    (ours,) = trees(Run(room))
    with in_memory(ours, room / "log") as process:
        yield process


def test_cost_has_every_stage(running: InMemory) -> None:
    cost = running.ask("cost", 100, 50)
    assert set(cost) == {*STAGES, "all"}
    assert 0 < sum(cost[stage] for stage in STAGES) <= cost["all"]


def test_different_events_are_not_compared(running: InMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    same_events({"ours": running, "the same": running}, 100)
    other = InMemory.__new__(InMemory)
    monkeypatch.setattr(other, "digest", lambda _: "another", raising=False)
    with pytest.raises(RaceError, match="different events"):
        same_events({"ours": running, "old": other}, 100)


def test_a_process_that_ends_is_an_error_with_its_last_line(tmp_path: Path) -> None:
    (ours,) = trees(Run(tmp_path))
    with (
        pytest.raises(RaceError, match="no-such-module"),
        in_memory(Tree("broken", ours.python, tmp_path), tmp_path / "log", (ours.python, "-m", "no-such-module")) as it,
    ):
        it.ask("cost", 1, 1)


@pytest.mark.timeout(300)  # compiles the kernels, in a place of its own
def test_calls_of_malloc_are_counted_where_there_is_a_compiler(tmp_path: Path) -> None:
    tables = counts.run(Run(tmp_path, quick=True)).tables
    if not (shutil.which("gcc") or shutil.which("cc")):
        assert tables == []
        return
    (table,) = tables
    assert [row[0] for row in table.rows] == ["session-scorer, batches of 200", "session-scorer, batches of 1,000"]
    for _, instructions, mallocs, objects in table.rows:
        assert instructions == counts.ABSENT
        assert 0 < float(mallocs) < float(objects)
    assert "left out by --quick" in table.note


def test_counts_without_a_compiler_are_skipped_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert counts.run(Run(tmp_path)).tables == []
    assert capsys.readouterr().err == "counts: skipped, there is no C compiler\n"
