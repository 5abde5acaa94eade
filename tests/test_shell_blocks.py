"""Each shell block of README.md and docs is run or listed with its reason; here run those that need no broker."""

import re
import shutil
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pytest

from scoring.artifacts import loading
from tests.support.shell_blocks import (
    ELSEWHERE,
    NOT_RUN,
    ROOT,
    RUN,
    WITHOUT_A_BROKER,
    bash,
    copy_checkout,
    shell_blocks,
    text_of,
)
from training.synthetic.dataset import generate, keyed_events

MOST_NOT_RUN = 15


def test_each_shell_block_is_run_or_listed_with_its_reason() -> None:
    names = [*RUN, *ELSEWHERE, *NOT_RUN]
    blocks = shell_blocks()
    matches = [(block, [name for name in names if block.is_named(name)]) for block in blocks]
    assert len(blocks) > 40
    assert [block for block, found in matches if len(found) != 1] == [], "name it once in tests/support/shell_blocks.py"
    assert [name for name in names if not any(block.is_named(name) for block in blocks)] == []
    assert len(NOT_RUN) <= MOST_NOT_RUN
    assert all(NOT_RUN.values())


def test_the_tests_that_run_blocks_elsewhere_exist() -> None:
    for name in ELSEWHERE.values():
        path, _, test = name.partition("::")
        assert re.search(rf"^def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name


@pytest.fixture(scope="module")
def sessions() -> list[str]:
    """Two tables of labelled sessions."""
    return [generate(1_500, seed).csv() for seed in (9, 10)]


@pytest.fixture
def inputs(tmp_path: Path, sessions: Iterable[str]) -> Path:
    """A directory with the files that the blocks name, and nothing else."""
    directory = tmp_path / "inputs"
    directory.mkdir()
    (directory / "event.json").write_text('{"session_id": "s-1", "click_events": 95}')
    (directory / "last-week.jsonl").write_bytes(b"".join(value + b"\n" for _, value in islice(keyed_events(11), 1_000)))
    labelled, later = sessions
    for name, text in {"labelled": labelled, "trained-on": labelled, "later": later, "sessions": later}.items():
        (directory / f"{name}.csv").write_text(text)
    for name in ("artifacts", "my-artifacts", "old-set", "new-set"):
        shutil.copytree(loading.shipped(), directory / name)
    return directory


@pytest.mark.timeout(300)  # to train and to evaluate take 15 s each on two idle cores
@pytest.mark.parametrize("name", WITHOUT_A_BROKER)
def test_a_block_runs_as_written(name: str, inputs: Path, tmp_path: Path) -> None:
    text = text_of(name)
    directory = copy_checkout(tmp_path) if text.startswith("make ") else inputs
    done = bash(text, directory, home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
