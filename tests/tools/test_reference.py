"""The reference of the Python API is built, and its links lead somewhere."""

from pathlib import Path

import scoring
from tools.reference import dead_links, write


def test_every_public_name_is_on_the_page(tmp_path: Path) -> None:
    page = write(tmp_path).read_text("utf-8")
    assert dead_links(page) == []
    assert "Raise" in page
    assert dead_links(page.replace('id="Scorer.score"', "")) == ["Scorer.score"]


def test_a_page_without_names_is_noticed() -> None:
    assert dead_links("") == sorted(scoring.__all__)
