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
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
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


@pytest.mark.deploy
def test_one_cause_pages_at_most_once() -> None:
    promtool("test", "rules", "scenes_test.yml")


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_alert_leads_to_its_runbook_section(rule: Any) -> None:
    _, section = rule["annotations"]["runbook_url"].split("#")
    assert section == rule["alert"].lower()
    assert rule["alert"] in re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_alert_has_summary_description_and_runbook(rule: Any) -> None:
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert all(rule["annotations"].values())


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_numbers_in_alerts_are_humanised(rule: Any) -> None:
    text = " ".join(rule["annotations"].values())
    values = re.findall(r"{{ *(?:\$value|\.Value|\. \| first \| value)([^}]*)}}", text)
    assert len(values) == len(re.findall(r"\$value|\.Value|\| value", text))
    assert all(re.search(r"\| *(humanize\w*|printf) *", each) for each in values)


def test_severities_are_those_of_the_runbook_table() -> None:
    """A page is for what endangers the work of the group; everything else waits for working hours."""
    table = dict(re.findall(r"^\| \[(\w+)\]\(#\w+\) \| ([\w, ]+) \|", RUNBOOK, re.MULTILINE))
    severities: dict[str, list[str]] = {}
    for rule in ALERTS:
        severities.setdefault(rule["alert"], []).append(rule["labels"]["severity"])
    assert table == {alert: ", ".join(each) for alert, each in severities.items()}
    assert {severity for each in severities.values() for severity in each} == {"page", "ticket"}


def test_each_page_has_a_scene() -> None:
    scenes = YAML(typ="safe").load(PLACE / "scenes_test.yml")["tests"]
    samples = [
        sample["labels"]
        for scene in scenes
        for query in scene["promql_expr_test"]
        for sample in query["exp_samples"]
        if 'severity="page"' in query["expr"]
    ]
    pages = {rule["alert"] for rule in ALERTS if rule["labels"]["severity"] == "page"}
    paged = {re.findall(r'alertname="(\w+)"', labels)[0] for labels in samples}
    assert pages - paged == {"SessionScorerEventsNeverSeen"}  # its cause is a setting: rules_test.yml


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_alert_names_its_job(rule: Any) -> None:
    """Alertmanager groups by it, and the dashboard lists the alerts of one job."""
    cases = [each for case in expected(rule["alert"]) for each in case]
    assert cases
    assert all("job" in case["exp_labels"] for case in cases)
