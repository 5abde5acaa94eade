"""docs/metrics.md lists every metric: its name, type, labels, unit and meaning, and what asks for it."""

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from tools import metrics_page

ROOT = Path(__file__).parents[2]
TEXT = metrics_page.PAGE.read_text(encoding="utf-8")
ROWS = [line.split(" | ") for line in TEXT.splitlines() if line.startswith("| `")]
WRITERS = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), metrics_page.RULES, metrics_page.DASHBOARD]


def test_the_page_is_what_its_generator_writes() -> None:
    assert metrics_page.page() == TEXT, "run python -m tools.metrics_page"


def test_each_metric_that_a_worker_exposes_has_a_row() -> None:
    exposition = generate_latest(metrics_page.busy_metrics().registry).decode()
    exposed = dict(re.findall(r"^# TYPE (\w+) (\w+)$", exposition, re.MULTILINE))
    exposed = {name: kind for name, kind in exposed.items() if not name.endswith("_created")}
    assert {row[0].strip("|` "): row[1] for row in ROWS if ":" not in row[0]} == exposed


def test_each_row_gives_a_unit_and_a_meaning() -> None:
    for row in ROWS:
        assert row[1].strip(), row
        assert ":" in row[0] or (row[3].strip() and row[4].strip()), row


@pytest.mark.parametrize("path", WRITERS, ids=lambda path: path.name)
def test_each_metric_that_is_written_about_is_on_the_page(path: Path) -> None:
    named = set(re.findall(r"(?<![\w:])session_scorer_\w+", path.read_text(encoding="utf-8")))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in named}
    assert {name for name in families if f"`{name}`" not in TEXT} == set()


def test_a_metric_is_used_through_recorded_values() -> None:
    late = next(row for row in ROWS if row[0] == "| `session_scorer_latency_seconds`")
    assert "Late events" in late[5]
    assert "SessionScorerLateFast" in late[6]


def test_the_readme_links_the_page() -> None:
    assert "(docs/metrics.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
