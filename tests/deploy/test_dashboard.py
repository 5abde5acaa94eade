"""The dashboard is what its generator writes, and somebody woken at night finds their way about it."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "grafana" / "dashboards" / "session-scorer.json"
DASHBOARD = json.loads(FILE.read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
COLUMNS = 24  # of Grafana's grid


def generate(*options: str) -> "subprocess.CompletedProcess[str]":
    """In a process of its own: the builders warn, when imported, that Grafana has a newer format too."""
    command = [sys.executable, "-m", "deploy.grafana.dashboard", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_dashboard_is_what_the_generator_writes(tmp_path: Path) -> None:
    done = generate("--output", str(tmp_path / "written.json"))
    assert done.stderr == ""
    written = (tmp_path / "written.json").read_bytes()
    assert written == FILE.read_bytes(), f"{FILE} is out of date: run python -m deploy.grafana.dashboard"


def test_the_links_lead_where_the_runbook_is_said_to_be(tmp_path: Path) -> None:
    written = tmp_path / "written.json"
    generate("--runbook", "https://git.example.com/runbook.md", "--output", str(written))
    *others, runbook = json.loads(written.read_text())["templating"]["list"]
    assert runbook["query"] == "https://git.example.com/runbook.md"
    assert [*others, VARIABLES["runbook"]] == DASHBOARD["templating"]["list"]


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--runbook", "docs/runbook.md"), 2, "'docs/runbook.md' is no address: it begins with https://, http:// or /"),
        (("--output", "no/such/place.json"), 1, "dashboard: no/such/place.json: No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line(options: tuple[str, str], status: int, said: str) -> None:
    done = generate(*options)
    assert done.returncode == status
    assert done.stderr.splitlines()[-1].endswith(said)


def test_no_two_panels_have_the_same_number() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def squares(panel: Any) -> set[tuple[int, int]]:
    """The squares of the grid that a panel covers."""
    at = panel["gridPos"]
    return set(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))


def test_the_panels_fill_the_grid_and_none_lies_on_another() -> None:
    covered = [square for panel in DASHBOARD["panels"] for square in squares(panel)]
    height = max(y for _, y in covered) + 1
    assert len(covered) == len(set(covered))
    assert set(covered) == set(itertools.product(range(COLUMNS), range(height)))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_panel_says_what_it_shows_what_is_bad_in_which_unit_and_what_to_do(panel: Any) -> None:
    assert re.search(r"\. Bad: .+", panel["description"])
    assert panel["fieldConfig"]["defaults"]["unit"]
    (link,) = panel["links"]
    page, _, section = link["url"].partition("#")
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert page == "${runbook:raw}"
    assert section in {"", *map(str.lower, sections)}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_panel_asks_the_data_source_that_is_chosen_about_the_job_that_is_chosen(panel: Any) -> None:
    targets = panel["targets"]
    assert {each["datasource"]["uid"] for each in [panel, *targets]} == {"${datasource}"}
    assert len({target["refId"] for target in targets}) == len(targets)
    for query in [target["expr"] for target in targets]:
        assert query.count('job="$job"') == query.count("{") > 0
        assert set(re.findall(r"\$(\w+)", query)) - {"__rate_interval"} <= VARIABLES.keys()


def test_every_alert_is_led_to_by_a_panel() -> None:
    rules = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8")
    alerts = {alert.lower() for alert in re.findall(r"- alert: (\w+)", rules)}
    assert alerts == {panel["links"][0]["url"].partition("#")[2] for panel in PANELS} - {""}


def test_compose_has_grafana_serve_the_runbook_where_the_links_lead() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert f"./docs/runbook.md:/usr/share/grafana{VARIABLES['runbook']['query']}:ro" in compose
