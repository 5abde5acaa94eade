"""Two sets on one file: what is counted, against a count by hand of the verdicts themselves."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consumer.model import report
from consumer.model.comparison import Comparison, compare
from consumer.offline.progress import Reporting
from scoring import LEVELS, Scorer
from scoring.artifacts import Thresholds
from scoring.tables import FileError, TableOptions
from scoring.tables.source import BLOCK_BYTES
from tests.support.artifacts.sets import random_event, small_set

ANY = TableOptions(allow_missing=True)
INVALID: list[dict[str, Any]] = [{"click_events": -1}, {"transaction_date": "soon"}]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scorer, Scorer]:
    directories = (small_set(seed).write(tmp_path_factory.mktemp(f"set{seed}")) for seed in (0, 1))
    first, second = (Scorer.load(directory, allow_unverified=True) for directory in directories)
    return first, second


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    """Valid ones, with two invalid ones between."""
    made = [random_event(np.random.default_rng(seed)) for seed in range(300)]
    return [*made[:7], *INVALID, *made[7:]]


def written(events: list[dict[str, Any]], path: Path) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


@pytest.fixture(scope="module")
def found(
    sets: tuple[Scorer, Scorer], events: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Comparison:
    return compare(*sets, written(events, tmp_path_factory.mktemp("events") / "events.jsonl"))


@pytest.fixture(scope="module")
def verdicts(sets: tuple[Scorer, Scorer], events: list[dict[str, Any]]) -> list[tuple[int, Any, Any]]:
    """Row, A's verdict, B's, of the valid rows."""
    a, b = (scorer.score_many(events) for scorer in sets)
    rows = range(1, len(events) + 1)
    return [each for each in zip(rows, a, b, strict=True) if not isinstance(each[1], Exception)]


def test_rows_are_scored_by_both_and_invalid_ones_counted(found: Comparison, events: list[dict[str, Any]]) -> None:
    assert (found.rows, found.invalid) == (len(events) - len(INVALID), len(INVALID))


def test_levels_and_labels_are_counted_from_a_to_b(found: Comparison, verdicts: list[Any]) -> None:
    levels, labels = found.as_dict()["levels"], found.as_dict()["labels"]

    for level in LEVELS:
        for other in LEVELS:
            assert levels[level][other] == sum((a.risk_level, b.risk_level) == (level, other) for _, a, b in verdicts)
    for old in (0, 1):
        for new in (0, 1):
            counted = sum((a.predicted_label, b.predicted_label) == (old, new) for _, a, b in verdicts)
            assert labels[str(old)][str(new)] == counted
    assert levels["Low"]["High"] + levels["High"]["Low"] > 0


def test_moves_and_their_correlation_are_numpys(found: Comparison, verdicts: list[Any]) -> None:
    a, b = (np.array([each[place].anomaly_score for each in verdicts]) for place in (1, 2))

    assert found.mean_move == pytest.approx(np.abs(b - a).mean(), abs=1e-12)
    assert found.largest_move == np.abs(b - a).max()
    assert found.correlation == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-12)


def test_the_rows_that_move_most_come_first_by_their_numbers_in_the_file(
    found: Comparison, verdicts: list[Any]
) -> None:
    by_size = sorted(verdicts, key=lambda each: (-abs(each[2].anomaly_score - each[1].anomaly_score), each[0]))

    assert [move.row for move in found.largest] == [row for row, *_ in by_size[:10]]
    row, a, b = by_size[0]
    assert dataclasses.astuple(found.largest[0]) == (
        row, a.anomaly_score, b.anomaly_score, a.risk_level, b.risk_level,
    )  # fmt: skip


def test_a_file_of_many_chunks_counts_like_its_parts(sets: tuple[Scorer, Scorer], tmp_path: Path) -> None:
    events = [random_event(np.random.default_rng(seed)) for seed in range(100)]
    once = compare(*sets, written(events, tmp_path / "once.jsonl"))
    times = 2 * BLOCK_BYTES // (tmp_path / "once.jsonl").stat().st_size + 1
    told: list[tuple[float, int]] = []

    often = compare(*sets, written(events * times, tmp_path / "often.jsonl"), Reporting(lambda *how: told.append(how)))

    assert (often.levels == once.levels * times).all()
    assert (often.labels == once.labels * times).all()
    assert (often.mean_move, often.correlation) == pytest.approx((once.mean_move, once.correlation), abs=1e-12)
    assert len(told) == 3
    assert told[-1] == (1.0, len(events) * times)


def test_a_set_agrees_with_itself(sets: tuple[Scorer, Scorer], events: list[dict[str, Any]], tmp_path: Path) -> None:
    found = compare(sets[0], sets[0], written(events, tmp_path / "events.jsonl"))

    assert (found.mean_move, found.largest_move, found.largest) == (0, 0, [])
    assert found.correlation == pytest.approx(1)
    assert found.levels.trace() == found.rows


def test_other_thresholds_change_levels_though_no_score_moves(
    sets: tuple[Scorer, Scorer], events: list[dict[str, Any]], tmp_path: Path
) -> None:
    strict = Scorer(dataclasses.replace(sets[0].artifacts, thresholds=Thresholds(0.0, 0.0, 0.0)))
    found = compare(sets[0], strict, written(events, tmp_path / "events.jsonl"))

    assert found.largest_move == 0
    assert found.levels[:, 2].sum() == found.rows


def test_of_one_row_there_is_no_correlation(sets: tuple[Scorer, Scorer], tmp_path: Path) -> None:
    assert compare(*sets, written([{}], tmp_path / "one.jsonl"), table=ANY).correlation is None


@pytest.mark.parametrize(("events", "why"), [([], "there is none"), (INVALID, "all 2 are invalid")])
def test_without_a_valid_row_nothing_is_compared(
    sets: tuple[Scorer, Scorer], tmp_path: Path, events: list[dict[str, Any]], why: str
) -> None:
    with pytest.raises(FileError, match=why):
        compare(*sets, written(events, tmp_path / "none.jsonl"), table=ANY)


def test_a_table_is_read_as_score_reads_it(
    sets: tuple[Scorer, Scorer], events: list[dict[str, Any]], found: Comparison, tmp_path: Path
) -> None:
    with (tmp_path / "events.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(events[0]))
        writer.writeheader()
        writer.writerows(events)

    assert compare(*sets, tmp_path / "events.csv").as_dict() == found.as_dict()


def test_nothing_of_the_rows_is_shown(sets: tuple[Scorer, Scorer], tmp_path: Path) -> None:
    events = [
        random_event(np.random.default_rng(seed)) | {"user_id": "mallory", "session_id": "mallory-1"}
        for seed in range(20)
    ]
    found = compare(*sets, written(events, tmp_path / "events.jsonl"))

    lines = [line for sheet in report.sheets(found, *sets) for line in sheet.lines()]

    assert "mallory" not in json.dumps(found.as_dict()) + "\n".join(lines)


def test_a_row_keeps_its_number_beyond_the_first_chunk_and_past_invalid_ones(
    sets: tuple[Scorer, Scorer], events: list[dict[str, Any]], found: Comparison, tmp_path: Path
) -> None:
    moves_most = events[found.largest[0].row - 1]
    rows = [*INVALID, *[{"click_events": -1}] * (BLOCK_BYTES // 10), *INVALID, moves_most]

    assert [move.row for move in compare(*sets, written(rows, tmp_path / "long.jsonl"), table=ANY).largest] == [
        len(rows)
    ]
