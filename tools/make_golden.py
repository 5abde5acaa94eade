"""Writes tests/golden/scoring/verdicts.jsonl: the oracle's verdicts on some events, with the five-file set there.

Run `python -m tools.make_golden` only when the contract itself changes: the files show that an existing set, pickled
once, is read and scored as ever by whatever versions are installed. `--new-set` trains and pickles another set first,
which is seldom right.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.artifacts.sets import FiveFiles, random_event, small_set
from tests.support.oracle import scoring
from tests.support.oracle.reading import DATE, MODEL_FIELDS

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "scoring"


def events() -> list[bytes]:
    """Ordinary events, a few of them with gaps, and some odd and invalid ones, as JSON."""
    random = np.random.default_rng(2026)
    made: list[dict[str, Any]] = [random_event(random) for _ in range(40)]
    for event in made[20:]:
        for field in random.choice(MODEL_FIELDS, 4, replace=False):
            event[field] = None
    made += [{}, {DATE: "2025-04-18T03:15:00+05:30", "transaction_amount": 10000.01, "time_on_page": 600}]
    made += [{"click_events": -1}, {"device_type": 3}, {DATE: "2025-02-29"}, {"user_id": 1.5}, {"time_on_page": 1e13}]
    odd = [rb'{"click\u005fevents": 3, "click_events": 3e1}', b'{"user_id": 007}', b"[]", b"", rb'{"a": "\ud800"}']
    return [json.dumps(event, ensure_ascii=False).encode() for event in made] + odd


def said_of(model: scoring.Model, event: bytes) -> dict[str, Any]:
    said = scoring.judge(model, event)
    if not isinstance(said, scoring.Verdict):
        return {"event": event.decode(), "error": said._asdict()}
    verdict = dataclasses.asdict(said)
    for inner in ("unseen_fields", "identities", "all_contributions"):
        del verdict[inner]
    verdict["contributions"] = [each._asdict() for each in said.contributions] if said.risk_level == "High" else []
    return {"event": event.decode(), "verdict": verdict}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.make_golden", description=__doc__)
    parser.add_argument("--new-set", action="store_true", help="write the five files, too")
    if parser.parse_args().new_set:
        small_set(2026, trees=5, depth=4).write(GOLDEN)
    model = FiveFiles.read(GOLDEN).for_oracle()
    lines = [json.dumps(said_of(model, event), ensure_ascii=False) for event in events()]
    (GOLDEN / "verdicts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
