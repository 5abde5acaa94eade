"""Guarded memory ends the process that touches what is beside it, and no other."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.equality import planted
from tests.equality.memory import PAGE, GuardedMemory

TOUCH = """
import ctypes, sys
import numpy as np
from tests.equality.memory import GuardedMemory
size, at_end, offset = map(int, sys.argv[1:])
array = GuardedMemory(size).hold(np.zeros(size, np.uint8), at_end=bool(at_end))
address = ctypes.c_uint8.from_address(array.ctypes.data + offset)
address.value = address.value + 1
print("touched")
"""


@pytest.mark.parametrize("size", [1, PAGE + 1])
@pytest.mark.parametrize(("at_end", "inside"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_byte_beyond_the_array_is_a_segmentation_fault(size: int, at_end: bool, inside: bool) -> None:
    last, first = (size - 1, 0) if inside else (size, -1)
    command = [sys.executable, "-c", TOUCH, str(size), str(int(at_end)), str(last if at_end else first)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == ((0, "touched\n") if inside else (-signal.SIGSEGV, "")), done.stderr


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize(
    "array", [np.arange(7, dtype=np.int64), np.arange(6.0).reshape(2, 3), np.zeros(0, np.uint8)], ids=len
)
def test_it_holds_what_it_is_given(array: "np.typing.NDArray[np.float64]", at_end: bool) -> None:
    held = GuardedMemory(array.nbytes).hold(array, at_end=at_end)

    assert held.dtype == array.dtype
    assert held.flags.c_contiguous
    np.testing.assert_array_equal(held, array)


@pytest.mark.parametrize("build", ["guarded", "checked", "python"])
def test_each_build_notices_a_kernel_that_leaves_its_array(build: str) -> None:
    command = [sys.executable, "-m", "tests.equality.planted", build]

    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)

    assert done.returncode == 0, done.stderr
    noticed = -signal.SIGSEGV if build == "guarded" else planted.NOTICED
    expected = {f"{kernel} {index}": 0 for kernel, indices in planted.INSIDE.items() for index in indices}
    expected |= {f"{kernel} {index}": noticed for kernel, indices in planted.OUTSIDE.items() for index in indices}
    assert json.loads(done.stdout) == expected
