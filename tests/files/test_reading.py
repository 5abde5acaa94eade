"""Sources of rows: compressed or not they read alike, and what cannot be read is one line."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from files.reading import open_source
from files.source import FileError

CSV = "click_events,device_type\n" + "".join(f"{i},PC\n" for i in range(20_000))
LINES = "".join(f'{{"click_events": {i}}}\n' for i in range(20_000))


def rows(path: Path) -> list[bytes]:
    return [row for chunk in open_source(path).chunks() for row, _ in chunk.rows]


def complaint(act: Callable[[], object]) -> str:
    with pytest.raises(FileError) as caught:
        act()
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(("name", "text"), [("a.csv", CSV), ("a.jsonl", LINES), ("a.ndjson", LINES)])
def test_a_compressed_file_reads_as_the_file_itself(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    plain = rows(tmp_path / name)
    assert rows(tmp_path / f"{name}.gz") == plain
    assert [json.loads(row)["click_events"] for row in plain] == list(range(20_000))
    assert open_source(tmp_path / f"{name}.gz").columns() == open_source(tmp_path / name).columns()


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz"])
def test_how_much_is_read_grows_to_the_whole(name: str, tmp_path: Path) -> None:
    text = (CSV if "csv" in name else LINES).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    done = [chunk.done for chunk in open_source(tmp_path / name).chunks()]
    assert len(done) == 4
    assert done == sorted(done)
    assert done[-1] == 1.0


@pytest.mark.parametrize(("name", "text"), [("a.csv.gz", CSV), ("a.jsonl.gz", LINES)])
def test_a_compressed_file_cut_short_is_one_line(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(gzip.compress(text.encode())[:-100])
    said = complaint(lambda: rows(tmp_path / name))
    assert said.startswith(f"{tmp_path / name}: cannot be read: Compressed file ended")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz"])
def test_a_name_that_promises_compression_is_held_to_it(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("click_events\n1\n")
    assert "cannot be read: Not a gzipped file" in complaint(lambda: rows(tmp_path / name))


@pytest.mark.parametrize("name", ["a.gz", "a.parquet.gz", "a.xlsx", "a"])
def test_a_name_that_says_nothing_is_refused_with_those_that_do(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert "expected a name that ends in " in complaint(lambda: open_source(tmp_path / name))
