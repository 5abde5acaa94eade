"""The golden vectors of a set, scored before anything else is."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from scoring import ArtifactError, Artifacts, Scorer, decoding, load_artifacts
from scoring.artifacts.manifest import Golden
from scoring.decoding import JsonBatch, read_text
from scoring.kernels import Function


@pytest.fixture(scope="module")
def artifacts() -> Artifacts:
    return load_artifacts()


@pytest.mark.parametrize("as_json", [False, True])
def test_a_score_that_is_off_is_refused(artifacts: Artifacts, as_json: bool) -> None:
    Scorer.from_artifacts(artifacts, as_json=as_json)
    assert artifacts.manifest is not None
    *right, last = artifacts.manifest.golden
    wrong = [*right, Golden(last.event, last.anomaly_score + 1e-9)]
    manifest = msgspec.structs.replace(artifacts.manifest, golden=wrong)
    with pytest.raises(ArtifactError, match=r"manifest\.json: refused: a golden vector of it is scored wrong"):
        Scorer.from_artifacts(replace(artifacts, manifest=manifest), as_json=as_json)


def test_as_json_they_are_read_by_the_compiled_loop(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    def misread(text: bytearray, starts: NDArray[np.int64], ends: NDArray[np.int64], read: Function) -> JsonBatch:
        batch = read_text(text, starts, ends, read)
        batch.columns.numbers[0] += 40  # clicks
        return batch

    monkeypatch.setattr(decoding, "read_text", misread)
    Scorer.from_artifacts(artifacts)
    with pytest.raises(ArtifactError, match="scored wrong"):
        Scorer.from_artifacts(artifacts, as_json=True)
