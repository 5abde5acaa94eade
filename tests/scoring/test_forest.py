"""The forest against scikit-learn itself, and the contributions against treeinterpreter."""

import dataclasses
import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from scoring import Scorer
from tests.scoring.conftest import Pair, load, quiet
from tests.support.artifacts.sets import FEATURE_COLS, FiveFiles, random_event, small_set
from tests.support.oracle import scoring
from tests.support.oracle.agreement import TOLERANCE, assert_contributions_agree, verdicts
from tests.support.oracle.reading import NUMBERS


def scaled(files: FiveFiles, events: list[dict[str, Any]]) -> Any:
    model = files.for_oracle()
    return files.scaler.transform(np.array([scoring.columns(model, event) for event in events]))


def some_events(number: int, seed: int = 1) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    return [random_event(random) for _ in range(number)]


def test_a_score_is_scikit_learns_own_number_to_the_last_bit(pairs: list[Pair]) -> None:
    events = some_events(500)

    for pair in pairs:
        expected = pair.files.rf_model.predict_proba(scaled(pair.files, events))[:, 1]
        assert [said.anomaly_score for said in verdicts(pair.scorer, events)] == expected.tolist()


def test_contributions_are_those_of_treeinterpreter(pairs: list[Pair]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it still imports distutils, deprecated in 3.11 and gone in 3.12
        treeinterpreter = pytest.importorskip("treeinterpreter.treeinterpreter")
    events = some_events(200)

    for pair in pairs:
        _, base_rates, moved = treeinterpreter.predict(pair.files.rf_model, scaled(pair.files, events))
        for said, base_rate, row in zip(map(pair.scorer.explain, events), base_rates, moved, strict=True):
            by_name = dict(zip(pair.model.feature_cols, row[:, 1], strict=True))
            assert abs(said.base_rate - base_rate[1]) <= TOLERANCE
            found = {each.feature: each.contribution for each in said.contributions}
            assert found == pytest.approx(by_name, abs=TOLERANCE)
            sizes = [abs(size) for size in found.values()]
            assert sizes == sorted(sizes, reverse=True)


def test_contributions_and_the_base_rate_add_up_to_the_score(tmp_path: Path) -> None:
    five = ("click_events", "transaction_amount", "device_type", "device_motion", "no_such_column")
    pair = load_quietly(small_set(5, feature_cols=list(five)), tmp_path)
    high = [said for said in verdicts(pair.scorer, some_events(300)) if said.risk_level == "High"]

    assert high
    for said in high:
        total = said.base_rate + sum(each.contribution for each in said.contributions)
        assert abs(total - said.anomaly_score) <= TOLERANCE
        assert sorted(each.feature for each in said.contributions) == sorted(five)


def test_features_that_moved_nothing_stand_in_the_order_of_feature_cols(tmp_path: Path) -> None:
    cols = ["no_such_column", "label", "click_events", "another", "user_id", "transaction_amount", "yet_another"]
    pair = load_quietly(small_set(6, feature_cols=cols), tmp_path)
    said = next(said for said in verdicts(pair.scorer, some_events(300)) if said.risk_level == "High")

    still = [each.feature for each in said.contributions if each.contribution == 0]
    assert still == [name for name in cols if name not in ("click_events", "transaction_amount")][: len(still)]
    assert len(still) >= 3


def load_quietly(files: FiveFiles, directory: Path) -> Pair:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load(files, directory)


# --- numbers on the thresholds ----------------------------------------------------------------------------------------


def unscaled_set(seed: int = 0) -> FiveFiles:
    """A set of the nine raw numbers whose scaler changes nothing: an event's number is what the trees compare."""
    scaler = StandardScaler().fit(np.zeros((2, len(NUMBERS))))
    return small_set(seed, feature_cols=list(NUMBERS), scaler=scaler, trees=5, depth=5)


def neighbours(threshold: float) -> list[float]:
    """The threshold as float64 and float32, and the next ones up and down of both kinds."""
    with np.errstate(over="ignore"):  # above the largest float32 stands infinity
        single = np.float32(threshold)
        singles = [np.nextafter(single, np.float32(end)) for end in (-np.inf, np.inf)]
    doubles = [np.nextafter(threshold, end) for end in (-np.inf, np.inf)]
    between = (float(single) + float(singles[1])) / 2  # rounds to the even one of the two
    return [threshold, between, *map(float, (single, *singles, *doubles))]


def assert_scored_as_by_scikit_learn(files: FiveFiles, pair: Pair, events: list[dict[str, Any]]) -> None:
    expected = files.rf_model.predict_proba(scaled(files, events))[:, 1]
    for event, said, score in zip(events, verdicts(pair.scorer, events), expected, strict=True):
        ours = scoring.judge(pair.model, event)
        assert isinstance(ours, scoring.Verdict)
        assert said.anomaly_score == score == ours.anomaly_score, event
        if said.risk_level == "High":
            assert_contributions_agree(said.contributions, ours)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_float32_neighbours_of_every_threshold_fall_on_scikit_learns_side(tmp_path: Path, seed: int) -> None:
    files = unscaled_set(seed)
    pair = load(files, tmp_path)
    events = [
        quiet(**{NUMBERS[node.feature]: value})
        for tree in pair.model.trees
        for node in tree
        if node.left != -1
        for value in neighbours(node.threshold)
        if value >= 0 or node.feature >= NUMBERS.index("timezone_offset")
    ]

    assert len(events) > 200
    assert_scored_as_by_scikit_learn(files, pair, events)


SPECIAL = [0.0, -0.0, 1e-46, -1e-46, 1.4e-45, -1.4e-45, 1e-300, 16777217.0, 16777219.0, -16777219.0, 0.1, -0.1, 1e12,
           3.4e38, 3.5e38, -3.5e38, 1e300, -1e300, 0.5 + 2**-25, 0.5 + 2**-25 + 2**-40]  # fmt: skip


@pytest.mark.parametrize("threshold", SPECIAL)
def test_a_threshold_that_no_float32_equals_splits_as_scikit_learn_splits(tmp_path: Path, threshold: float) -> None:
    files = unscaled_set()
    for tree in files.rf_model.estimators_:
        grown = tree.tree_
        grown.threshold[grown.children_left != -1] = threshold
        grown.feature[grown.children_left != -1] = NUMBERS.index("timezone_offset")
    pair = load(files, tmp_path)
    values = {value for each in SPECIAL for value in neighbours(each) if abs(value) <= 1e12}

    events = [quiet(timezone_offset=value) for value in sorted(values)]
    assert_scored_as_by_scikit_learn(files, pair, [*events, quiet(timezone_offset=-0.0), quiet(timezone_offset=0)])


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e300, 1e308])
def test_a_scale_of_any_size_overflows_or_vanishes_as_in_float32(tmp_path: Path, scale: float) -> None:
    files = unscaled_set()
    files.scaler.scale_ = np.full(len(NUMBERS), scale)
    pair = load(files, tmp_path)

    for event in [quiet(), quiet(transaction_amount=-1e12, timezone_offset=1e12)]:
        ours = scoring.judge(pair.model, event)
        assert isinstance(ours, scoring.Verdict)
        assert pair.scorer.score(event).anomaly_score == ours.anomaly_score


@pytest.mark.parametrize("time", [5e-324, 1e-310, 1e-300, 1e-38, 1e-37, 1e-20])
@pytest.mark.parametrize("count", [0, 1, 1e12])
def test_a_moment_on_the_page_makes_rates_of_any_size(pairs: list[Pair], time: float, count: float) -> None:
    event = quiet(time_on_page=time, click_events=count, keyboard_events=count)

    for pair in pairs:
        ours = scoring.judge(pair.model, event)
        said = pair.scorer.score(event)
        assert isinstance(ours, scoring.Verdict)
        assert (said.anomaly_score, said.reason_codes) == (ours.anomaly_score, ours.reason_codes)


# --- sets of other makes ----------------------------------------------------------------------------------------------


def test_a_scaler_without_mean_or_without_scale_is_used_as_scikit_learn_uses_it(tmp_path: Path) -> None:
    events = some_events(100)
    for number, (with_mean, with_std) in enumerate([(False, True), (True, False), (False, False)]):
        plain = small_set(7, trees=5)
        features = np.array([scoring.columns(plain.for_oracle(), event) for event in events])
        files = plain._replace(scaler=StandardScaler(with_mean=with_mean, with_std=with_std).fit(features))
        files.rf_model.fit(files.scaler.transform(features), np.arange(100) % 2)

        scorer = Scorer.load(files.write(tmp_path / str(number)), allow_unverified=True)

        expected = files.rf_model.predict_proba(files.scaler.transform(features))[:, 1]
        assert [said.anomaly_score for said in verdicts(scorer, events)] == expected.tolist()


@pytest.mark.parametrize("trees", [1, 2, 3, 200])
def test_forests_of_one_tree_and_of_many(tmp_path: Path, trees: int) -> None:
    files = small_set(8, trees=trees, depth=3)
    assert_scored_as_by_scikit_learn(files, load(files, tmp_path), some_events(20))


def test_trees_of_a_leaf_alone_and_deep_ones_in_one_forest(tmp_path: Path) -> None:
    files, stump = small_set(9, trees=4, depth=30), small_set(9, trees=4, depth=1)
    leaf = small_set(9, trees=4)
    leaf.rf_model.set_params(max_depth=1, min_samples_leaf=200, bootstrap=False)
    leaf.rf_model.fit(np.zeros((400, len(FEATURE_COLS))), np.arange(400) % 2)
    files.rf_model.estimators_[1] = stump.rf_model.estimators_[0]
    files.rf_model.estimators_[3] = leaf.rf_model.estimators_[0]

    assert leaf.rf_model.estimators_[0].tree_.node_count == 1
    assert_scored_as_by_scikit_learn(files, load(files, tmp_path), some_events(50))


def test_a_score_on_a_threshold_is_above_it(pairs: list[Pair]) -> None:
    """With thresholds moved onto a score, and onto its neighbours: `at least` the threshold, not `more than`."""
    scorer = pairs[0].scorer
    score = scorer.score(quiet()).anomaly_score
    above = float(np.nextafter(score, 1))

    for limit, label, level in ((score, 1, "High"), (above, 0, "Low")):
        limits = type(scorer.artifacts.thresholds)(label=limit, medium=limit, high=limit)
        moved = Scorer(dataclasses.replace(scorer.artifacts, thresholds=limits)).score(quiet())
        assert (moved.predicted_label, moved.risk_level) == (label, level)


def test_the_version_of_an_unverified_set_is_made_of_its_hash(tmp_path: Path) -> None:
    files = small_set(0).write(tmp_path)
    names = ("rf_model", "scaler", "label_encoders", "feature_cols", "imputation_values")
    digest = hashlib.sha256(b"".join((files / f"{name}.pkl").read_bytes() for name in names)).hexdigest()

    artifacts = Scorer.load(tmp_path, allow_unverified=True).artifacts
    assert (artifacts.sha256, artifacts.version) == (digest, f"unverified-{digest[:8]}")
