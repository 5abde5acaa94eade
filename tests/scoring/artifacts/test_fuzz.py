"""Whatever stands in an artifact file: the set loads and scores, or is refused in a line. Nothing in it runs."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import ArtifactError
from scoring.artifacts import read_model
from tests.support.artifacts.fuzzing import MANIFEST, SYSTEM, CodeRan, Corpus, Watch, attempt
from tests.support.artifacts.loading import FILES


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus()


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="module")
def directory(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("set")
    corpus.write(made)
    return made


@settings(max_examples=600)
@given(number=st.integers(0, (1 << 40) - 1))
def test_an_altered_file_is_taken_or_refused_and_nothing_else(
    corpus: Corpus, watch: Watch, directory: Path, number: int
) -> None:
    attempt(corpus, watch, directory, number)


@settings(max_examples=100)
@given(data=st.binary(max_size=200), name=st.sampled_from(FILES))
def test_random_bytes_are_refused_by_the_name_of_the_file(corpus: Corpus, watch: Watch, data: bytes, name: str) -> None:
    with watch.looking(), pytest.raises(ArtifactError, match=name):
        read_model(corpus.good | {name: data})


def test_altered_files_are_of_every_kind_and_some_are_still_good(corpus: Corpus, watch: Watch, directory: Path) -> None:
    outcomes = {attempt(corpus, watch, directory, number) for number in range(400)}

    assert "taken" in outcomes
    for name in (*FILES, MANIFEST):
        assert any(name in outcome for outcome in outcomes), name
    assert any("posix.system" in outcome for outcome in outcomes)


def test_the_watch_sees_what_the_planted_call_would_do(watch: Watch) -> None:
    """So that silence means something."""
    import pickle  # noqa: PLC0415 - to do what the project never does

    with watch.looking(), pytest.raises(CodeRan):
        pickle.loads(b"\x80\x04" + SYSTEM + b".")
