"""What the docs name is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.kafka.properties import CONSUMER, PRODUCER, TRANSACTION_TIMEOUT_MS
from tools.make_configuration import DOCUMENT, TABLE, table

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]


def sections(page: Path) -> set[str]:
    """What a link may name behind #: the headings as GitHub and GitLab spell them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> Iterator[str]:
    """Where the page's links and pictures lead, other than to another host."""
    text = re.sub(r"^    .*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return (link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_to_files_and_sections_that_are_there(page: Path) -> None:
    for link in links(page):
        name, _, section = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not section or section in sections(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_paths_of_a_page_exist(page: Path) -> None:
    named = re.findall(
        r"`((?:scoring|consumer|training|tests|tools|benchmarks|deploy|docs)/[\w/.-]*)`", page.read_text("utf-8")
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_architecture_names_its_modules() -> None:
    assert (ROOT / "docs" / "architecture.md").read_text("utf-8").count(".py`") > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_nothing_is_installed_by_a_name_that_is_not_published(page: Path) -> None:
    text = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)  # the place for that name
    assert not re.search(r"pip install '?session-scorer", text)


def test_every_test_that_the_promises_rest_on_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "delivery.md").read_text()))
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 20
    assert named <= set(re.findall(r"def (test_\w+)", tests))


def test_the_table_of_settings_is_that_of_the_settings() -> None:
    found = TABLE.search(DOCUMENT.read_text(encoding="utf-8"))
    assert found is not None
    assert found.group() == table(), "docs/configuration.md is out of date: run python -m tools.make_configuration"


def test_every_line_of_log_is_explained_at_its_level() -> None:
    sources = "\n".join(path.read_text() for room in ("consumer", "scoring") for path in (ROOT / room).rglob("*.py"))
    logged = re.findall(r"""(?:_log|logger)\.(info|warning|error|critical)\(\s*"([^":]+)""", sources)
    table = re.findall(
        r"^\| (info|warning|error|critical) \| ([^|]+) \|", (ROOT / "docs" / "logs.md").read_text(), re.MULTILINE
    )
    explained = {(level, message) for level, messages in table for message in messages.split(", ")}
    assert len(logged) > 15
    missing, gone = set(logged) - explained, explained - set(logged)
    assert not missing, f"docs/logs.md: add a row, | level | message | …, for {sorted(missing)}"
    assert not gone, f"docs/logs.md: nothing logs {sorted(gone)}: take the message out of its row"


def test_the_kafka_defaults_of_the_promises_are_those_of_the_clients() -> None:
    rows = re.findall(
        r"^\| [^|]+ \| ([^|]+) \| `-X ([a-z.]+)` \|$", (ROOT / "docs" / "delivery.md").read_text(), re.MULTILINE
    )
    properties = PRODUCER | CONSUMER | {"transaction.timeout.ms": TRANSACTION_TIMEOUT_MS}
    units = {"ms": (1000, "s"), "kbytes": (1024, "MiB"), "bytes": (1024 * 1024, "MiB")}
    named = {name: value for value, name in rows if re.fullmatch(r"[0-9]+ (s|MiB)", value)}
    assert len(named) >= 6
    for name, value in named.items():
        size, unit = units[name.rpartition(".")[2]]
        default = f"{int(properties[name]) // size} {unit}"
        assert value == default, f"docs/delivery.md has {value} for {name}, consumer/kafka/properties.py {default}"
