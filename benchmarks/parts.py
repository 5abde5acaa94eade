"""All parts by name, in the order in which they run. Each is imported when it is run: together they take seconds."""

from importlib import import_module

from benchmarks.report import Findings
from benchmarks.run import Run

PARTS = (
    "one-event",
    "forest",
    "stages",
    "counts",
    "throughput",
    "formats",
    "latency",
    "start",
    "growth",
    "growth-on-broker",
    "files",
    "score-tables",
)

BUSY_PARTS = ("stages", "throughput", "latency", "start")
"""What is measured beside neighbours and against an older commit, too."""


def run(name: str, given: Run) -> Findings:
    """What the part of that name found: `run` of the module of that name."""
    given.part = name
    try:
        findings = import_module(f"benchmarks.{name.replace('-', '_')}").run(given)
    finally:
        given.say("")
    assert isinstance(findings, Findings)
    return findings
