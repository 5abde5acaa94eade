"""What a file holds, by its first bytes."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.tables import CSV, EMPTY, GZIP, JSON, JSON_LINES, PARQUET, TEXT, UNKNOWN, recognise

EVENT = {"click_events": 45, "device_type": "Mobile", "note": "a}{b"}
LINES = "".join(json.dumps(EVENT) + "\n" for _ in range(3))
TABLE = "click_events,device_type\n45,Mobile\n"


def zipped(name: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, LINES)
    return made.getvalue()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", EMPTY),
        (b"\xef\xbb\xbf", EMPTY),
        (b" \r\n\n", EMPTY),
        (LINES.encode(), JSON_LINES),
        (b"\xef\xbb\xbf\n" + LINES.encode(), JSON_LINES),
        (json.dumps(EVENT).encode(), JSON_LINES),
        (json.dumps(EVENT, indent=1).encode(), JSON),
        (json.dumps({"data": [EVENT]}, indent=4).replace("\n", "\r\n").encode(), JSON),
        (b'{"data": [\n{"click_events": 1}\n]}', JSON),
        (b'{"click_events": 1,\n"device_type": "PC"}', JSON),
        (json.dumps([EVENT]).encode(), JSON),
        (json.dumps([EVENT], indent=2).encode(), JSON),
        (b"[", JSON),
        (b"[]\n[]\n", UNKNOWN),
        (b'[1, 2]\n{"click_events": 1}\n', UNKNOWN),
        (b'oops, a broken line\n{"click_events": 1}\n', UNKNOWN),
        (b'{\n{"click_events": 1}\n', JSON_LINES),
        (b"{'click_events': 45}\n", "python"),
        (LINES.replace("\n", "\r").encode(), "cr"),
        (b'\x1e{"click_events": 1}\n', "json-seq"),
        (TABLE.encode(), CSV),
        (TABLE.replace(",", ";").encode(), CSV),
        (TABLE.replace(",", "\t").encode("utf-8-sig"), CSV),
        (b"ORC,PAR1,click_events\n", CSV),
        (b"PAR1,click_events\n", CSV),
        ("Stra\xdfe,click_events\n".encode("latin-1"), CSV),
        (b"<DATE>,click_events\n", CSV),
        (b"click_events\n1\n", TEXT),
        (b"<!DOCTYPE html><html>", "markup"),
        (b'<table border="1" class="dataframe">', "markup"),
        (json.dumps(json.dumps(EVENT)).encode(), "json-in-strings"),
        (b'"{", click_events\n', CSV),
        (b"<?xml version='1.0'?>", "markup"),
        (gzip.compress(LINES.encode(), mtime=0), GZIP),
        (bz2.compress(LINES.encode()), "bzip2"),
        (lzma.compress(LINES.encode()), "xz"),
        (b"\x28\xb5\x2f\xfd\x24\x03\x19\0\0{}\n", "zstd"),
        (zipped("events.jsonl"), "zip"),
        (zipped("xl/workbook.xml"), "office"),
        (b"PAR1\x15\0\x15", PARQUET),
        (b"Obj\x01\x04\x14avro.codec", "avro"),
        (b"SQLite format 3\0", "sqlite"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0", "binary"),
        (b"a.jsonl".ljust(257, b"\0") + b"ustar\x0000", "tar"),
        (pickle.dumps(EVENT, 2), "pickle"),
        (pickle.dumps(EVENT, 5), "pickle"),
    ],
)
def test_what_a_file_holds_is_seen_from_its_beginning(head: bytes, kind: str) -> None:
    assert recognise(head).kind == kind


@pytest.mark.parametrize("text", [LINES, TABLE, "\ufeff" + LINES, "é,click_events\n"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_recognised_with_and_without_its_mark(text: str, encoding: str) -> None:
    assert recognise(text.encode(encoding)).kind == "utf-16"


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be"])
def test_utf_32_is_recognised_with_and_without_its_mark(encoding: str) -> None:
    assert recognise(LINES.encode(encoding)).kind == "utf-32"


@given(st.binary(max_size=200))
def test_any_beginning_has_an_answer_in_one_line(head: bytes) -> None:
    said = str(recognise(head))
    assert said.isprintable()
    assert ": " in said or recognise(head).kind == UNKNOWN


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()), st.integers(0, 400))
def test_a_line_of_json_is_json_lines_wherever_it_is_cut(event: dict[str, object], cut: int) -> None:
    line = json.dumps(event, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    assert recognise(line[: max(cut, 1)] if cut < len(line) else line).kind == JSON_LINES
