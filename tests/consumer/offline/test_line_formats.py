"""Scored rows as lines: byte for byte what formatting them one by one gives."""

import csv
import io
import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.offline.line_formats import format_csv_lines, format_json_lines
from scoring import Scored, Scorer
from scoring.decoding import decode
from scoring.kernels.json_keys import MOST_KEYS
from scoring.kernels.json_text import PADDING
from scoring.tables import Dialect, Lines
from scoring.tables.json_lines import Block, JsonRows, find_rows
from scoring.verdicts import WIRE_FIELDS, unpack_verdict
from tests.scoring.conftest import quiet
from tests.support.artifacts import hand_computed
from tests.support.strategies import any_bytes, encoded, events

GOOD = json.dumps(quiet()).encode()
OUTPUT_FIELDS = [
    b'{"anomaly_score":1}',
    b'{"risk_level":"Low","click_events":1,"risk_level":2}',
    rb'{"risk\u005flevel":1,"a":2}',
    b'{ "imputed_fields" : [] , "a" : 1 }',
    b'{"a":{"risk_reason":1}}',
    b'{"note":"risk_reason"}',
    b'{"predicted_labels":1,"reason_codes ":2}',
    b'{"predicted_label":1.50,"z":1.50}',
]
PLAIN = [GOOD, b"{}", b"{ \t}", b'{"a":1 \r}', b'{"a":1,"a":2}', rb'{"\u0061":1}', b"{", b'{"click_events":-1}']
PLAIN += ['{"é":"日本"}'.encode(), b'{"n":%b}' % (b"9" * 400), rb'{"click_events":1.00000000000000000000,"b":"\u00e9"}']
MANY_KEYS = [json.dumps({f"key {i}": i for i in range(MOST_KEYS + 1)}).encode()]
SAMPLES = st.sampled_from(PLAIN + OUTPUT_FIELDS + MANY_KEYS)
ROWS = st.lists(st.one_of(SAMPLES, st.sampled_from(PLAIN), any_bytes(), encoded(events())), max_size=8)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return hand_computed.scorer()


def rows_of(lines: list[bytes], end: bytes = b"\n", renames: dict[str, str] | None = None) -> JsonRows:
    content = end.join(lines)
    return find_rows(Block(bytearray(content + bytes(PADDING)), 0, len(content)), renames or {})


def formatted(scorer: Scorer, rows: JsonRows) -> bytes:
    decoded = rows.decode()
    return format_json_lines(rows, decoded, scorer.score_columns(decoded.columns)).tobytes()


def expected_lines(scorer: Scorer, rows: JsonRows) -> bytes:
    """Format the valid rows one by one, in Python."""
    decoded = decode([rows.event(i) for i in range(len(rows))])
    scored = scorer.score_columns(decoded.columns)
    lines = []
    for i, position in enumerate(decoded.positions):
        row = rows.row(position)
        fields = msgspec.json.decode(row, type=dict[str, msgspec.Raw])
        own = {name: value for name, value in fields.items() if name not in WIRE_FIELDS}
        row = row if len(own) == len(fields) else msgspec.json.encode(own)
        verdict = verdict_fields(scored, i)
        comma = b"," if own else b""
        lines.append(row[:-1].rstrip() + comma + msgspec.json.encode(verdict)[1:] + b"\n")
    return b"".join(lines)


def verdict_fields(scored: Scored, row: int) -> dict[str, object]:
    fields = {**unpack_verdict(int(scored.meanings()[row]))._asdict(), "anomaly_score": float(scored.scores[row])}
    return {name: fields[name] for name in WIRE_FIELDS}


@given(lines=ROWS, end=st.sampled_from([b"\n", b"\r\n", b"\n \n\t"]))
def test_rows_are_copied_and_verdicts_added(scorer: Scorer, lines: list[bytes], end: bytes) -> None:
    rows = rows_of(lines, end)
    assert formatted(scorer, rows) == expected_lines(scorer, rows)


@given(lines=ROWS)
def test_renamed_rows_keep_their_own_names(scorer: Scorer, lines: list[bytes]) -> None:
    rows = rows_of(lines, renames={"a": "risk_level", "risk_level": "click_events", "n": "scroll_events"})
    assert formatted(scorer, rows) == expected_lines(scorer, rows)


@pytest.mark.parametrize("row", OUTPUT_FIELDS)
@pytest.mark.parametrize("others", [[], PLAIN, MANY_KEYS, [GOOD] * 20], ids=["alone", "plain", "many keys", "equal"])
def test_output_fields_of_the_input_are_replaced(scorer: Scorer, row: bytes, others: list[bytes]) -> None:
    rows = rows_of([*others, row, *others])
    text = formatted(scorer, rows)
    assert text == expected_lines(scorer, rows)
    for line in text.splitlines():
        pairs = json.loads(line, object_pairs_hook=list)
        assert [name for name, _ in pairs if name in WIRE_FIELDS] == list(WIRE_FIELDS)


@given(scores=st.lists(st.floats(0, 1)))
def test_scores_are_written_as_msgspec_writes_them(scores: list[float]) -> None:
    zeros = np.zeros(len(scores), np.int64)
    scored = Scored(np.array(scores, np.float64), zeros, zeros, zeros, zeros, zeros, {}, 0.5)
    lines = (
        format_csv_lines(Lines(bytearray(PADDING), zeros, zeros), range(len(zeros)), scored, Dialect())
        .tobytes()
        .splitlines()
    )
    assert [line.split(b",")[2] for line in lines] == list(map(msgspec.json.encode, scores))


def test_a_block_without_valid_rows_is_no_text(scorer: Scorer) -> None:
    assert formatted(scorer, rows_of([])) == formatted(scorer, rows_of([b"{", b"1"])) == b""


@given(lines=st.lists(st.sampled_from([b"", b"a,b", "é".encode(), b"x" * 30]), max_size=6), batch=st.lists(events()))
def test_lines_of_csv_are_copied_and_verdicts_added(scorer: Scorer, lines: list[bytes], batch: list[object]) -> None:
    lines = lines[: len(batch)]
    scored = scorer.score_columns(decode([msgspec.json.encode(event) for event in batch[: len(lines)]]).columns)
    text = bytearray(b"\r\n".join(lines) + bytes(PADDING))
    starts = np.cumsum(np.array([0, *(len(line) + 2 for line in lines)], np.int64))[: len(lines)]
    ends = starts + np.array([*map(len, lines)], np.int64)
    records = list(
        csv.reader(
            io.StringIO(
                format_csv_lines(Lines(text, starts, ends), range(len(lines)), scored, Dialect()).tobytes().decode()
            )
        )
    )
    assert len(records) == len(lines)
    for i, (line, record) in enumerate(zip(lines, records, strict=True)):
        own, verdict = ",".join(record[:-6]).encode(), record[-6:]
        assert own == line
        assert verdict == [
            ";".join(value) if isinstance(value, list) else str(value) for value in verdict_fields(scored, i).values()
        ]
