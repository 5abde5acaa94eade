"""Loads and stores: as plain Python, compiled with checks, and compiled without."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoring.kernels import Bytes, Kernel, copy_bytes, store_byte
from scoring.kernels.compiler import CompilationError, compile_kernels
from scoring.kernels.memory import count_trailing_zeros, load_byte, load_word

READ_ONLY = "Array(uint8, 1, 'C', readonly=True)"


def _load_byte(data: Bytes, i: int) -> int:
    return load_byte(data, i)


def _load_word(data: Bytes, i: int) -> np.uint64:
    return load_word(data, i)


def _count(word: np.uint64) -> int:
    return count_trailing_zeros(word)


def _store_byte(data: Bytes, i: int, value: int) -> None:
    store_byte(data, i, value)


def _copy_bytes(target: Bytes, at: int, source: Bytes, start: int, count: int) -> None:
    copy_bytes(target, at, source, start, count)


def _sum(data: Bytes) -> int:
    total = 0
    for i in range(len(data)):
        total += _load_byte(data, i)
    return total


def _make(data: Bytes) -> int:
    return len(np.zeros(2, np.uint8)) + len(data)


def _difference(data: Bytes) -> int:
    """Subtract bytes, which wraps around where they are unsigned."""
    return load_byte(data, 0) - load_byte(data, 1)


KERNELS = {
    "load_byte": Kernel(f"int64({READ_ONLY}, int64)", _load_byte),
    "load_word": Kernel(f"uint64({READ_ONLY}, int64)", _load_word),
    "count": Kernel("int64(uint64)", _count),
    "store_byte": Kernel("void(uint8[::1], int64, int64)", _store_byte),
    "copy_bytes": Kernel(f"void(uint8[::1], int64, {READ_ONLY}, int64, int64)", _copy_bytes),
    "difference": Kernel(f"int64({READ_ONLY})", _difference),
}
Functions = dict[str, Callable[..., Any]]


def _plain() -> Functions:
    return {name: kernel.function for name, kernel in KERNELS.items()}


def _compiled(*, checked: bool) -> Functions:
    return dict(zip(KERNELS, compile_kernels(list(KERNELS.values()), checked=checked), strict=True))


BUILDS: dict[str, Callable[[], Functions]] = {
    "plain": _plain,
    "checked": lambda: _compiled(checked=True),
    "unchecked": lambda: _compiled(checked=False),
}


@pytest.fixture(scope="module", params=BUILDS)
def build(request: pytest.FixtureRequest) -> Functions:
    return BUILDS[request.param]()


@pytest.fixture(scope="module", params=["plain", "checked"])
def checking(request: pytest.FixtureRequest) -> Functions:
    return BUILDS[request.param]()


def of(content: bytes) -> Bytes:
    return np.frombuffer(content, np.uint8)


def test_bytes_are_unsigned_and_their_difference_is_not(build: Functions) -> None:
    data = of(b"\x00\xff")
    assert [build["load_byte"](data, i) for i in range(2)] == [0, 255]
    assert build["difference"](data) == -255


def test_words_are_little_endian_and_need_no_alignment(build: Functions) -> None:
    content = bytes(range(248, 256)) + bytes(range(8))
    for i in range(9):
        assert build["load_word"](of(content), i) == int.from_bytes(content[i : i + 8], "little")


def test_trailing_zeros_of_each_bit_and_of_none(build: Functions) -> None:
    assert [build["count"](np.uint64(1 << bit)) for bit in range(64)] == list(range(64))
    assert [build["count"](np.uint64(word)) for word in (0, 2**64 - 2)] == [64, 1]


def test_a_store_keeps_the_low_bits_and_touches_one_byte(build: Functions) -> None:
    data = np.zeros(3, np.uint8)
    build["store_byte"](data, 1, 0x1FE)
    assert data.tobytes() == b"\x00\xfe\x00"


def test_a_copy_writes_its_bytes_and_no_others(build: Functions) -> None:
    for count in range(20):
        target = np.zeros(21, np.uint8)
        build["copy_bytes"](target, 1, of(b"abcdefghijklmnopqrstuv"), 2, count)
        assert target.tobytes() == (b"\x00" + b"cdefghijklmnopqrstuv"[:count]).ljust(21, b"\x00")


FAR = 2**62


@pytest.mark.parametrize("i", [-1, -FAR, 16, FAR])
def test_a_byte_outside_is_refused(checking: Functions, i: int) -> None:
    with pytest.raises(IndexError):
        checking["load_byte"](of(bytes(16)), i)
    with pytest.raises(IndexError):
        checking["store_byte"](np.zeros(16, np.uint8), i, 0)


@pytest.mark.parametrize(("size", "i"), [(16, -1), (16, 9), (7, 0), (0, 0), (16, FAR), (16, 2**63 - 4)])
def test_a_word_that_is_not_all_inside_is_refused(checking: Functions, size: int, i: int) -> None:
    with pytest.raises(IndexError):
        checking["load_word"](of(bytes(size)), i)


@pytest.mark.parametrize(
    ("at", "start", "count"),
    [(-1, 0, 1), (0, -1, 1), (0, 0, -1), (1, 0, 4), (0, 5, 4), (5, 0, 0), (0, 9, 0), (2**63 - 1, 0, 2), (0, FAR, FAR)],
)
def test_a_copy_that_is_not_all_inside_is_refused_before_a_byte(
    checking: Functions, at: int, start: int, count: int
) -> None:
    target = np.zeros(4, np.uint8)
    with pytest.raises(IndexError):
        checking["copy_bytes"](target, at, of(b"abcdefgh"), start, count)
    assert not target.any()


@pytest.mark.parametrize("kernel", [Kernel("int64(uint8[:], int64)", _load_byte), Kernel("int64(int64)", _count)])
def test_other_types_do_not_compile(kernel: Kernel) -> None:
    with pytest.raises(CompilationError):
        compile_kernels([kernel])


def test_what_numpy_marks_read_only_is_not_written() -> None:
    with pytest.raises(CompilationError):
        compile_kernels([Kernel(f"void({READ_ONLY}, int64, int64)", _store_byte)])


def test_no_references_are_counted_so_no_array_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))  # numba shows no code from a cache
    signature = "int64(uint8[::1])"
    total: Any
    (total,) = compile_kernels([Kernel(signature, _sum)])
    assert total(np.arange(5, dtype=np.uint8)) == 10
    assert not any("NRT_incref" in code for code in total.inspect_llvm().values())
    with pytest.raises(CompilationError):
        compile_kernels([Kernel(signature, _make)])
