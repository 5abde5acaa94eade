"""The compiled loops, where there is nowhere to keep them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import scoring

SCORE = """
import numpy as np
from scoring.forest import Forest, Tree
leaf = Tree(np.array([-1]), np.array([-1]), np.array([0]), np.array([0.0]), np.array([0.125]))
print(Forest([leaf]).score(np.zeros((1, 3))).tolist())
"""


def test_scoring_works_with_no_writable_place_for_compiled_code(tmp_path: Path) -> None:
    copy = tmp_path / "scoring"
    shutil.copytree(Path(scoring.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    nowhere = copy / "__pycache__"
    nowhere.touch()  # a file where a directory belongs cannot be written into, not even by root
    env = {**os.environ, "HOME": str(nowhere), "XDG_CACHE_HOME": str(nowhere), "PYTHONWARNINGS": "error"}
    env.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, "-c", SCORE]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[0.125, 0.125, 0.125]\n"), done.stderr
    assert done.stderr.count("compiling in memory") == 1
