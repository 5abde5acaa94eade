"""The manifest: what it must hold, and what an altered set or manifest is refused with."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoring import Scorer
from tests.support.artifacts.loading import EVENTS, FILES, SET, refused, scores
from tests.support.artifacts.pickling import evil_pickles
from tests.support.oracle import reading

FIELDS = {
    **dict.fromkeys(reading.COUNTS, "count"),
    **dict.fromkeys(("device_motion", "time_on_page", "timezone_offset", "transaction_amount"), "number"),
    **dict.fromkeys(reading.CATEGORIES, "category"),
    "transaction_date": "local time",
}


@pytest.fixture
def known(tmp_path: Path) -> list[float]:
    """What the set scores when it is written in the usual way."""
    return scores(SET.write(tmp_path / "known"))


def with_manifest(directory: Path, **changes: Any) -> Path:
    """The set with a manifest of its own; `changes` replace entries, None drops one."""
    SET.write(directory)
    contents = {name: (directory / name).read_bytes() for name in FILES}
    manifest = {
        "format": 1,
        "model_version": hashlib.sha256(b"".join(contents.values())).hexdigest()[:8],
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
        "schema": {"fields": FIELDS, "features": SET.feature_cols},
        "versions": {},
        "thresholds": {"label": 0.5, "medium": 0.45, "high": 0.75},
        "training": {},
        "metrics": {},
        "golden": [],
    } | changes
    written = {name: value for name, value in manifest.items() if value is not None}
    (directory / "manifest.json").write_text(json.dumps(written))
    return directory


def test_a_set_with_its_manifest_loads_and_scores_alike(tmp_path: Path, known: list[float]) -> None:
    golden = [{"event": event, "anomaly_score": score} for event, score in zip(EVENTS, known, strict=True)]

    assert scores(with_manifest(tmp_path, golden=golden), allow_unverified=False) == known


def test_the_manifests_thresholds_decide_the_levels(tmp_path: Path) -> None:
    score = scores(SET.write(tmp_path))[1]
    limits = {"label": np.nextafter(score, 1), "medium": 0.0, "high": score}

    verdict = Scorer.load(with_manifest(tmp_path, thresholds=limits)).score(EVENTS[1])

    assert (verdict.predicted_label, verdict.risk_level) == (0, "High")


@pytest.mark.parametrize("name", FILES)
def test_one_altered_byte_is_refused_even_where_unverified_sets_are_allowed(tmp_path: Path, name: str) -> None:
    with_manifest(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)

    for allowed in (False, True):
        assert name in refused(tmp_path, allow_unverified=allowed)


def test_an_altered_file_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (with_manifest(tmp_path) / "rf_model.pkl").write_bytes(evil_pickles(trace)["builtins.exec"])

    assert "SHA-256" in refused(tmp_path)
    assert not trace.exists()


def test_golden_scores_may_be_off_by_rounding_and_no_more(tmp_path: Path, known: list[float]) -> None:
    def golden(off: float) -> list[dict[str, Any]]:
        return [{"event": EVENTS[1], "anomaly_score": known[1] + off}]

    assert scores(with_manifest(tmp_path, golden=golden(1e-14)), allow_unverified=False) == known
    assert "golden" in refused(with_manifest(tmp_path, golden=golden(1e-10)), allow_unverified=False)


LIMITS = {"label": 0.5, "medium": 0.45, "high": 0.75}
MANIFESTS: dict[str, dict[str, Any]] = {
    "an unknown format": {"format": 99},
    "a format that is no number": {"format": "one"},
    "no format": {"format": None},
    "no files": {"files": {}},
    "no thresholds": {"thresholds": None},
    "thresholds out of order": {"thresholds": LIMITS | {"medium": 0.8}},
    "a threshold of text": {"thresholds": LIMITS | {"high": "0.75"}},
    "a threshold that is missing by null": {"thresholds": LIMITS | {"label": None}},
    "a threshold that is NaN": {"thresholds": LIMITS | {"label": float("nan")}},
    "a threshold that is infinite": {"thresholds": LIMITS | {"high": float("inf")}},
    "a golden score that is wrong": {"golden": [{"event": {}, "anomaly_score": 0.123}]},
    "a golden event that is invalid": {"golden": [{"event": {"click_events": -1}, "anomaly_score": 0.5}]},
    "an entry unheard of": {"shoe_size": 44},
    "no schema": {"schema": None},
    "a field unheard of": {"schema": {"fields": FIELDS | {"shoe_size": "number"}, "features": SET.feature_cols}},
    "a field of another kind": {"schema": {"fields": FIELDS | {"language": "count"}, "features": SET.feature_cols}},
    "features in another order": {"schema": {"fields": FIELDS, "features": SET.feature_cols[::-1]}},
    "features other than the forest's": {"schema": {"fields": FIELDS, "features": SET.feature_cols[1:]}},
    "a newest row that is no day": {"training": {"newest": "today"}},
    "hashes that are none": {"files": dict.fromkeys(FILES, "5f0c")},
}


@pytest.mark.parametrize("fault", MANIFESTS)
def test_a_manifest_that_cannot_be_trusted_is_refused(tmp_path: Path, fault: str) -> None:
    assert "manifest" in refused(with_manifest(tmp_path, **MANIFESTS[fault]), allow_unverified=False)


HUGE = 10**400
NUMBERS: dict[str, dict[str, Any]] = {
    "format": {"format": HUGE},
    "training.rows": {"training": {"rows": HUGE}},
    "training.seed": {"training": {"seed": -HUGE}},
    "training.parameters.trees": {"training": {"parameters": {"trees": 1 << 63}}},
    "training.parameters.steps": {"training": {"parameters": {"steps": [[1, {"n": HUGE}]]}}},
    "training.selection.depth": {"training": {"selection": [{"depth": HUGE}]}},
    "training.thresholds.budget": {"training": {"thresholds": {"budget": HUGE}}},
    "metrics.f1": {"metrics": {"f1": HUGE}},
    "thresholds.high": {"thresholds": LIMITS | {"high": HUGE}},
    "golden.event.click_events": {"golden": [{"event": {"click_events": HUGE}, "anomaly_score": 0.5}]},
    "golden.anomaly_score": {"golden": [{"event": {}, "anomaly_score": HUGE}]},
    "baseline.rows": {"baseline": {"rows": HUGE}},
}


@pytest.mark.parametrize("place", NUMBERS)
def test_a_number_that_64_bits_do_not_hold_is_refused_by_its_place(tmp_path: Path, place: str) -> None:
    message = refused(with_manifest(tmp_path, **NUMBERS[place]), allow_unverified=False)
    assert "a number of more than 64 bits" in message
    assert message.partition(": ")[2].startswith(place.rpartition(".steps")[0] or place)
    assert len(message) < 500


def test_a_number_of_rows_is_not_negative(tmp_path: Path) -> None:
    assert "rows" in refused(with_manifest(tmp_path, training={"rows": -1}), allow_unverified=False)


def test_a_manifest_that_is_nested_without_need_is_refused(tmp_path: Path) -> None:
    deep: Any = {}
    for _ in range(20):
        deep = {"x" * 1000: deep}
    message = refused(with_manifest(tmp_path, training={"parameters": deep}), allow_unverified=False)
    assert "nested deeper than 16" in message
    assert len(message) < 500


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format": 1e400}'])
def test_a_manifest_that_is_no_manifest_is_refused(tmp_path: Path, data: bytes) -> None:
    (SET.write(tmp_path) / "manifest.json").write_bytes(data)

    assert "manifest.json" in refused(tmp_path)
