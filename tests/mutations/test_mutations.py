"""Test that mutations apply, and what runs them; `python -m tests.mutations` runs all of them, which takes hours."""

import ast
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutations.__main__ import main
from tests.mutations.mutation import Mutation, load
from tests.mutations.results import Result, append_result, is_known, read_results
from tests.mutations.suites import Suites
from tests.support.planting import ROOT, PlantingError

MUTATIONS = load()
WRONG = Mutation("wrong", "", "product.py", "= 1", "= 2", ("tests/near.py", "tests/all.py"), delivery=True)
PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")

# Stands for pytest: runs one file.
TESTS = """
import pathlib, sys
path = sys.argv[1].partition("::")[0]
test = compile(pathlib.Path(path).read_text(), path, "exec")
try:
    exec(test, names := {})
    names["test_answer"]()
except AssertionError:
    sys.exit(f"short test summary info\\nFAILED {path}::test_answer - assert")
"""
# Stands for the simulation: in the copy of a mutated product seed 250 fails.
SIMULATION = """
import json, pathlib, sys
first, end = map(int, sys.argv[sys.argv.index("--seeds") + 1].split("-"))
mutated = "= 2" in pathlib.Path("product.py").read_text()
found = [{"seed": 250, "check": "offsets", "message": ""}] if mutated and first <= 250 < end else []
print(json.dumps({"seconds": 0.5, "violations": found}))
"""


@pytest.fixture
def suites(tmp_path: Path) -> Suites:
    """Return a checkout of one module, with tests that pass in any case."""
    checkout = tmp_path / "checkout"
    (checkout / "tests").mkdir(parents=True)
    (checkout / "product.py").write_text("ANSWER = 1\n")
    (checkout / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '-ra'\n")
    (checkout / "tests.py").write_text(TESTS)
    (checkout / "simulation.py").write_text(SIMULATION)
    suites = Suites(checkout, (sys.executable, "tests.py"), (sys.executable, "simulation.py"))
    for name in ("near", "all"):
        write_test(suites, name, "assert product.ANSWER > 0")
    return suites


def write_test(suites: Suites, name: str, statement: str) -> None:
    (suites.checkout / "tests" / f"{name}.py").write_text(
        f"import os, subprocess, sys, product\ndef test_answer():\n    {statement}\n"
    )


def caught(name: str, by: str | None, *, seeds: int = 2000) -> Result:
    return Result(name, replace(WRONG, name=name).digest, seeds, by, None, 1.0)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_mutation_still_applies(mutation: Mutation) -> None:
    text = (ROOT / mutation.file).read_text()

    changed = mutation.apply(text)

    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))
    assert [path for path in mutation.tests if not (ROOT / path).exists()] == []


def test_forty_mutations_are_unique() -> None:
    assert len(MUTATIONS) == 40
    assert len({each.name for each in MUTATIONS}) == len({each.digest for each in MUTATIONS}) == 40
    assert all(each.tests for each in MUTATIONS)


def test_failing_test_catches_a_mutation(suites: Suites) -> None:
    write_test(suites, "all", "assert product.ANSWER == 1")

    for each in suites, replace(suites, pytest=PYTEST):
        result = each.try_mutation(WRONG, 1000)

        assert (result.caught_by, result.fails_without) == ("tests/all.py::test_answer", None)
    assert (suites.checkout / "product.py").read_text() == "ANSWER = 1\n"


def test_programs_started_by_tests_are_mutated(suites: Suites) -> None:
    code = "import product; print(product.ANSWER)"
    write_test(suites, "near", f"assert subprocess.check_output([sys.executable, '-c', {code!r}], cwd='/') == b'1\\n'")

    assert suites.try_mutation(WRONG, 0).caught_by == "tests/near.py::test_answer"


def test_crash_catches_a_mutation(suites: Suites) -> None:
    write_test(suites, "near", "assert product.ANSWER == 1 or os.kill(os.getpid(), 9)")

    assert suites.try_mutation(WRONG, 0).caught_by == "tests/near.py, which signal 9 ended"


def test_seed_catches_what_tests_miss(suites: Suites) -> None:
    assert suites.try_mutation(WRONG, 1000).caught_by == "seed 250: offsets"


def test_seeds_are_bounded_and_for_the_delivery_path(suites: Suites) -> None:
    untested = replace(WRONG, tests=())

    assert suites.try_mutation(untested, 200).caught_by is None
    assert suites.try_mutation(replace(untested, delivery=False), 1000).caught_by is None


def test_failure_without_the_mutation_is_no_catch(suites: Suites) -> None:
    write_test(suites, "near", "assert not product.ANSWER")

    result = suites.try_mutation(WRONG, 1000)

    assert (result.caught_by, result.fails_without) == (None, "tests/near.py::test_answer")


def test_failure_that_is_not_repeated_is_no_catch(suites: Suites) -> None:
    write_test(suites, "near", "assert product.ANSWER == 1 or os.path.exists('once') or open('once', 'w').close()")

    with pytest.raises(PlantingError, match="test_answer failed, and passed when it was run again"):
        suites.try_mutation(WRONG, 1000)


def test_tests_that_do_not_run_catch_nothing(suites: Suites) -> None:
    (suites.checkout / "tests" / "near.py").unlink()

    with pytest.raises(PlantingError, match=r"tests/near\.py: the tests do not run"):
        suites.try_mutation(WRONG, 1000)


def test_known_results_are_not_repeated() -> None:
    survived = {"wrong": caught("wrong", None, seeds=1000)}

    assert is_known(WRONG, survived, 1000)
    assert not is_known(WRONG, survived, 2000)
    assert is_known(replace(WRONG, delivery=False), survived, 2000)
    assert is_known(WRONG, {"wrong": caught("wrong", "a test", seeds=1000)}, 2000)
    assert not is_known(replace(WRONG, new="= 3"), survived, 1000)
    assert not is_known(WRONG, {"wrong": replace(survived["wrong"], fails_without="a test")}, 1000)
    assert not is_known(WRONG, {}, 1000)


def test_main_keeps_results_and_compares_them(
    suites: Suites, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    untested = replace(WRONG, tests=())
    monkeypatch.setattr("tests.mutations.__main__.load", lambda: [untested, replace(untested, name="other")])
    out, before = tmp_path / "after.jsonl", tmp_path / "before.jsonl"
    for name in ("wrong", "other"):
        append_result(before, caught(name, "a test"))
    call = ["--out", str(out), "--compare", str(before)]

    assert main(["--only", "wrong", "--seeds", "500", *call], suites) == 0
    assert main(["--seeds", "100", *call], suites) == 1

    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(", ")[0] for line in lines[:2]] == [
        "wrong: caught by seed 250: offsets",
        "other: SURVIVED",
    ]
    assert lines[2:] == ["other: no longer caught; before, a test caught it"]
    assert [row.caught_by for row in read_results(out).values()] == ["seed 250: offsets", None]
