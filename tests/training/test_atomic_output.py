"""Atomic output: all files or none, on success, failure and signals."""

from pathlib import Path

import pytest

from training import TrainingError
from training.atomic_output import atomic_output

NAMES = ("a", "b", "c")


def write(out: Path, text: str, failure: BaseException | None = None) -> None:
    with atomic_output(out, NAMES) as made:
        for name in NAMES:
            (made / name).write_text(text)
            if failure is not None:
                raise failure


def content(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in out.iterdir()}


def test_all_files_appear_and_no_others(tmp_path: Path) -> None:
    write(tmp_path / "new" / "out", "1")
    assert content(tmp_path / "new" / "out") == dict.fromkeys(NAMES, "1")


@pytest.mark.parametrize("failure", [ValueError(), KeyboardInterrupt(), SystemExit(143)])
def test_failed_work_leaves_the_directory_unchanged(failure: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(failure)):
        write(tmp_path / "new" / "out", "1", failure)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "out", "1")
    with pytest.raises(type(failure)):
        write(tmp_path / "out", "2", failure)
    assert content(tmp_path / "out") == dict.fromkeys(NAMES, "1")


def test_a_signal_between_two_renames_leaves_no_mixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "1")
    replace, renamed = Path.replace, list[Path]()

    def interrupted(self: Path, target: Path) -> Path:
        renamed.append(target)
        moved = replace(self, target)
        if len(renamed) == 2:
            raise SystemExit(143)
        return moved

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(SystemExit):
        write(tmp_path, "2")
    assert content(tmp_path) == dict.fromkeys(NAMES, "2")


def test_a_directory_named_like_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(TrainingError, match=r"cannot be written: b: Is a directory$"), atomic_output(tmp_path, NAMES):
        pytest.fail("the work has begun")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_an_unwritable_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"^[^\n]*file: cannot be written: [^\n]*$"):
        write(tmp_path / "file", "1")
