"""The loops over lines: as plain Python, compiled with checks, and compiled without."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring.kernels import LineKernels, text_lines
from scoring.kernels.compiler import compile_kernels
from scoring.kernels.json_text import PADDING

KERNELS = [
    text_lines.FIND_LINES,
    text_lines.NUMBER_DISTINCT,
    text_lines.FIND_MEMBER_ENDS,
    text_lines.JOINED_SIZE,
    text_lines.JOIN_LINES,
]
BUILDS: dict[str, Callable[[], LineKernels]] = {
    "plain": lambda: LineKernels(*(np.errstate(over="ignore")(kernel.function) for kernel in KERNELS)),
    "checked": lambda: LineKernels(*compile_kernels(KERNELS, checked=True)),
    "compiled": lambda: LineKernels(*compile_kernels(KERNELS)),
}
PIECES = st.sampled_from([b"\n", b"\n\n", b"\r\n", b" ", b"\t", b"\v", b"\f", b"\r", b"\0", b"\x0b\x8a", b"\xff", b"x"])
WORDS = st.one_of(PIECES, st.binary(max_size=20), st.integers(1, 20).map(lambda size: b"y" * size))
TEXTS = st.lists(WORDS, max_size=20).map(b"".join)


@pytest.fixture(scope="module", params=BUILDS)
def kernels(request: pytest.FixtureRequest) -> LineKernels:
    return BUILDS[request.param]()


def array(text: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(text, np.uint8)


def lines_of(kernels: LineKernels, text: bytes, start: int = 0) -> list[bytes]:
    starts, ends = np.empty((2, len(text) + 1), np.int64)
    count = kernels.find_lines(array(text + b"z" * PADDING), start, len(text), starts, ends)
    return [text[start:end] for start, end in zip(starts[:count], ends[:count], strict=True)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS, start=st.integers(0, 3))
def test_lines_are_those_of_split_and_strip(kernels: LineKernels, text: bytes, start: int) -> None:
    start = min(start, len(text))
    expected = [line for line in map(bytes.strip, text[start:].split(b"\n")) if line]
    assert lines_of(kernels, text, start) == expected


def test_lines_without_room_are_counted(kernels: LineKernels) -> None:
    starts, ends = np.full((2, 2), -1, np.int64)
    text = b"a\nb\n\nc\nd" + bytes(PADDING)
    assert kernels.find_lines(array(text), 0, 8, starts[:1], ends[:1]) == 4
    assert starts.tolist() == [0, -1]


def test_a_line_feed_is_found_at_every_offset(kernels: LineKernels) -> None:
    for size in range(1, 40):
        assert lines_of(kernels, b"x" * size + b"\n\x0b\x0a" + b"y" * size) == [b"x" * size, b"y" * size]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.one_of(st.integers(0, 9), st.integers(0, 2**63 - 1)), max_size=20))
def test_equal_numbers_have_one_code(kernels: LineKernels, numbers: list[int]) -> None:
    codes, distinct = np.empty((2, len(numbers)), np.int64)
    slots = np.zeros(64, np.int32)
    count = kernels.number_distinct(np.array(numbers, np.int64), codes, distinct, slots)
    assert distinct[:count].tolist() == list(dict.fromkeys(numbers))
    assert distinct[codes].tolist() == numbers


@pytest.mark.parametrize("blanks", [b"", b" ", b"\t\r ", b"\v\f", b" " * 30])
def test_members_end_before_brace_and_blanks(kernels: LineKernels, blanks: bytes) -> None:
    objects = [b"{", b'{"a":1', b'{"a":{}', b'{ "a" : " }"']
    ends = np.cumsum([len(start + blanks) + 1 for start in objects])
    starts = np.array([0, *ends[:-1]])
    member_ends = np.empty_like(ends)
    kernels.find_member_ends(array(b"".join(start + blanks + b"}" for start in objects)), starts, ends, member_ends)
    assert (member_ends - starts).tolist() == list(map(len, objects))


def join(
    kernels: LineKernels, lines: Sequence[bytes], scores: Sequence[bytes], pieces: Sequence[bytes], codes: Sequence[int]
) -> bytes:
    bounds = np.cumsum([0, *map(len, pieces)])
    sizes = np.array([*map(len, lines)], np.int64)
    ends = np.cumsum(sizes)
    before, after = np.array(codes, np.int64), len(pieces) - 1 - np.array(codes, np.int64)
    out = np.full(1000, ord("!"), np.uint8)
    text, numbers, letters = map(array, (b"".join(lines), b"[%b]" % b",".join(scores), b"".join(pieces)))
    size = kernels.join_lines(out, text, ends - sizes, ends, before, after, numbers, letters, bounds, ord("."))
    assert kernels.joined_size(ends - sizes, ends, before, after, bounds) == size - sum(map(len, scores))
    assert not out[size:].tobytes().strip(b"!")
    return out[:size].tobytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.binary(max_size=20), st.sampled_from([b"0.5", b"1", b""]), st.integers(0, 2))))
def test_each_line_is_followed_by_its_verdict(kernels: LineKernels, rows: list[tuple[bytes, bytes, int]]) -> None:
    rows = rows[:10]
    pieces = [b",0,", b"", b",long\n"]
    lines, scores, codes = ([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
    joined = join(kernels, lines, scores, pieces, codes)
    assert joined == b"".join(line + pieces[code] + score + pieces[2 - code] for line, score, code in rows)
