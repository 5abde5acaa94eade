"""Trained sets load, score as scikit-learn does, and are reproducible to the byte."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scoring import Scorer
from scoring.artifacts import FILES, MANIFEST_FILE, shipped
from scoring.contract import COUNTS, MODEL_FIELDS
from scoring.model import FEATURES
from tests.support.artifacts.sets import FiveFiles
from tests.support.oracle import scoring
from tests.training.conftest import SMALL
from training import TrainingError
from training.evaluation.evaluate import EvaluationOptions, evaluate
from training.fitting import attack_weight, fit_imputation
from training.labelled_sessions import LabelledSessions
from training.splitting import Split
from training.synthetic.dataset import STREAM, generate
from training.synthetic.world import World
from training.thresholds import AlertBudget, Costs
from training.train import train

EVERY_FILE = (*FILES, MANIFEST_FILE)


def bytes_of(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in EVERY_FILE}


def test_scores_equal_scikit_learns_on_training_rows(trained: Path, five: FiveFiles, model: scoring.Model) -> None:
    values = list(generate(3_000, 9)[:600].events())
    features = np.array([scoring.columns(model, value) for value in values])
    expected = five.rf_model.predict_proba((features - five.scaler.mean_) / five.scaler.scale_)[:, 1]
    scores = [verdict.anomaly_score for verdict in Scorer.load(trained).score_many(values)]  # type: ignore[union-attr] # all are valid
    assert np.abs(np.array(scores) - expected).max() <= 1e-12


def test_the_forest_has_the_form_of_existing_sets(five: FiveFiles) -> None:
    forest = five.rf_model
    assert type(forest).__name__ == "RandomForestClassifier"
    assert forest.classes_.tolist() == [0, 1]
    assert forest.n_jobs == 1
    assert not forest.warm_start
    assert len(forest.estimators_) == forest.n_estimators == 12


def test_growing_in_steps_equals_one_call(five: FiveFiles, model: scoring.Model) -> None:
    sessions = generate(3_000, 9)
    features = np.array([scoring.columns(model, value) for value in sessions.events()])
    scaled = (features - five.scaler.mean_) / five.scaler.scale_
    again = type(five.rf_model)(**five.rf_model.get_params()).fit(scaled, sessions.label)
    assert (again.predict_proba(scaled) == five.rf_model.predict_proba(scaled)).all()


def test_the_other_files_match_existing_sets(five: FiveFiles) -> None:
    assert five.feature_cols == list(FEATURES)
    assert five.scaler.feature_names_in_.tolist() == list(FEATURES)
    assert all("unknown" in encoder.classes_ for encoder in five.label_encoders.values())
    assert {*MODEL_FIELDS, *FEATURES, "label"} == set(five.imputation_values)
    assert [five.imputation_values[name] for name in COUNTS] == [0] * 5
    assert all(type(value) in (int, float, str) for value in five.imputation_values.values())


def test_the_pickles_are_of_protocol_4(trained: Path) -> None:
    assert {(trained / name).read_bytes()[:2] for name in FILES} == {b"\x80\x04"}


def test_the_imputed_hour_is_the_earliest_mode() -> None:
    sessions = generate(1_000, 9)
    sessions.date[:] = np.datetime64("2026-01-05T22:10:00")
    sessions.date[:400] = np.datetime64("2026-01-03T07:00:00")
    sessions.date[400:800] = np.datetime64("2026-01-04T21:00:00")
    assert fit_imputation(LabelledSessions.from_synthetic(sessions).columns).hour == 7


@pytest.mark.parametrize("cores", ["1", "5"])
def test_training_gives_the_same_bytes_on_any_cores(cores: str, table: Path, trained: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from scoring.tables import Dialect, TableOptions\n"
        "from training.labels import LabelColumn; from training.reader import ReadOptions\n"
        "from training.selection import Grid; from training.train import TrainingOptions, train\n"
        f"train(Path(sys.argv[1]), Path(sys.argv[2]), options={SMALL!r})"
    )
    command = [sys.executable, "-c", program, str(table), str(tmp_path)]
    counts = dict.fromkeys(("LOKY_MAX_CPU_COUNT", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), cores)
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "77", **counts})
    assert bytes_of(tmp_path) == bytes_of(trained)


def test_forests_are_compared_on_all_rare_attacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = generate(3_000, 9)
    sessions.label[:] = 0
    sessions.label[10::125] = 1  # 24, of as many users
    (tmp_path / "rare.csv").write_text(sessions.csv())
    monkeypatch.setattr("training.train.SEARCH_ROWS", 300)
    said: list[str] = []
    manifest = train(tmp_path / "rare.csv", tmp_path / "set", options=SMALL, notify=said.append)
    assert "forests are compared on 300 of the sessions: all 24 attacks, and honest ones drawn by lot" in said
    assert (manifest.metrics["sessions"], manifest.metrics["attacks"]) == (300, 24)
    assert manifest.metrics["prevalence"] == pytest.approx(24 / 3_000, abs=1e-6)
    assert manifest.training.rows == 3_000


@pytest.mark.parametrize("lacking", [("device_motion", "language"), ("click_events", "transaction_date")])
def test_a_missing_field_is_trained_with_a_constant(lacking: tuple[str, str], table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table, dtype=str, keep_default_na=False).drop(columns=list(lacking))
    frame[:1_000].to_csv(tmp_path / "lacking.csv", index=False)
    said: list[str] = []
    manifest = train(tmp_path / "lacking.csv", tmp_path / "set", options=SMALL, notify=said.append)
    constants = {"device_motion": "0", "language": "unknown", "click_events": "0", "transaction_date": "12:00"}
    expected = [
        f"no session has a value of {name}: {constants[name]} is imputed, and the model learns nothing from it"
        for name in lacking
    ]
    assert [line for line in said if line in expected] == expected
    assert set(expected) <= set(manifest.training.notes)
    scorer = Scorer.load(tmp_path / "set")
    (verdict,) = scorer.score_many([b"{}"])
    assert set(lacking) <= set(verdict.imputed_fields)  # type: ignore[union-attr] # it is valid
    evaluation = evaluate(tmp_path / "lacking.csv", scorer, options=EvaluationOptions(resamples=5))
    assert any(
        f"no session has a value of {', '.join(lacking)}: the set's imputed values" in w for w in evaluation.warnings
    )


def test_another_seed_gives_another_forest(table: Path, trained: Path, tmp_path: Path) -> None:
    train(table, tmp_path, options=SMALL, seed=43)
    assert bytes_of(tmp_path)["rf_model.pkl"] != bytes_of(trained)["rf_model.pkl"]


def test_the_manifest_names_data_seed_parameters_and_versions(trained: Path) -> None:
    manifest = json.loads((trained / MANIFEST_FILE).read_bytes())
    assert manifest["training"]["rows"] == 3_000
    assert manifest["training"]["seed"] == 42
    assert manifest["training"]["parameters"]["trees"] == 12
    assert set(manifest["versions"]) == {"python", "numpy", "scikit-learn"}
    assert manifest["model_version"].startswith(manifest["training"]["newest"].replace("-", "."))


def test_the_manifest_holds_candidates_and_measured_sessions(trained: Path) -> None:
    manifest = json.loads((trained / MANIFEST_FILE).read_bytes())
    (tried,) = manifest["training"]["selection"]
    assert (tried["trees"], tried["depth"], tried["balance"]) == (12, 6, 0.75)
    assert manifest["training"]["measured_on"] == "5-fold cross-validation, whole users left out"
    assert manifest["metrics"]["sessions"] == 3_000


@pytest.mark.parametrize(
    ("split", "measured_on"),
    [("time", "the newest fifth of the sessions, from 2026-08-05T"), ("group", "the sessions of a fifth of the users")],
)
def test_held_out_sessions_are_measured_not_trained_on(
    split: Split, measured_on: str, table: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    manifest = train(table, tmp_path, options=replace(SMALL, split=split), notify=said.append)
    described = manifest.training
    assert described.measured_on is not None
    assert described.measured_on.startswith(measured_on)
    assert described.rows is not None
    assert described.rows + manifest.metrics["sessions"] <= 3_000
    assert 400 < manifest.metrics["sessions"] < 800
    assert described.notes == said


def test_the_version_is_dated_by_training_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(generate(3_000, 9, world=World(sessions_per_day=300)).csv())
    manifest = train(tmp_path / "a.csv", tmp_path, options=replace(SMALL, split="time"))
    newest = manifest.training.newest
    assert newest is not None
    assert "2026-08-09" < newest < "2026-08-12"  # of ten days, to the 12th, the first eight
    assert manifest.model_version.startswith(newest.replace("-", ".") + "-")


def test_budget_and_costs_set_the_served_thresholds(table: Path, tmp_path: Path) -> None:
    options = replace(SMALL, budget=AlertBudget.parse("10/h@1000/h"), costs=Costs(1, 5))
    manifest = train(table, tmp_path, options=options)
    assert Scorer.load(tmp_path).artifacts.thresholds == manifest.thresholds
    assert 20 <= manifest.training.thresholds["alert_budget"]["sessions_at_high"] <= 30
    assert manifest.metrics["share_high"] <= 0.01
    assert manifest.training.thresholds["costs"] == {
        "false_alert": 1,
        "missed": 5,
        "a_session": pytest.approx(0.1, abs=0.1),
    }


def test_training_without_users_is_noted(tmp_path: Path) -> None:
    rows = [line.split(",", 1)[1] for line in generate(1_000, 9).csv().splitlines()]
    (tmp_path / "nameless.csv").write_text("\n".join(rows))
    said: list[str] = []
    train(tmp_path / "nameless.csv", tmp_path, options=SMALL, notify=said.append)
    assert "no session has a user_id: every session counts as a user of its own" in said


def test_sampling_is_noted_and_recorded(table: Path, tmp_path: Path) -> None:
    said: list[str] = []
    manifest = train(table, tmp_path, options=replace(SMALL, max_rows=2_000), notify=said.append)
    assert manifest.training.rows is not None
    assert 1_800 < manifest.training.rows <= 2_000
    assert manifest.training.notes == said
    assert any("of 3,000 sessions" in line for line in said)


def test_training_leaves_only_the_set(trained: Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == sorted(EVERY_FILE)


def test_bad_data_leaves_an_existing_set_unchanged(trained: Path, tmp_path: Path) -> None:
    before = bytes_of(trained)
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(TrainingError):
        train(tmp_path / "bad.csv", trained)
    assert bytes_of(trained) == before


def test_progress_covers_all_folds_and_trees(table: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def track(sequence: Sequence[int], description: str) -> Iterable[int]:
        assert description
        for step in sequence:
            yield step
            seen.append(step)

    train(table, tmp_path, options=SMALL, track=track)
    assert seen == [0, 1, 2, 3, 4, 10, 12]


def test_attacks_weigh_more_the_rarer_they_are() -> None:
    label = np.array([1] * 10 + [0] * 160)
    assert attack_weight(label, balance=0.0) == 1
    assert attack_weight(label, balance=0.75) == 8
    assert attack_weight(label, balance=1.0) == 16


def test_the_shipped_set_calls_few_stream_sessions_high() -> None:
    scorer = Scorer.load(shipped())
    sessions = generate(8_000, 11, world=STREAM)
    verdicts = scorer.score_many(list(sessions.events()))
    high = np.array([verdict.risk_level == "High" for verdict in verdicts])  # type: ignore[union-attr] # all are valid
    assert 0.005 < high.mean() < 0.05
    assert sessions.label[high].mean() > 0.5
    assert high[sessions.label == 1].mean() < 0.9
