"""The five files as a file system holds them: links, pipes, giants, and files that change while they are read."""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scoring import ArtifactError, Scorer
from scoring.adoption import write_manifest
from tests.support.artifacts.loading import EVENTS, FILES, SET, refused, scores
from tests.support.artifacts.sets import small_set

NAMES = (*FILES, "manifest.json")


@pytest.fixture
def adopted(tmp_path: Path) -> Path:
    """A set with its manifest."""
    write_manifest(SET.write(tmp_path / "set"))
    return tmp_path / "set"


def test_links_are_followed_as_mounted_sets_are_made_of_them(adopted: Path, tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    for name in NAMES:
        (tmp_path / "mount" / name).symlink_to(adopted / name)

    assert scores(tmp_path / "mount", allow_unverified=False) == scores(adopted)


def giant(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 32)


PLACED: dict[str, Callable[[Path], object]] = {
    "a directory": lambda path: path.mkdir(),
    "a pipe that nobody writes into": os.mkfifo,
    "a link to a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
    "four gibibytes of nothing": giant,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", PLACED)
def test_what_is_no_file_of_a_set_is_refused_by_its_name_at_once(adopted: Path, kind: str, name: str) -> None:
    (adopted / name).unlink()
    PLACED[kind](adopted / name)

    assert name in refused(adopted)


@pytest.mark.parametrize("end", [".joblib", ".pkl.gz"])
def test_a_file_by_another_name_is_pointed_at(adopted: Path, end: str) -> None:
    (adopted / "scaler.pkl").rename(adopted / f"scaler{end}")

    message = refused(adopted)

    assert f"scaler.pkl: cannot be read: No such file or directory; rename scaler{end} to scaler.pkl" in message


def test_what_is_verified_is_what_is_unpickled(adopted: Path, tmp_path: Path) -> None:
    """While somebody puts another set's forest in the place of the good one, and back, without end."""
    known, other = scores(adopted), small_set(1, trees=3, depth=4).write(tmp_path / "other")
    contents = [(directory / "rf_model.pkl").read_bytes() for directory in (other, adopted)]
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            for data in contents:
                (tmp_path / "next").write_bytes(data)
                (tmp_path / "next").replace(adopted / "rf_model.pkl")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(60):
            with contextlib.suppress(ArtifactError):
                scorer = Scorer.load(adopted)
                assert [scorer.score(event).anomaly_score for event in EVENTS] == known
    finally:
        done.set()
        thread.join()


def test_a_pinned_manifest_that_is_gone_or_another_is_refused(adopted: Path) -> None:
    assert "manifest.json" in refused(adopted, manifest_sha256="0" * 64)
    (adopted / "manifest.json").unlink()
    assert "manifest.json" in refused(adopted, manifest_sha256="0" * 64)


def test_what_a_file_says_of_itself_cannot_reach_the_terminal(adopted: Path) -> None:
    (adopted / "manifest.json").unlink()
    (adopted / "scaler.pkl").write_bytes(b"\x80\x04\x8c\x0bos\x1b[2J\x07\n\xe2\x80\xae\x8c\x06system\x93.")

    message = refused(adopted)

    assert message.isprintable()
    assert "os?[2J" in message
