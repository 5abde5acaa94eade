"""Bytes to bytes in a process of its own: answers each line of JSON on stdin with one on stdout.

This file is run in this tree and in that of an older commit, by the Python of each. So it uses of a tree only what
both have: its events, its pipeline, and the seconds by stage of what the pipeline returns; what has another name
in older trees is looked up by either.

    {"measure": "cost", "events": 20000, "size": 1000}  µs an event by stage and in all, in batches of that size

`count` is what counting.c counts, `msgspec` what it costs to decode the events and no more, `digest` tells them apart.
"""

import ctypes
import functools
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.events import batches
from consumer.records import Batch
from scoring import Scorer

STAGES = ("decode", "score", "encode")


def main() -> None:
    """Answer until stdin ends."""
    from benchmarks.stages import decoding, pipeline  # noqa: PLC0415 - this tree's stages import this file

    _tune_garbage_collector()  # as the consumer does
    line = pipeline(Scorer.load())
    made = functools.cache(batches)
    answers: dict[str, Callable[[Sequence[Batch]], Mapping[str, float | str]]] = {
        "cost": functools.partial(cost, line),
        "count": functools.partial(count, line),
        "msgspec": decoding,
        "digest": digest,
    }
    for text in sys.stdin:
        request = json.loads(text)
        answer = answers[request["measure"]](made(request["events"], request["size"]))
        print(json.dumps(answer), flush=True)


def _tune_garbage_collector() -> None:
    if find_spec("consumer.process"):
        import_module("consumer.process").tune_garbage_collector()
    else:  # commits up to 5bd9b00
        import_module("consumer.collector").collect_seldom()


def digest(some: Sequence[Batch]) -> dict[str, str]:
    """Return the SHA-256 of the events."""
    return {"digest": hashlib.sha256(b"".join(value or b"" for batch in some for value in batch.values)).hexdigest()}


def cost(line: Any, some: Sequence[Batch]) -> dict[str, float]:
    """Return what all these batches cost, one after the other; after one uncounted pass that fills the caches."""
    for batch in some:
        line.process(batch)
    spent = dict.fromkeys((*STAGES, "all"), 0.0)
    for batch in some:
        began = time.perf_counter()
        output = line.process(batch)
        spent["all"] += time.perf_counter() - began
        stats = getattr(output, "stats", None) or output.tally  # "tally" up to 5bd9b00
        for stage in STAGES:
            spent[stage] += stats.stage_seconds[stage]
    events = sum(map(len, some))
    return {name: seconds / events * 1e6 for name, seconds in spent.items()}


def count(line: Any, some: Sequence[Batch]) -> dict[str, float]:
    """Return the calls of malloc an event; the instructions go to callgrind's own file."""
    counting = ctypes.CDLL(None)  # counting.c, preloaded
    for batch in some:
        line.process(batch)
    counting.start_counting()
    for batch in some:
        line.process(batch)
    return {"mallocs": counting.stop_counting() / sum(map(len, some))}


if __name__ == "__main__":
    main()
