"""Sources of rows: compressed or not they read alike, and what cannot be read is one line."""

import gzip
import json
import lzma
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.tables import FileError, open_source

CSV = "click_events,device_type\n" + "".join(f"{i},PC\n" for i in range(20_000))
LINES = "".join(f'{{"click_events": {i}}}\n' for i in range(20_000))


def rows(path: Path) -> list[bytes]:
    return [row for chunk in open_source(path).chunks() for row, _ in chunk.read().events]


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
def test_how_much_is_read_grows_to_the_whole(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (CSV if "csv" in name else LINES).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    monkeypatch.setattr("scoring.tables.source.BLOCK_BYTES", 40_000)
    done = [chunk.done for chunk in open_source(tmp_path / name).chunks()]
    assert len(done) > 3
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


COLUMNS = ["click_events", 'na"me %s', "device_type"]
CELLS = st.one_of(
    st.just(""),
    st.from_regex(r"-?[0-9]{0,3}(\.[0-9]{0,2})?(e-?[0-9])?", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
    st.text(' "\\\r\n,;\t1%é\u2028', max_size=4),
)


def judged(column: str, cell: str) -> Any:
    """What a cell of CSV is, by the book."""
    if not cell:
        return None
    is_number = column == "click_events" and re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-]?[0-9]+)?", cell)
    return json.loads(cell) if is_number else cell


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if re.search('[",\r\n]', cell) else cell


@given(
    records=st.lists(st.lists(CELLS, min_size=3, max_size=3).filter(any) | st.lists(CELLS, min_size=4, max_size=5)),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    block=st.integers(1, 40),
)
def test_csv_is_read_cell_by_cell_wherever_the_file_is_cut(records: list[list[str]], end: str, block: int) -> None:
    text = "".join(",".join(map(quoted, cells)) + end for cells in [COLUMNS, *records])
    with tempfile.TemporaryDirectory() as room, pytest.MonkeyPatch.context() as patch:
        patch.setattr("scoring.tables.source.BLOCK_BYTES", block)
        path = Path(room) / "in.csv"
        path.write_bytes(text.encode())
        found = [row for chunk in open_source(path).chunks() for row in chunk.read().events]
    whole = [dict(zip(COLUMNS, map(judged, COLUMNS, cells), strict=True)) for cells in records if len(cells) == 3]
    assert [json.loads(row) for row, fault in found if fault is None] == whole
    ragged = [cells for cells in records if len(cells) > 3]
    assert [json.loads(row) for row, fault in found if fault is not None] == ragged


OBJECT = b'{"click_events": 1}'


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b"[" + OBJECT + b"]", "is a JSON array: write one object a line (JSON Lines)"),
        ("a.jsonl.gz", gzip.compress(b"[\n" + OBJECT + b"]", mtime=0), "is a JSON array: "),
        ("a.jsonl", b'{\n  "click_events": 1\n}\n', "is JSON laid out over several lines: "),
        ("a.jsonl", b"click_events,device_type\n1,PC\n", "is CSV or another table of text: name it .csv"),
        ("a.jsonl", (LINES[:100]).encode("utf-16"), "is text in UTF-16: save it as UTF-8"),
        ("a.jsonl", lzma.compress(LINES.encode()), "is compressed by xz: uncompress it first (unxz)"),
        ("a.jsonl", gzip.compress(LINES.encode()), "is compressed by gzip: name it a.jsonl.gz"),
        ("a.jsonl.gz", gzip.compress(gzip.compress(LINES.encode())), "is compressed by gzip: uncompress it first"),
        ("a.csv", gzip.compress(CSV.encode()), "is compressed by gzip: name it a.csv.gz"),
        ("a.csv", CSV.encode("utf-16-le"), "is text in UTF-16: "),
        ("a.csv", LINES.encode(), "is JSON Lines: name it .jsonl"),
        ("a.csv", b"PK\x03\x04\0\0[Content_Types].xml", "is an Excel workbook"),
        ("a.csv", b"PAR1\x15\0", "is Parquet: name it .parquet"),
        ("a.csv", bytes(range(256)), "is a binary file: "),
        ("a.parquet", CSV.encode(), "cannot be read as Parquet: it is CSV or another table of text: name it .csv"),
        ("a.parquet", b"", "cannot be read as Parquet: it is empty"),
        ("a.json", b"[" + OBJECT + b"]", ".arrow; it is a JSON array: write one object a line"),
        ("a.txt", CSV.encode(), ".arrow; it is CSV or another table of text: name it .csv"),
        ("a.csv.xz", lzma.compress(CSV.encode()), ".arrow; it is compressed by xz: uncompress it first"),
    ],
)
def test_content_that_belies_the_name_is_named(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert said in complaint(lambda: open_source(tmp_path / name))
