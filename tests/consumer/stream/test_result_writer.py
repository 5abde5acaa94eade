"""Results written by the loop are those that msgspec encodes one by one, in a buffer of exactly their size."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.records import Batch
from consumer.stream import result_writer
from consumer.stream.result_writer import LAST_MS, Results, ResultWriter
from consumer.stream.serialization import utc
from scoring import Scored
from scoring.columns import from_events
from scoring.contract import MODEL_FIELDS, Event
from scoring.decoding import join_values
from scoring.kernels import Function
from scoring.kernels.compiler import compile_kernels
from scoring.rules import RULES

NOW = 1_795_428_904_131  # 2026-11-23T10:15:04.131Z
FIELDS = len(MODEL_FIELDS)
UNLIMITED = 1 << 40

timestamps = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 4 * 10**12) | st.integers(LAST_MS - 9, LAST_MS + 9)
texts = st.text(st.characters(exclude_categories=["Cs"]))
identities = st.none() | texts | st.integers() | st.integers(10**99, 10**100)
events = st.binary(max_size=40)
rows = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1), timestamps, identities, identities, events)
verdicts = st.tuples(
    st.floats(0, 1),
    st.integers(0, 1),
    st.integers(0, 2),
    st.integers(0, 2 ** len(RULES) - 1),
    st.integers(0, 2**FIELDS - 1),
)
Row = tuple[int, int, int, str | int | None, str | int | None, bytes]
VerdictRow = tuple[float, int, int, int, int]
Given = tuple[Row, VerdictRow, bool]  # whether it is a valid event


@pytest.fixture(scope="module", params=["compiled", "checked", "python"])
def loop(request: pytest.FixtureRequest) -> Function:
    if request.param == "python":
        return result_writer.write_results
    kernel = result_writer._KERNEL
    (loop,) = compile_kernels([kernel], checked=request.param == "checked")
    return loop


def results(given_rows: Sequence[Given], topic: str = "sessions") -> Results:
    """Results of the rows that are marked as valid events, among the values of all."""
    valid = [(row, verdict) for row, verdict, is_valid in given_rows if is_valid]
    columns = [list(column) for column in zip(*(row for row, _ in valid), strict=True)] or [[] for _ in range(6)]
    partitions, offsets, times, users, sessions, values = columns
    nothing: list[bytes | None] = [None] * len(valid)
    numbers = [np.array(column) for column in zip(*(verdict for _, verdict in valid), strict=True)]
    scores, labels, levels, rules, gap_bits = numbers or [np.zeros(0), *np.zeros((4, 0), np.int64)]
    decoded = [Event(user_id=user, session_id=session) for user, session in zip(users, sessions, strict=True)]
    everything = [row[5] for row, _, _ in given_rows]
    return Results(
        batch=Batch(topic, partitions, offsets, times, nothing, values, [[] for _ in valid]),
        timestamps=np.array(times, np.int64),
        columns=from_events(decoded, b"".join(everything)),
        scored=Scored(scores, labels, levels, rules, gap_bits, np.zeros(len(valid), np.int64), {}, 0.5),
        values=join_values(everything),
        positions=np.array([i for i, (_, _, is_valid) in enumerate(given_rows) if is_valid], np.int64),
        model_version="2026.11.23-5f0c2a9b",
        scored_at=NOW,
    )


def one_by_one(given_rows: Sequence[Given], topic: str, event_limit: int) -> list[bytes]:
    """The same by a dict for each, which msgspec encodes."""
    encoded = []
    scored = results(given_rows).scored
    valid = [row for row, _, is_valid in given_rows if is_valid]
    for place, (partition, offset, timestamp, user, session, event) in enumerate(valid):
        verdict = scored.verdict(place)
        named = {"session_id": session, "user_id": user}
        members = {"schema_version": 1, "result_id": f"{topic}-{partition}-{offset}"}
        members |= {name: value for name, value in named.items() if value is not None}
        members |= verdict.as_dict() | {"model_version": "2026.11.23-5f0c2a9b"}
        members["source"] = {"topic": topic, "partition": partition, "offset": offset, "timestamp": utc(timestamp)}
        members["scored_at"] = utc(NOW)
        embedded = event if len(event) < event_limit else b""
        encoded.append(msgspec.json.encode(members)[:-1] + b',"event":' + embedded + b"}")
    return encoded


@settings(deadline=None)
@given(
    st.lists(st.tuples(rows, verdicts, st.booleans()), max_size=6),
    st.from_regex("[a-zA-Z0-9._-]{1,249}", fullmatch=True),
    st.sampled_from((0, 20, UNLIMITED)),
)
def test_results_match_msgspec(loop: Function, given_rows: Sequence[Given], topic: str, event_limit: int) -> None:
    expected = one_by_one(given_rows, topic, event_limit)
    made = results(given_rows, topic)
    assert ResultWriter().write(made, event_limit) == expected
    whole = b"".join(expected)
    arguments = result_writer._arguments(made, event_limit)
    out, sizes = np.zeros(len(whole), np.uint8), np.zeros(len(expected), np.int64)
    assert loop(out, sizes, *arguments) == len(whole)
    assert (out.tobytes(), sizes.tolist()) == (whole, list(map(len, expected)))
    if whole:
        short = np.zeros(len(whole) - 1, np.uint8)
        assert loop(short, sizes, *arguments) == len(whole)
        assert not short.any()


ROW: Row = (3, 1842, NOW, "user_198", None, b"{}")
VERDICT: VerdictRow = (0.25, 0, 0, 0, 0)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 4299, 1_000_000])
@pytest.mark.parametrize("text", ["x", "é", "\N{GRINNING FACE}", '"', "\0"])
def test_long_identities_fit(loop: Function, size: int, text: str) -> None:
    given_rows = [((3, 1842, NOW, text * size, text * size, b"{}"), VERDICT, True)] * 3
    whole = b"".join(one_by_one(given_rows, "sessions", UNLIMITED))
    out = np.zeros(len(whole), np.uint8)
    arguments = result_writer._arguments(results(given_rows), UNLIMITED)
    assert loop(out, np.zeros(3, np.int64), *arguments) == len(whole)
    assert out.tobytes() == whole


@pytest.mark.parametrize("timestamp", [0, 951_782_399_999, 951_782_400_000, 951_868_800_000, LAST_MS, LAST_MS + 1, -1])
def test_timestamps_around_leap_days_are_written(loop: Function, timestamp: int) -> None:
    given_rows = [((3, 1842, timestamp, None, None, b"{}"), VERDICT, True)]
    whole = one_by_one(given_rows, "sessions", UNLIMITED)[0]
    out = np.zeros(len(whole), np.uint8)
    loop(out, np.zeros(1, np.int64), *result_writer._arguments(results(given_rows), UNLIMITED))
    assert out.tobytes() == whole


def test_all_months_from_1970_to_9999_are_written() -> None:
    times = range(0, LAST_MS, 5_270_400_123)  # two months and a little
    given_rows: Sequence[Given] = [((3, 1842, at, None, None, b""), VERDICT, True) for at in times]
    encoded = ResultWriter().write(results(given_rows), UNLIMITED)
    stamps = [value.split(b'"timestamp":')[1].split(b"}")[0] for value in encoded]
    assert stamps == [msgspec.json.encode(utc(at)) for at in times]


def test_the_next_batch_does_not_change_results() -> None:
    writer = ResultWriter()
    first = writer.write(results([(ROW, VERDICT, True)] * 100), UNLIMITED)
    before = [bytes(bytearray(value)) for value in first]
    writer.write(results([((4, 9, 0, 7, 8, b"x" * 200), VERDICT, True)] * 100), UNLIMITED)
    assert first == before


def test_a_large_batch_leaves_no_large_buffer() -> None:
    writer = ResultWriter()
    (value,) = writer.write(results([((3, 1, NOW, None, None, b"x" * 10_000_000), VERDICT, True)]), UNLIMITED)
    assert len(value) > 10_000_000
    assert len(writer._out) == 0
    assert writer.write(results([(ROW, VERDICT, True)]), UNLIMITED) == one_by_one([(ROW, VERDICT, True)], "sessions", 9)
