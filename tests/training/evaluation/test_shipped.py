"""The shipped results belong to the shipped set and match the docs."""

import csv
import re
from pathlib import Path

import pytest

from scoring import Scorer
from scoring.artifacts import shipped
from training.evaluation import measure_sets
from training.evaluation.baselines import RULES_ALONE
from training.evaluation.measures import all_measures
from training.evaluation.results import REPORT, RESULTS
from training.evaluation.scored_sessions import score_sessions
from training.fitting import no_progress
from training.reader import read_sessions

ROOT = Path(__file__).parents[3]
RESULT_FILES = ROOT / "artifacts" / "results"
Figures = dict[tuple[str, str, str], tuple[float, str, str]]


@pytest.fixture(scope="module")
def figures() -> Figures:
    """Section, subject, measure -> value, low, high."""
    with (RESULT_FILES / RESULTS).open(newline="") as file:
        return {
            (row["section"], row["subject"], row["measure"]): (float(row["value"]), row["low"], row["high"])
            for row in csv.DictReader(file)
        }


def test_shipped_results_match_the_shipped_set(figures: Figures) -> None:
    scorer = Scorer.load(shipped())
    scored = score_sessions(scorer, read_sessions(ROOT / "artifacts" / "datasets" / "test.csv.gz"), no_progress)
    for measure, value in all_measures(scored).items():
        assert figures["overall", measure_sets.ALL, measure][0] == pytest.approx(value, abs=1e-6)
    assert scorer.artifacts.version in (RESULT_FILES / REPORT).read_text()


def test_shipped_data_is_neither_trivial_nor_hopeless(figures: Figures) -> None:
    assert 0.5 < figures["overall", measure_sets.ALL, "average_precision"][0] < 0.95
    recalls = [
        value for (section, _, measure), (value, _, _) in figures.items() if (section, measure) == ("kind", "recall")
    ]
    assert len(recalls) == 6
    assert max(recalls) < 1
    assert next(subject for section, subject, _ in figures if section == "baseline") == RULES_ALONE


def test_shipped_data_has_no_overlap_and_no_leak(figures: Figures) -> None:
    assert figures["leakage", "shared sessions", "count"][0] == figures["leakage", "shared users", "count"][0] == 0
    assert max(value for (section, _, _), (value, _, _) in figures.items() if section == "field") < 0.99


def test_intervals_in_docs_are_those_of_the_evaluation(figures: Figures) -> None:
    said = re.findall(r"(-?\d\.\d{3}) \((-?\d\.\d{3}) to (-?\d\.\d{3})\)", (ROOT / "docs" / "model.md").read_text())
    measured = {
        tuple(f"{float(each):.3f}" for each in figure) for figure in figures.values() if figure[1] and figure[2]
    }
    assert len(said) > 20
    assert set(said) <= measured
