"""Pickles with ill intent, and broken ones: refused, and nothing in them runs."""

import contextlib
import itertools
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from scoring import ArtifactError, Scorer
from tests.scoring.conftest import quiet
from tests.support.artifacts.joblib_bombs import COMPRESSED, of_objects
from tests.support.artifacts.loading import FILES, SET, refused
from tests.support.artifacts.pickling import NodesOfAddresses, evil_pickles, scalar_of_an_address, with_trees_rewritten


@pytest.mark.parametrize("name", FILES)
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path, name: str) -> None:
    trace = tmp_path / "trace"
    for kind, data in evil_pickles(trace).items():
        (SET.write(tmp_path / "set") / name).write_bytes(data)
        message = refused(tmp_path / "set")
        assert name in message, kind
        assert not trace.exists(), kind


def test_code_hidden_behind_a_good_object_is_not_run_either(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for name in FILES:
        SET.write(tmp_path / "set")
        good = (tmp_path / "set" / name).read_bytes()
        for evil in evil_pickles(trace).values():
            # everything of the good pickle but its last byte, STOP; then the evil one's own instructions
            (tmp_path / "set" / name).write_bytes(good[:-1] + b"0" + evil.removeprefix(b"\x80\x04"))
            refused(tmp_path / "set")
    assert not trace.exists()


@pytest.mark.parametrize("kind", COMPRESSED)
def test_code_in_a_compressed_file_is_not_run_either(tmp_path: Path, kind: str) -> None:
    trace = tmp_path / "trace"
    directory = SET.write(tmp_path / "set")
    for evil in evil_pickles(trace).values():
        (directory / "scaler.pkl").write_bytes(COMPRESSED[kind](evil))
        assert "scaler.pkl" in refused(directory)
    assert not trace.exists()


def test_code_behind_a_framed_array_or_among_its_objects_is_not_run_either(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    directory = SET.write(tmp_path / "set")
    joblib.dump(SET.scaler, directory / "scaler.pkl")
    good = (directory / "scaler.pkl").read_bytes()
    for evil in evil_pickles(trace).values():
        for data in (good[:-1] + b"0" + evil, good[:-1] + evil, of_objects(evil), of_objects(evil[:-1] + b"a.")):
            (directory / "scaler.pkl").write_bytes(data)
            assert "scaler.pkl" in refused(directory)
    assert not trace.exists()


def test_a_dumped_set_with_a_broken_byte_loads_or_is_refused_and_nothing_else(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    SET.write(tmp_path)
    for name, compress in itertools.product(FILES, (0, 3)):
        joblib.dump(getattr(SET, name.removesuffix(".pkl")), tmp_path / name, compress=compress)
        data = (tmp_path / name).read_bytes()
        for _ in range(40):
            broken = bytearray(data)
            broken[random.integers(len(data))] ^= 1 << int(random.integers(8))
            (tmp_path / name).write_bytes(broken)
            with contextlib.suppress(ArtifactError), np.errstate(all="ignore"):
                assert 0 <= Scorer.load(tmp_path, allow_unverified=True).score(quiet()).anomaly_score <= 1
        (tmp_path / name).write_bytes(data)


LOAD = """
import sys
from scoring import ArtifactError, Scorer
try:
    Scorer.load(sys.argv[1], allow_unverified=True)
except ArtifactError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["scaler.pkl", "rf_model.pkl"])
def test_a_pickle_that_passes_bytes_off_as_pointers_is_refused(tmp_path: Path, name: str) -> None:
    """In a process of its own, since the failure is a segmentation fault."""

    def point(state: dict[str, Any]) -> None:
        state["nodes"] = NodesOfAddresses(len(state["nodes"]))

    SET.write(tmp_path)
    evil = pickle.dumps(scalar_of_an_address()) if name == "scaler.pkl" else with_trees_rewritten(SET.rf_model, point)
    (tmp_path / name).write_bytes(evil)

    done = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert name in done.stdout


@pytest.mark.parametrize("name", FILES)
def test_a_set_with_a_broken_byte_loads_or_is_refused_and_nothing_else(tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(7)
    SET.write(tmp_path)
    data = (tmp_path / name).read_bytes()
    for _ in range(150):
        broken = bytearray(data)
        broken[random.integers(len(data))] ^= 1 << int(random.integers(8))
        (tmp_path / name).write_bytes(broken)
        with contextlib.suppress(ArtifactError), np.errstate(all="ignore"):
            assert 0 <= Scorer.load(tmp_path, allow_unverified=True).score(quiet()).anomaly_score <= 1
