"""Reading a set takes time and memory in proportion to its files, whatever they ask for."""

import json
import pickle
import subprocess
import sys
from typing import Any

import pytest

from tests.support.artifacts.bombs import bombs
from tests.support.artifacts.joblib_bombs import compressed_bombs, framed_bombs
from tests.support.artifacts.loading import FILES, SET

MIB = 1 << 20
# in a process of its own, for what fails may take the machine with it; the limit keeps it from that
READ = f"""
import json, pathlib, pickle, resource, sys, time
from scoring import ArtifactError
from scoring.artifacts.from_pickles import read_model
resource.setrlimit(resource.RLIMIT_AS, (6 * {1 << 30}, 6 * {1 << 30}))
directory = pathlib.Path(sys.argv[1])
good = {{path.name: path.read_bytes() for path in directory.glob("*.pkl")}}
bombs = pickle.loads((directory / "bombs").read_bytes())
read_model(good)
for kind, (name, data) in bombs.items():
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        read_model(good | {{name: data}})
        said = "taken"
    except ArtifactError as error:
        said = str(error)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([kind, said, len(data), time.process_time() - start, used << 10]), flush=True)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = SET.write(tmp_path_factory.mktemp("bombs"))
    planted = framed_bombs() | compressed_bombs() | bombs(SET)  # the smallest first: memory is seen at its peak alone
    (directory / "bombs").write_bytes(pickle.dumps(planted))
    done = subprocess.run([sys.executable, "-c", READ, directory], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout[-300:], done.stderr[-300:])
    said = {kind: rest for kind, *rest in map(json.loads, done.stdout.splitlines())}
    assert said.keys() == planted.keys()
    return said


def test_a_pickle_that_asks_for_much_is_refused_naming_its_file(outcomes: dict[str, Any]) -> None:
    for kind, (said, *_) in outcomes.items():
        assert said.partition(": ")[0] in FILES, kind
        assert said.partition(": ")[2].startswith("refused: "), kind
        assert len(said) < 300, kind


def test_it_gets_neither_time_nor_memory(outcomes: dict[str, Any]) -> None:
    for kind, (_, size, seconds, taken) in outcomes.items():
        assert seconds < 1 + 4e-6 * size, kind
        assert taken < 40 * MIB + 60 * size, kind
