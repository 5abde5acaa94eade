"""How tests of artifacts load a set, and read with what line one is refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoring import ArtifactError, Scorer
from tests.scoring.conftest import quiet
from tests.support.artifacts.sets import random_event, small_set

FILES = ("rf_model.pkl", "scaler.pkl", "label_encoders.pkl", "feature_cols.pkl", "imputation_values.pkl")
REMEDY = re.compile("restore|train|adopt|correct|upgrade|write the set again|rename|replace|put the set's own")
SET = small_set(0, trees=3, depth=4)
EVENTS = [{}, quiet(), *(random_event(np.random.default_rng(seed)) for seed in range(20))]


def scores(directory: Path, **how: Any) -> list[float]:
    scorer = Scorer.load(directory, **({"allow_unverified": True} | how))
    return [scorer.score(event).anomaly_score for event in EVENTS]


def refused(directory: Path, **how: Any) -> str:
    """The one line with which the set is refused."""
    with pytest.raises(ArtifactError) as error:
        Scorer.load(directory, **({"allow_unverified": True} | how))
    message = str(error.value)
    assert "\n" not in message
    assert REMEDY.search(message), message
    assert str(directory) in message
    return message
