"""Writes Grafana's dashboard, after a panel has changed:

    python -m deploy.grafana.dashboard --runbook https://git.example.com/session-scorer/docs/runbook.md

`--runbook` is where the panels' links lead; without it, to where docker-compose.yml has Grafana serve the runbook.
"""

import argparse
import json
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana import content, working
from deploy.grafana.panels import SOURCE, Panel, runbook

DOCUMENT: Final = Path(__file__).parent / "dashboards" / "session-scorer.json"
RUNBOOK: Final = "/public/runbook.md"
ROWS: Final[dict[str, Callable[[], list[Panel]]]] = {
    "Now": working.now,
    "Is it keeping up?": working.keeping_up,
    "Is the group steady?": working.group,
    "Where does the time go?": working.where_the_time_goes,
    "What is found?": content.what_is_found,
    "What comes in?": content.what_comes_in,
    "Is it what the model was trained on?": content.drift,
    "Processes": working.processes,
}


def dashboard(runbook_url: str) -> builders.Dashboard:
    """All of it; the builder places the panels, one after the other."""
    board = (
        builders.Dashboard("session-scorer")
        .uid("session-scorer")
        .description("Session events scored: how many, how fast, how risky, what went wrong.")
        .tags(["session-scorer"])
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .refresh("5s")
        .time("now-15m", "now")
        .link(runbook())
        .annotation(_alerts())
    )
    for variable in _variables(runbook_url):
        board.with_variable(variable)
    numbers = count(1)
    for title, panels in ROWS.items():
        board.with_row(builders.Row(title).id(next(numbers)))
        for panel in panels():
            board.with_panel(panel.id(next(numbers)))
    return board


def _variables(
    runbook_url: str,
) -> list[builders.DatasourceVariable | builders.QueryVariable | builders.ConstantVariable]:
    job = builders.QueryVariable("job").label("Job").query("label_values(session_scorer_model_info, job)")
    instance = builders.QueryVariable("instance").label("Worker").query('label_values(up{job="$job"}, instance)')
    return [
        builders.DatasourceVariable("datasource")
        .label("Data source")
        .type("prometheus")
        .current(_option("Prometheus")),
        job.datasource(SOURCE).refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).current(_option("session-scorer")),
        instance.datasource(SOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(models.VariableOption(text="All", value="$__all")),
        builders.ConstantVariable("runbook").label("Runbook").value(runbook_url),
    ]


def _option(name: str) -> models.VariableOption:
    return models.VariableOption(text=name, value=name.lower())


def _alerts() -> builders.AnnotationQuery:
    """A mark on every graph while an alert fires."""
    query = builders.AnnotationQuery().name("Alerts").datasource(SOURCE).enable(True).icon_color("red")
    return query.expr('ALERTS{job="$job", alertstate="firing"}').title_format("{{alertname}}").tag_keys("severity")


def as_json(board: builders.Dashboard) -> str:
    """What Grafana reads."""
    plain = json.loads(json.dumps(board.build(), cls=JSONEncoder))
    for link in plain["links"]:
        del link["placement"]  # the builder has no other than a menu, and this one is looked for at night
    return json.dumps(plain, indent=2, sort_keys=True) + "\n"


def address(text: str) -> str:
    """Where the runbook is. Raises ArgumentTypeError for what a browser would look for beneath the dashboard."""
    if not text.startswith(("https://", "http://", "/")):
        raise argparse.ArgumentTypeError(f"{text!r} is no address: it begins with https://, http:// or /")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes Grafana's dashboard.")
    parser.add_argument(
        "--runbook", metavar="URL", type=address, default=RUNBOOK, help=f"where docs/runbook.md is served [{RUNBOOK}]"
    )
    parser.add_argument("--output", metavar="FILE", type=Path, default=DOCUMENT, help=f"[{DOCUMENT.name}]")
    given = parser.parse_args()
    try:
        given.output.write_text(as_json(dashboard(given.runbook)), encoding="utf-8")
    except OSError as error:
        sys.exit(f"dashboard: {given.output}: {error.strerror}")


if __name__ == "__main__":
    main()
