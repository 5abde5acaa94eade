"""The planted faults and what runs them; `make planted` tries all of them, which takes an hour."""

import ast
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation import planted
from tests.simulation.campaign import Violation
from tests.simulation.planted import Fault, Result, Results
from tests.support.planting import ROOT, PlantingError

FAULTS = planted.load()
BY_NAME = {fault.name: fault for fault in FAULTS}

# Stands for the simulation: in the copy a fault shows at seed 250, without one seed 700 fails.
STUB = """
import json, pathlib, sys
first, end = map(int, sys.argv[sys.argv.index("--seeds") + 1].split("-"))
planted = "offset + 2" in pathlib.Path("consumer/records.py").read_text()
copied = "planted-" in str(pathlib.Path.cwd())
bad = 250 if planted else 700 if pathlib.Path({marker!r}).exists() else 10**9
with open({log!r}, "a") as log:
    print(first, end, planted, copied, file=log)
found = [{{"seed": bad, "check": "offsets", "message": "too far"}}] if first <= bad < end else []
print(json.dumps({{"schedules": min(end, bad + 1) - first, "steps": 1, "seconds": 0.5, "violations": found}}))
sys.exit(bool(found))
"""


class Stub:
    """A command in the place of the simulation."""

    def __init__(self, directory: Path) -> None:
        self.marker, self.log = directory / "also-without", directory / "log"
        path = directory / "stub.py"
        path.write_text(STUB.format(marker=str(self.marker), log=str(self.log)))
        self.command = [sys.executable, str(path)]

    def runs(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def stub(tmp_path: Path) -> Stub:
    return Stub(tmp_path)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results.read(tmp_path / "planted.json")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_still_applies(fault: Fault) -> None:
    text = (ROOT / fault.file).read_text()

    changed = fault.apply(text)

    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))


def test_fault_names_and_edits_are_unique() -> None:
    assert len(BY_NAME) == len({fault.digest for fault in FAULTS}) == len(FAULTS) >= 44


def test_fault_that_no_longer_applies_is_refused() -> None:
    fault = Fault("gone", "", "consumer/records.py", "no such text", "")

    with pytest.raises(PlantingError, match="gone: the text to replace occurs 0 times in"):
        fault.apply("some text")


def test_fault_is_planted_in_a_copy_until_caught(stub: Stub, results: Results) -> None:
    before = (ROOT / "consumer/records.py").read_text()

    result = planted.try_fault(BY_NAME["offset-one-too-far"], 1000, results, stub.command)

    assert result.violation == Violation(250, "offsets", "too far")
    assert (result.caught, result.seconds) == (True, 1.0)
    assert stub.runs() == ["0 200 True True", "200 800 True True", "250 251 False False"]
    assert (ROOT / "consumer/records.py").read_text() == before


def test_results_are_kept_and_extended(stub: Stub, results: Results) -> None:
    fault = BY_NAME["rewind-forgotten"]
    planted.try_fault(fault, 200, results, stub.command)

    result = planted.try_fault(fault, 900, Results.read(results.path), stub.command)

    assert stub.runs() == ["0 200 False True", "200 400 False True", "400 900 False True"]
    assert (result.caught, result.next_seed) == (False, 900)
    assert planted.try_fault(fault, 900, Results.read(results.path), stub.command) == result
    assert len(stub.runs()) == 3


def test_changed_edit_begins_anew(results: Results) -> None:
    fault = BY_NAME["rewind-forgotten"]
    results.keep(fault, Result("another edit", next_seed=900))

    assert results.of(fault) == Result(fault.digest)


def test_seed_that_fails_without_the_fault_is_no_catch(stub: Stub, results: Results) -> None:
    stub.marker.touch()
    fault = BY_NAME["rewind-forgotten"]

    result = planted.try_fault(fault, 1000, results, stub.command)

    assert (result.violation, result.caught) == (Violation(700, "offsets", "too far"), False)
    assert planted.unexpected([fault], results) == ["rewind-forgotten"]
    assert "**also fails without**: offsets | 0 to 700" in planted.table([fault], results)


def test_simulation_that_does_not_run_is_no_catch(tmp_path: Path, results: Results) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import sys; sys.exit('ImportError: nothing here')")

    with pytest.raises(PlantingError, match="does not run: ImportError: nothing here"):
        planted.try_fault(BY_NAME["rewind-forgotten"], 10, results, [sys.executable, str(broken)])

    assert not results.path.exists()


def test_main_prints_a_table_and_fails_for_what_is_not_caught(
    stub: Stub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["offset-one-too-far", "rewind-forgotten", "--seeds", "300", "--results", str(tmp_path / "planted.json")]

    code = planted.main(names, stub.command)

    out, err = capsys.readouterr()
    assert code == 1
    assert [line.split(" | ")[3:5] for line in out.splitlines()[2:]] == [
        ["offsets", "0 to 250"],
        ["**not caught**", "0 to 299"],
    ]
    assert "not as expected: rewind-forgotten" in err
    assert set(json.loads((tmp_path / "planted.json").read_text())) == {"offset-one-too-far", "rewind-forgotten"}


@pytest.mark.parametrize("name", ["offset-one-too-far", "offsets-before-flush"])
def test_simulation_catches_a_planted_fault(name: str, results: Results) -> None:
    result = planted.try_fault(BY_NAME[name], 20, results)

    assert result.caught


def test_first_seed_is_where_trying_begins(stub: Stub, results: Results) -> None:
    fault = replace(BY_NAME["offset-one-too-far"], first_seed=240)

    result = planted.try_fault(fault, 300, results, stub.command)

    assert stub.runs()[0] == "240 300 True True"
    assert result.caught
    assert "| offsets | 240 to 250 |" in planted.table([fault], results)
