"""Loops over flat arrays, compiled to machine code by numba, and their compiler."""

from scoring.kernels.compiler import Function, Kernel, compiled_or_plain
from scoring.kernels.memory import Bytes, copy_bytes, store_byte
from scoring.kernels.text_lines import LineKernels, compiled_lines

__all__ = [
    "Bytes",
    "Function",
    "Kernel",
    "LineKernels",
    "compiled_lines",
    "compiled_or_plain",
    "copy_bytes",
    "store_byte",
]
