"""Tables in the document, and the program that puts them there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import machine, report
from benchmarks.plots import Figure, Line, Panel
from benchmarks.report import Findings, ReportError, Table
from benchmarks.rounds import Measured

ROOT = Path(__file__).parents[2]
TABLE = Table("speed", ("", "µs"), [["ours", "1.00"]], "Measured so.")


def test_a_table_replaces_what_stood_between_its_markers_and_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / report.DOCUMENT
    document.write_text("before\n<!-- bench:speed -->\nold\n<!-- /bench:speed -->\nafter\n")
    for _ in range(2):
        report.write(Findings([TABLE]), tmp_path)
    assert document.read_text() == (
        "before\n<!-- bench:speed -->\n|  | µs |\n| --- | ---: |\n| ours | 1.00 |\n\nMeasured so.\n"
        "<!-- /bench:speed -->\nafter\n"
    )


@pytest.mark.parametrize("text", ["", 2 * "<!-- bench:speed --><!-- /bench:speed -->"])
def test_a_table_without_one_place_of_its_own_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / report.DOCUMENT).write_text(text)
    with pytest.raises(ReportError, match="speed"):
        report.write(Findings([TABLE]), tmp_path)


@pytest.mark.parametrize("rows", [[], [["ours"]], [["ours", ""]], [["ours", "nan"]]])
def test_a_table_that_is_not_whole_is_an_error(rows: list[list[str]]) -> None:
    with pytest.raises(ReportError, match="the table speed is not whole"):
        Table("speed", ("", "µs"), rows)


def test_the_same_figure_is_the_same_bytes(tmp_path: Path) -> None:
    panel = Panel("rows", "µs", [Line("ours", [1, 10], [Measured((1.0, 2.0)), Measured((3.0,))])])
    for name in ("a.svg", "b.svg"):
        Figure("figure", [panel]).draw(tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_program_prints_the_machine_and_the_table_and_leaves_the_document_alone_when_quick() -> None:
    before = (ROOT / "docs" / report.DOCUMENT).read_bytes()
    environment = os.environ | dict.fromkeys(machine.DISTURBING, "Haswell")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", "forest"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "| CPU |" in done.stdout
    assert "## forest" in done.stdout
    assert (ROOT / "docs" / report.DOCUMENT).read_bytes() == before


def test_what_slows_numpy_is_taken_out_of_the_environment() -> None:
    assert machine.undisturbed({"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "1", "HOME": "/"}) == {"HOME": "/"}
