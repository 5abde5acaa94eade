"""The alerts: Prometheus takes them, each fires when it should and only then, and somebody is told what to do."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "deploy" / "prometheus"
RULES = YAML(typ="safe").load(PLACE / "rules.yml")["groups"]
ALERTS = [rule for group in RULES for rule in group["rules"] if "alert" in rule]
CASES = YAML(typ="safe").load(PLACE / "rules_test.yml")["tests"]


def promtool(*arguments: str) -> None:
    """Debian's package prometheus has it; CI installs that."""
    command = shutil.which("promtool")
    if command is None:
        pytest.skip("no promtool: install Debian's package prometheus")
    done = subprocess.run([command, *arguments], cwd=PLACE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", "rules.yml")


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    promtool("test", "rules", "rules_test.yml")


def expected(alert: str) -> list[Any]:
    return [case["exp_alerts"] for test in CASES for case in test["alert_rule_test"] if case["alertname"] == alert]


@pytest.mark.parametrize("alert", [rule["alert"] for rule in ALERTS])
def test_each_alert_has_a_case_that_fires_and_one_that_does_not(alert: str) -> None:
    fires = [bool(each) for each in expected(alert)]
    tests = [test for test in CASES if alert in {case["alertname"] for case in test["alert_rule_test"]}]
    series = [each["series"] for test in tests for each in test["input_series"]]
    assert True in fires
    # either a moment without it, or another job beside it that it stays silent about
    assert False in fires or any('job="fine"' in each for each in series)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_alert_leads_to_its_section_of_the_runbook(rule: Any) -> None:
    document, section = rule["annotations"]["runbook_url"].split("#")
    sections = re.findall(r"^## (\w+)$", (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE)
    assert section == rule["alert"].lower()
    assert rule["alert"] in sections
