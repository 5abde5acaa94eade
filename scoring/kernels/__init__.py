"""Loops over flat arrays, compiled to machine code by numba, and their compiler."""

from scoring.kernels.compiler import Function, Kernel, compiled_or_plain
from scoring.kernels.json_text import PADDING, character_end, count_digits, plain_end, put_digits
from scoring.kernels.local_time import put_day, put_moment
from scoring.kernels.memory import Bytes, copy_bytes, load_byte, load_word, store_byte
from scoring.kernels.text_lines import LineKernels, compiled_lines, number_size

__all__ = [
    "PADDING",
    "Bytes",
    "Function",
    "Kernel",
    "LineKernels",
    "character_end",
    "compiled_lines",
    "compiled_or_plain",
    "copy_bytes",
    "count_digits",
    "load_byte",
    "load_word",
    "number_size",
    "plain_end",
    "put_day",
    "put_digits",
    "put_moment",
    "store_byte",
]
