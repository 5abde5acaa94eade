"""An evaluation from end to end: estimates, files, report."""

import csv
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scoring import Scorer
from training.evaluation import measure_sets
from training.evaluation.baselines import FOREST, RULES_ALONE
from training.evaluation.evaluate import Evaluation, EvaluationOptions, evaluate
from training.evaluation.report import to_html
from training.evaluation.results import COLUMNS, REPORT, RESULTS, format_value, to_csv, write_results
from training.synthetic.dataset import LATER, generate

QUICK = EvaluationOptions(resamples=40)
Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 sessions of other people than `table` holds."""
    path = tmp_path_factory.mktemp("later") / "later.csv"
    path.write_text(generate(1_000, 10, world=LATER).csv())
    return path


@pytest.fixture(scope="module")
def scorer(trained: Path) -> Scorer:
    return Scorer.load(trained)


@pytest.fixture(scope="module")
def honest(later: Path, scorer: Scorer, table: Path) -> Evaluation:
    """Sessions of other people, measured as they should be."""
    return evaluate(later, scorer, table, QUICK)


@pytest.fixture(scope="module")
def html(honest: Evaluation) -> str:
    """Its page."""
    return to_html(honest)


@pytest.fixture
def changed(later: Path, tmp_path: Path) -> Callable[[Change], Path]:
    """`later` after a change."""

    def change(how: Change) -> Path:
        frame = how(pd.read_csv(later, dtype=str, keep_default_na=False))
        frame.to_csv(tmp_path / "changed.csv", index=False)
        return tmp_path / "changed.csv"

    return change


def value(evaluation: Evaluation, section: str, subject: str, measure: str) -> float:
    row = evaluation.find(section, subject, measure)
    assert row is not None, (section, subject, measure)
    return row.value


def test_baselines_precede_the_forest_rules_first(honest: Evaluation) -> None:
    subjects = dict.fromkeys(row.subject for row in honest.estimates if row.section == "baseline")
    assert list(subjects) == [RULES_ALONE, "logistic regression", "gradient boosting", FOREST]


def test_a_difference_is_that_of_the_two_figures(honest: Evaluation) -> None:
    forest = value(honest, "baseline", FOREST, "average_precision")
    for name in (RULES_ALONE, "logistic regression", "gradient boosting"):
        ahead = value(honest, "baseline", name, "forest_minus_average_precision")
        assert ahead == pytest.approx(forest - value(honest, "baseline", name, "average_precision"))


def test_kinds_cover_all_attacks_segments_all_sessions(honest: Evaluation) -> None:
    of_kinds = [row.n for row in honest.estimates if row.section == "kind" and row.measure == "recall"]
    assert sum(of_kinds) == honest.scored.label.sum()
    for field in ("device_type", "geolocation_city"):
        sessions = [
            row.n
            for row in honest.estimates
            if row.section == "segment" and row.subject.startswith(field) and row.measure == "prevalence"
        ]
        assert sum(sessions) == 1_000


def test_overall_recall_is_the_mean_of_kinds(honest: Evaluation) -> None:
    kinds = [row for row in honest.estimates if row.section == "kind" and row.measure == "recall"]
    found = sum(row.value * row.n for row in kinds) / sum(row.n for row in kinds)
    assert found == pytest.approx(value(honest, "overall", measure_sets.ALL, "recall"))


def test_shares_lie_in_their_intervals(honest: Evaluation) -> None:
    shares = [row for row in honest.estimates if row.section == "overall" and row.measure.startswith("share")]
    assert len(shares) == 3
    assert all(row.low <= row.value <= row.high for row in shares)


def test_sessions_of_other_people_share_nothing(honest: Evaluation) -> None:
    assert value(honest, "leakage", "shared sessions", "count") == 0
    assert value(honest, "leakage", "shared users", "count") == 0
    assert honest.leaks == honest.warnings == ()


def test_shared_sessions_are_counted_and_others_measured_apart(
    changed: Callable[[Change], Path], table: Path, scorer: Scorer
) -> None:
    known = pd.read_csv(table, dtype=str, keep_default_na=False)[:300]
    mixed = evaluate(changed(lambda frame: pd.concat([frame, known])), scorer, table, QUICK)
    users = known["user_id"].nunique()
    assert value(mixed, "leakage", "shared sessions", "count") == 300
    assert value(mixed, "leakage", "shared users", "count") == users
    (line,) = [line for line in mixed.warnings if "training data" in line]
    assert line.startswith(f"300 of 1,300 sessions and {users} users")
    unseen = mixed.find("overall", measure_sets.UNSEEN, "average_precision")
    assert unseen is not None
    assert unseen.n == 1_000
    assert measure_sets.UNSEEN in to_html(mixed)


def test_a_training_file_leaves_no_unseen_sessions(table: Path, scorer: Scorer) -> None:
    same = evaluate(table, scorer, table, QUICK)
    assert any("no other session is left to measure on" in line for line in same.warnings)
    assert same.find("overall", measure_sets.UNSEEN, "average_precision") is None


def test_another_training_file_is_reported(later: Path, scorer: Scorer) -> None:
    assert any("another file" in line for line in evaluate(later, scorer, later, QUICK).warnings)


def test_without_training_data_baselines_are_cross_validated(later: Path, scorer: Scorer) -> None:
    alone = evaluate(later, scorer, options=QUICK)
    assert any("not checked" in line for line in alone.warnings)
    assert any("five folds" in line for line in alone.facts)
    assert 0.02 < value(alone, "baseline", "gradient boosting", "average_precision") < 0.9


def test_the_label_copied_into_a_field_is_named(changed: Callable[[Change], Path], scorer: Scorer, table: Path) -> None:
    planted = evaluate(changed(lambda frame: frame.assign(touch_events=frame["label"])), scorer, table, QUICK)
    (leak,) = planted.leaks
    assert leak.startswith("changed.csv: touch_events alone reveals the label (ROC AUC 1.000)")
    assert leak.replace("'", "&#39;") in to_html(planted)


@pytest.mark.parametrize(
    ("label", "lacking", "there"),
    [("0", "average_precision", "false_positive_rate"), ("1", "roc_auc", "recall")],
)
def test_measures_of_both_classes_need_both(
    label: str, lacking: str, there: str, changed: Callable[[Change], Path], scorer: Scorer
) -> None:
    single = evaluate(changed(lambda frame: frame[frame["label"] == label]), scorer, options=QUICK)
    assert not [row for row in single.estimates if row.measure == lacking]
    assert single.find("overall", measure_sets.ALL, there)
    warnings = [line for line in single.warnings if line not in single.doubts]  # attacks are fewer than 100
    assert warnings[0].startswith("no session is an attack" if label == "0" else "no session is honest")
    assert len(warnings) == 2  # the other: the training data was not checked
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", to_html(single), flags=re.DOTALL).lower()


def test_an_empty_field_is_reported_and_imputed(changed: Callable[[Change], Path], scorer: Scorer) -> None:
    gaps = evaluate(changed(lambda frame: frame.assign(transaction_date="", language="")), scorer, options=QUICK)
    assert gaps.find("overall", measure_sets.ALL, "average_precision")
    assert "no session has a value of language, transaction_date: the set's imputed values are used" in gaps.warnings
    assert gaps.find("baseline", "gradient boosting", "average_precision")
    assert "transaction_date" in {row.subject for row in gaps.estimates if row.section == "importance"}


def test_sessions_without_users_are_resampled_one_by_one(
    changed: Callable[[Change], Path], scorer: Scorer, table: Path
) -> None:
    nameless = evaluate(changed(lambda frame: frame.assign(user_id="")), scorer, table, QUICK)
    assert any("one by one" in line for line in nameless.facts)
    assert nameless.users == 0


def test_evaluation_is_reproducible_to_the_byte(
    honest: Evaluation, later: Path, scorer: Scorer, table: Path, tmp_path: Path
) -> None:
    write_results(honest, tmp_path / "a")
    write_results(evaluate(later, scorer, table, QUICK), tmp_path / "b")
    for name in (RESULTS, REPORT):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_results_hold_every_estimate_and_empty_intervals(honest: Evaluation) -> None:
    table = list(csv.reader(to_csv(honest.estimates).splitlines()))
    assert tuple(table[0]) == COLUMNS
    assert len(table) == len(honest.estimates) + 1
    keys = [tuple(row[:3]) for row in table[1:]]
    assert len(set(keys)) == len(keys)
    counts = [row for row in table if row[0] == "confusion"]
    assert len(counts) == 6
    assert {(row[4], row[5]) for row in counts} == {("", "")}


def test_values_have_six_decimals_and_no_negative_zero() -> None:
    assert [format_value(x) for x in (0.1234567, 3.0, -1e-9, math.nan, 100.0)] == ["0.123457", "3", "0", "", "100"]


class _Page(HTMLParser):
    """What a page asks a browser for, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.asked: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.asked += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "data", "action"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def page(html: str) -> _Page:
    read = _Page()
    read.feed(html)
    return read


def test_the_page_asks_for_nothing_outside_itself(html: str) -> None:
    read = page(html)
    assert all(each.startswith("#") for each in read.asked)
    assert "http" not in html
    assert "@import" not in html
    assert "script" not in read.tags
    assert not re.search(r"url\((?!#)", html)


def test_the_page_calls_no_score_a_probability(html: str) -> None:
    read = page(html)
    assert read.tags.count("svg") == 5
    assert "the forest's score" in read.text
    said = re.findall(r"[^.]*probabilit[^.]*\.", read.text)
    assert all(
        "Were the score a probability" in each or "is no probability" in each or "were it" in each for each in said
    )


def test_names_out_of_a_file_cannot_become_markup(
    changed: Callable[[Change], Path], scorer: Scorer, table: Path
) -> None:
    evil = "<script>alert(1)</script>$x_{1$"

    def plant(frame: pd.DataFrame) -> pd.DataFrame:
        kinds = np.where(frame["label"] == "1", evil, frame["attack_kind"])
        return frame.assign(attack_kind=kinds, geolocation_city=evil)

    read = page(to_html(evaluate(changed(plant), scorer, table, QUICK)))
    assert "script" not in read.tags
    assert evil in read.text
