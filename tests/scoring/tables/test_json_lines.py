"""JSON Lines as blocks of text: rows, faults and keys are those that reading line by line gives."""

import gzip
import io
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.decoding import decode
from scoring.kernels.json_keys import MOST_KEYS
from scoring.kernels.json_text import PADDING
from scoring.tables import FileError
from scoring.tables.columns import rename_keys
from scoring.tables.json_lines import Block, JsonRows, collect_keys, find_rows, read_blocks
from tests.scoring.conftest import quiet
from tests.support.columns import assert_same
from tests.support.strategies import any_bytes

BOM = b"\xef\xbb\xbf"
GOOD = json.dumps(quiet()).encode()
LINES = st.lists(
    st.one_of(
        any_bytes(),
        st.sampled_from([GOOD, b"", b" ", b"\t\r", b"{}", b'{"a":1,"b":2}', rb'{"\u0061":1}', b'{"b":1,"b":2}', b"{"]),
        st.just(b'{"click_events":-1,"other":' + b"9" * 400 + b"}"),
        st.lists(st.integers(0, 90), max_size=20).map(lambda keys: json.dumps({f"key {i}": 1 for i in keys}).encode()),
    ),
    max_size=8,
)
FILES = st.builds(
    lambda bom, lines, end, last: bom + end.join(lines) + last,
    st.sampled_from([b"", BOM]),
    LINES,
    st.sampled_from([b"\n", b"\r\n", b" \n\n\v"]),
    st.sampled_from([b"", b"\n", b"\n\n"]),
)


def blocks_of(content: bytes, block_bytes: int = 100) -> list[Block]:
    return list(read_blocks(io.BufferedReader(io.BytesIO(content)), Path("a.jsonl"), block_bytes))


def rows_of(content: bytes) -> JsonRows:
    return find_rows(Block(bytearray(content + bytes(PADDING)), 0, len(content)))


def split(content: bytes) -> list[bytes]:
    return [line for line in map(bytes.strip, content.removeprefix(BOM).split(b"\n")) if line]


@given(FILES, st.sampled_from([3, 40, 10_000]))
def test_rows_are_the_lines_without_blanks(content: bytes, block_bytes: int) -> None:
    blocks = blocks_of(content, block_bytes)
    assert b"".join(bytes(block.text[:-PADDING]) for block in blocks) == content
    assert all(len(block.text) == block.end + PADDING for block in blocks)
    parts = [find_rows(block) for block in blocks]
    assert [rows.row(i) for rows in parts for i in range(len(rows))] == split(content)


@given(FILES)
def test_rows_decode_as_lines_do(content: bytes) -> None:
    rows = rows_of(content.removeprefix(BOM))
    decoded, expected = rows.decode(), decode(split(content))
    assert_same(decoded.columns, expected.columns)
    assert list(decoded.positions) == list(expected.positions)
    assert {i: vars(fault) for i, fault in decoded.invalid.items()} == {
        i: vars(fault) for i, fault in expected.invalid.items()
    }
    assert decoded.left == expected.left


@given(FILES)
def test_renamed_rows_decode_as_renamed_lines_do(content: bytes) -> None:
    renames = {"a": "click_events", "click_events": "clicks"}
    rows = find_rows(Block(bytearray(content + bytes(PADDING)), 0, len(content)), renames)
    events = [rename_keys(rows.row(i), renames) for i in range(len(rows))]
    assert [rows.event(i) for i in range(len(rows))] == events
    assert_same(rows.decode().columns, decode(events).columns)
    assert rows.decode().keys is None


@given(FILES, st.sampled_from([40, 10_000]))
def test_keys_are_those_of_all_objects_in_order(content: bytes, block_bytes: int) -> None:
    expected: dict[str, None] = {}
    for line in split(content):
        try:
            expected.update(dict.fromkeys(msgspec.json.decode(line, type=dict[str, msgspec.Raw])))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    assert collect_keys(iter(blocks_of(content, block_bytes))) == list(expected)


def test_keys_of_later_blocks_are_found() -> None:
    content = GOOD + b"\n" + b'{"click_events": 1}\n' * 50 + b'{"late" : 1, "click_events":"x"}\n{"later":1}\n'
    assert collect_keys(iter(blocks_of(content))) == [*json.loads(GOOD), "late", "later"]


def test_decoded_keys_are_those_of_rows_that_the_loop_read() -> None:
    rows = rows_of(b'{"click_events" : 1, "x":2}\n{"x":2}\n{"\\u0061":3}\n{"click_events":-1}\n{"y":{"z":1}}')
    decoded = rows.decode()
    assert decoded.keys is not None
    keys = [bytes(rows.text[start : start + size]) for start, size in decoded.keys.tolist()]
    assert keys == [b'"click_events" : ', b'"x":', b'"click_events":', b'"y":']
    assert list(decoded.left_positions) == [2, 3]
    assert decoded.left == {"escaped_key": 1, "invalid": 1}


def test_more_keys_than_the_loop_remembers_are_unknown() -> None:
    most = {f"key {i}": i for i in range(MOST_KEYS - 1)}
    known, unknown = (json.dumps(fields).encode() for fields in (most, {**most, "one more": 1}))
    assert rows_of(known).decode().keys is not None
    assert rows_of(unknown).decode().keys is None
    assert rows_of(known).decode().keys is not None


def test_short_lines_are_all_found() -> None:
    rows = rows_of(b"{}\n" * 10_000)
    assert len(rows) == len(rows.decode().positions) == 10_000


def test_a_line_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoring.tables.source.LINE_BYTES", 1000)
    assert len(blocks_of(b"x" * 1098 + b"\n")) == 1
    with pytest.raises(FileError, match=r"^a\.jsonl: a line of 16 MiB or more: is this JSON Lines"):
        blocks_of(b"x" * 1099 + b"\n")


def test_blocks_of_a_compressed_file_are_those_of_the_file(tmp_path: Path) -> None:
    content = b"".join(b'{"click_events":%d}\n' % i for i in range(20_000))
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(content))
    with gzip.open(path) as file:
        assert [bytes(block.text) for block in read_blocks(file, path, 50_000)] == [
            bytes(block.text) for block in blocks_of(content, 50_000)
        ]


def test_a_message_names_the_byte_in_the_row() -> None:
    rows = rows_of(GOOD + b'\n  {"click_events": 1,}\n')
    assert str(rows.decode().invalid[1]) == str(decode([b'{"click_events": 1,}']).invalid[0])


def test_a_file_of_no_rows_has_none() -> None:
    for content in (b"", b"\n", BOM, BOM + b" \r\n"):
        for block in blocks_of(content):
            rows = find_rows(block)
            assert len(rows) == len(rows.decode().columns) == 0
