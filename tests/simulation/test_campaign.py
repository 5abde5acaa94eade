"""Many runs: what their totals say, and how they are resumed."""

import json
from pathlib import Path

import pytest

from tests.simulation import campaign
from tests.simulation.__main__ import main
from tests.simulation.campaign import Totals, run_all
from tests.simulation.checks import ViolationError
from tests.simulation.schedule import Run


def _ignore(totals: Totals) -> None:
    """Show no progress."""


def test_totals_survive_json() -> None:
    totals = run_all(range(4), 1, fail_fast=False, resume=None, progress=_ignore)

    assert Totals.parse(json.loads(json.dumps(totals.document()))) == totals
    assert totals.schedules == sum(totals.settings.values()) == 4


def test_main_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--seeds", "0-2", "--jobs", "1", "--json"])

    report = json.loads(capsys.readouterr().out)
    assert (code, report["schedules"], report["violations"]) == (0, 2, [])


def test_parts_in_the_file_are_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resume = tmp_path / "parts.json"
    first = run_all(range(100), 1, fail_fast=False, resume=resume, progress=_ignore)
    monkeypatch.setattr(campaign, "run", None)

    assert run_all(range(100), 1, fail_fast=False, resume=resume, progress=_ignore) == first


def test_fail_fast_ends_at_the_violation_and_does_not_keep_its_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resume = tmp_path / "parts.json"
    monkeypatch.setattr(campaign, "run", _fail_at_seed_103)

    totals = run_all(range(300), 1, fail_fast=True, resume=resume, progress=_ignore)

    assert [violation.seed for violation in totals.violations] == [103]
    assert totals.schedules == 104
    assert list(json.loads(resume.read_text())) == ["0-100"]


@pytest.mark.parametrize("arguments", [["--seed", "x"], ["--seed", "3/x"], ["--seeds", "9-3"], ["--jobs", "0"]])
def test_arguments_that_make_no_sense_are_refused_in_a_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)

    assert f"argument {arguments[0]}: {arguments[1]!r} is no " in capsys.readouterr().err


def _fail_at_seed_103(seed: int) -> Run:
    return Run(seed, violation=ViolationError("order", "planted") if seed == 103 else None)
