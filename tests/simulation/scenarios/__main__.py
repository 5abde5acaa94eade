"""Measure on real Kafka what the scenarios show, and write it down: python -m tests.simulation.scenarios [words]."""

import json
import sys
import time
import traceback

from tests.simulation.scenarios.catalogue import MEASURED, SCENARIOS, expected, running_on_real_kafka


def main(words: list[str]) -> int:
    """Measure the scenarios whose names contain one of the words, or all; return the exit code."""
    names = [name for name in SCENARIOS if not words or any(word in name for word in words)]
    before = expected() if MEASURED.exists() else {}
    failed, began = 0, time.monotonic()
    measured = dict(before)
    with running_on_real_kafka(names) as futures:
        for name, future in futures.items():
            try:
                measured[name] = future.result()
            except Exception:  # noqa: BLE001 - the others are measured all the same
                failed += 1
                sys.stdout.write(f"{name}: failed\n{traceback.format_exc()}\n")
                continue
            if measured[name] != before.get(name):
                sys.stdout.write(f"{name}: {json.dumps(measured[name])}\n  before: {json.dumps(before.get(name))}\n")
    kept = {name: measured[name] for name in SCENARIOS if name in measured}
    MEASURED.write_text(json.dumps(kept, indent=2) + "\n")
    sys.stdout.write(f"{len(names)} scenarios in {time.monotonic() - began:.0f} s, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
