"""`make runbook URL=…` sets one address in the alerts, in the PrometheusRule and on the dashboard."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = Path("deploy/prometheus/rules.yml")
CASES = Path("deploy/prometheus/rules_test.yml")
OBJECT = Path("deploy/kubernetes/components/monitoring/prometheusrule.yaml")
DASHBOARD = Path("deploy/grafana/dashboards/session-scorer.json")
URL = "https://wiki.example.com/session-scorer/runbook"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the command reads and writes."""
    for folder in ("deploy", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def set_runbook(checkout: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tools.runbook", *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def addresses(file: Path) -> set[str]:
    """Return where the alerts of a file lead, without their sections."""
    return set(re.findall(r"runbook_url: (\S+)#\w+$", file.read_text(encoding="utf-8"), re.MULTILINE))


def test_one_command_sets_the_address_everywhere(checkout: Path) -> None:
    done = set_runbook(checkout, URL)
    assert (done.returncode, done.stderr) == (0, "")
    assert [addresses(checkout / file) for file in (RULES, CASES, OBJECT)] == [{URL}] * 3
    *_, runbook = json.loads((checkout / DASHBOARD).read_text())["templating"]["list"]
    assert runbook["query"] == URL


def test_without_an_address_what_ships_comes_back(checkout: Path) -> None:
    set_runbook(checkout, URL)
    assert set_runbook(checkout).returncode == 0
    assert [addresses(checkout / file) for file in (RULES, CASES, OBJECT)] == [{"docs/runbook.md"}] * 3
    *_, runbook = json.loads((checkout / DASHBOARD).read_text())["templating"]["list"]
    assert runbook["query"] == "/public/runbook.md"


@pytest.mark.parametrize("text", ["docs/runbook.md", "https://host/runbook.md#top", "https://host/a b", "ftp://host/x"])
def test_what_is_not_an_address_is_refused_in_one_line(checkout: Path, text: str) -> None:
    done = set_runbook(checkout, text)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        f"{text!r} is no address: give one like https://host/runbook.md, without #"
    )
    assert addresses(checkout / RULES) == {"docs/runbook.md"}
