"""A baseline does the work it stands for."""

from pathlib import Path

import msgspec
import pandas as pd
import pytest

from benchmarks import events, files, json_libraries, pandas_loop, score_tables
from benchmarks.forest import features
from benchmarks.growth import grown, ours_of
from scoring import Scorer
from scoring.artifacts import load, shipped
from scoring.contract import Event
from scoring.decoding import decode
from training.synthetic.dataset import generate


@pytest.mark.parametrize("kind", files.KINDS)
def test_the_pandas_loop_scores_as_ours_does(kind: str, tmp_path: Path) -> None:
    source, target = files.write(tmp_path / f"sessions.{kind}", 300), tmp_path / f"scored.{kind}"
    pandas_loop.main(source, target)
    scored = read(target)
    scorer = Scorer.load()
    ours = [scorer.score(value).anomaly_score for _, value in events.keyed(300)]
    assert scored["anomaly_score"].to_numpy() == pytest.approx(ours, abs=1e-9)


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return pd.read_csv(path)
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_json(path, lines=True, precise_float=True)


def test_the_pandas_loop_writes_whole_numbers_and_gaps_of_parquet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pandas_loop, "CHUNK", 7)  # chunks with gaps in a column and chunks without
    source, target = files.write(tmp_path / "sessions.parquet", 100), tmp_path / "scored.parquet"
    pandas_loop.main(source, target)
    pd.testing.assert_frame_equal(read(target)[read(source).columns], read(source), check_dtype=False)


def test_the_features_in_polars_are_ours() -> None:
    artifacts = load(shipped())
    model, ours = artifacts.model, features(artifacts, [value for _, value in events.keyed(2000)])
    scaled = ((ours - model.mean[:, None]) / model.scale[:, None]).T.astype("float32")
    assert (score_tables.features(artifacts, events.table(2000)) == scaled).all()


def test_the_steps_of_a_file_take_time(tmp_path: Path) -> None:
    assert min(files.parts(files.write(tmp_path / "sessions.parquet", 2000))) > 0


def test_a_forest_grown_for_a_benchmark_scores_the_same_when_packed() -> None:
    sessions = generate(500)
    rows = features(load(shipped()), list(sessions.events()))
    forest = grown(rows, sessions.label, trees=5, depth=6)
    assert ours_of(forest).score(rows) == pytest.approx(forest.predict_proba(rows.T)[:, 1], abs=1e-12)


def test_events_are_distinct_and_padding_leaves_them_as_they_are() -> None:
    values = [value for _, value in events.keyed(2000)]
    assert len(set(values)) == 2000
    (batch,) = events.batches(10, 10, length=1024)
    longer = [value or b"" for value in batch.values]
    assert {len(value) for value in longer} == {1024}
    assert msgspec.json.decode(longer[0], type=Event) == msgspec.json.decode(values[0], type=Event)
    assert not decode(longer).invalid


def test_both_json_libraries_read_and_write_the_same() -> None:
    table = json_libraries.measure(rounds=1, again=1)  # raises where they differ
    assert len(table.rows) == 8
