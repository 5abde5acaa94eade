"""What a set is warned of: levels that no event can reach, and nothing that proves it."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from scoring.adoption import find_doubts, write_manifest
from scoring.artifacts import Artifacts, Thresholds, loading
from scoring.model import LEAF
from tests.support.artifacts.loading import SET
from tests.support.artifacts.sets import small_set


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    directory = SET.write(tmp_path_factory.mktemp("set"))
    write_manifest(directory)
    return loading.load(directory)


def test_an_adopted_set_is_not_doubted(adopted: Artifacts) -> None:
    assert find_doubts(adopted) == []


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Thresholds(high=1.01), "High"),
        (Thresholds(medium=2, high=3), "Medium"),
        (Thresholds(label=1e300), "label 1"),
        (Thresholds(medium=0.6, high=0.6), "Medium"),
        (Thresholds(medium=-1), "Low"),
        (Thresholds(label=0), "label 0"),
    ],
)
def test_a_level_that_no_event_can_reach_is_named(adopted: Artifacts, limits: Thresholds, name: str) -> None:
    assert any(
        line.startswith(f"{name} can never be reached: ") for line in find_doubts(replace(adopted, thresholds=limits))
    )


def test_a_threshold_is_doubted_only_beyond_the_greatest_score(tmp_path: Path) -> None:
    found = loading.load(small_set(3, trees=1, depth=3).write(tmp_path), allow_unverified=True)
    (tree,) = found.model.trees
    highest = float(tree.probability[tree.left == LEAF].max())
    assert find_doubts(replace(found, thresholds=Thresholds(high=highest))) == []
    (doubt,) = find_doubts(replace(found, thresholds=Thresholds(high=highest + 1e-6)))
    assert doubt.startswith("High can never be reached")


def test_a_manifest_without_golden_vectors_is_doubted(adopted: Artifacts) -> None:
    assert adopted.manifest is not None
    (doubt,) = find_doubts(replace(adopted, manifest=msgspec.structs.replace(adopted.manifest, golden=[])))
    assert "no golden vectors" in doubt
