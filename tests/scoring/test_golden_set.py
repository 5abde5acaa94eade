"""A set that was pickled once, and what it said of events then, for good (written by tools/make_golden.py)."""

import dataclasses
import json
from typing import Any

import orjson
import pytest

from scoring import InvalidEvent, Scorer
from tools.make_golden import GOLDEN

LINES = [json.loads(line) for line in (GOLDEN / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()]

REMEDY = (
    "tests/golden/scoring/verdicts.jsonl says otherwise: if the contract has changed, run python -m tools.make_golden"
)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.load(GOLDEN, allow_unverified=True)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["event"][:40])
def test_a_verdict_is_what_it_was(scorer: Scorer, line: dict[str, Any]) -> None:
    said = scorer.score_many([line["event"].encode()])[0]

    if isinstance(said, InvalidEvent):
        assert {"code": said.code, "field": said.field} == line["error"], REMEDY
        return
    verdict, expected = dataclasses.asdict(said), line["verdict"]
    for name in ("anomaly_score", "base_rate"):
        assert verdict.pop(name) == pytest.approx(expected.pop(name), abs=1e-12)
    for each, then in zip(verdict["contributions"], expected["contributions"], strict=True):
        assert each.pop("contribution") == pytest.approx(then.pop("contribution"), abs=1e-12)
    assert verdict == expected, REMEDY


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["event"][:40])
def test_a_second_parser_takes_the_events_that_are_json_and_no_others(line: dict[str, Any]) -> None:
    if line.get("error", {}).get("code") == "not_json":
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(line["event"])
    else:
        assert orjson.loads(line["event"]) == json.loads(line["event"])


def test_the_golden_events_show_every_level_and_every_kind_of_fault() -> None:
    levels = {line["verdict"]["risk_level"] for line in LINES if "verdict" in line}
    codes = {line["error"]["code"] for line in LINES if "error" in line}

    assert levels == {"Low", "Medium", "High"}
    assert codes == {"not_json", "not_an_object", "wrong_type", "out_of_range", "bad_date"}
