"""Kernels that touch bytes outside of their arrays, to see whether a build notices."""

import json
import os
import sys
from typing import Final, cast

import numpy as np

from scoring.kernels import Bytes, Function, Kernel, copy_bytes, store_byte
from scoring.kernels.compiler import compile_kernels
from scoring.kernels.memory import load_byte, load_word
from tests.equality.builds import Build, using

SIZE: Final = 100


def load_a_byte(data: Bytes, i: int) -> int:
    return load_byte(data, i)


def load_a_word(data: Bytes, i: int) -> int:
    return int(load_word(data, i) & np.uint64(1))


def store_a_byte(data: Bytes, i: int) -> int:
    store_byte(data, i, 7)
    return 0


def copy_a_byte(data: Bytes, i: int) -> int:
    copy_bytes(data, 1, data, i, 1)
    return 0


FUNCTIONS: Final = (load_a_byte, load_a_word, store_a_byte, copy_a_byte)
INSIDE: Final = {"load_a_byte": (0, 99), "load_a_word": (0, 92), "store_a_byte": (0, 99), "copy_a_byte": (2, 99)}
OUTSIDE: Final = {
    "load_a_byte": (-1, 100),
    "load_a_word": (-1, 93),
    "store_a_byte": (-1, 100),
    "copy_a_byte": (-1, 100),
}
NOTICED: Final = 3  # the exit status after an IndexError


def main(build: Build) -> None:
    """Print how a process ends that calls each kernel with each index, as a JSON object."""
    with using(build):
        kernels = compile_kernels([Kernel("int64(uint8[::1], int64)", function) for function in FUNCTIONS])
    endings = {
        f"{function.__name__} {index}": _ending(kernel, index)
        for function, kernel in zip(FUNCTIONS, kernels, strict=True)
        for index in (*INSIDE[function.__name__], *OUTSIDE[function.__name__])
    }
    sys.stdout.write(json.dumps(endings))


def _ending(kernel: Function, index: int) -> int:
    """Return the exit status of a child that calls the kernel; minus the signal that ended it."""
    child = os.fork()
    if not child:
        try:
            for _ in range(20):  # the guarded build draws which end of the memory is guarded close by
                kernel(np.zeros(SIZE, np.uint8), index)
        except IndexError:
            os._exit(NOTICED)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main(cast("Build", sys.argv[1]))
