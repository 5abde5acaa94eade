"""Counts of bytes to bytes that do not depend on how busy the host is: instructions and calls of malloc an event.

callgrind counts the instructions, a small library (`counting.c`) the calls of malloc. Both are optional tools.
"""

import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.report import Findings, Table
from benchmarks.run import Run
from benchmarks.trees import Tree, in_memory, trees

SIZES = (200, 1000)
EVENTS = 4000
SOURCE = Path(__file__).with_name("counting.c")
# valgrind knows no AVX-512: kernels are compiled for a CPU that it knows, and once for all processes
CPU = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": ""} if platform.machine() == "x86_64" else {}
COLUMNS = ("", "instructions an event", "calls of malloc an event", "with those of Python's own allocator")
ABSENT = "–"
Counts = dict[int, float]  # by size of batch


def run(given: Run) -> Findings:
    """Count in this tree and in the older commit's. Nothing is counted without a C compiler and glibc."""
    library, reasons = given.room / "counting.so", []
    if reason := _build(library):
        given.note(f"counts: {reason}")
        return Findings([])
    valgrind = None if given.quick else shutil.which("valgrind")
    if valgrind is None:
        reasons.append(f"No instructions: {'left out by --quick' if given.quick else 'valgrind is not installed'}.")
    rows = [row for tree in trees(given) for row in _rows(given, tree, library, valgrind)]
    if valgrind and CPU:
        reasons.append(f"Kernels are compiled for {CPU['NUMBA_CPU_NAME']}, which valgrind knows.")
    note = (
        f"{_events(given):,} distinct events from bytes to bytes, in a process that has already processed them once. "
        f"{' '.join([*reasons, 'Counts vary little between runs and not with the state of the host.'])}"
    )
    return Findings([Table("counts", COLUMNS, rows, note)])


def _events(given: Run) -> int:
    return 2 * max(SIZES) if given.quick else EVENTS


def _rows(given: Run, tree: Tree, library: Path, valgrind: str | None) -> list[list[str]]:
    given.say(f"{tree.name}: calls of malloc")
    mallocs = _mallocs(given, tree, library, {})
    objects = _mallocs(given, tree, library, {"PYTHONMALLOC": "malloc"})
    given.say(f"{tree.name}: instructions")
    instructions = _instructions(given, tree, library, valgrind) if valgrind else {}
    return [
        [
            f"{tree.name}, batches of {size:,}",
            f"{instructions[size]:,.0f}" if instructions else ABSENT,
            f"{mallocs[size]:.1f}",
            f"{objects[size]:.1f}",
        ]
        for size in SIZES
    ]


def _mallocs(
    given: Run, tree: Tree, library: Path, environment: Mapping[str, str], prefix: Sequence[str] = ()
) -> Counts:
    """Return the calls of malloc an event, of which one pass is counted."""
    cache = {"NUMBA_CACHE_DIR": str(given.room / f"compiled {tree.name}")}
    variables = {"LD_PRELOAD": str(library), **CPU, **cache, **environment}
    with in_memory(tree, given.room / "log", prefix, variables) as running:
        return {size: running.ask("count", _events(given), size)["mallocs"] for size in SIZES}


def _instructions(given: Run, tree: Tree, library: Path, valgrind: str) -> Counts:
    """Return the instructions an event; each pass counted is one part of callgrind's output."""
    output = given.room / f"callgrind-{len(list(given.room.glob('callgrind-*')))}"
    options = ("-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}")
    _mallocs(given, tree, library, {}, (valgrind, *options))
    totals = [
        int(re.findall(r"^totals: (\d+)", output.with_name(f"{output.name}.{part}").read_text(), re.MULTILINE)[0])
        for part in range(1, len(SIZES) + 1)
    ]
    return {size: total / _events(given) for size, total in zip(SIZES, totals, strict=True)}


def _build(library: Path) -> str:
    """Compile the library that counts. Return why not, or nothing."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return "skipped, there is no C compiler"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"skipped, {SOURCE.name} does not compile (it needs glibc)"
