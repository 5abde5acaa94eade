"""What the Rust peer is given, and how its answers are compared with ours."""

import json
import pickle
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import rust
from benchmarks.events import batches
from scoring.artifacts import shipped

ECHO = """
import sys
sys.stdout.buffer.write(open(sys.argv[0] + ".out", "rb").read())
"""


def test_the_exported_forest_scores_as_scikit_learn_does(tmp_path: Path) -> None:
    rust.export(shipped(), tmp_path / "model.bin")
    content = (tmp_path / "model.bin").read_bytes()
    (size,) = struct.unpack_from("<I", content)
    header = json.loads(content[4 : 4 + size])
    nodes = np.frombuffer(content, np.uint64, header["nodes"], 4 + size)
    probability = np.frombuffer(content, np.float64, -1, 4 + size + nodes.nbytes)
    forest = pickle.loads((shipped() / "rf_model.pkl").read_bytes())
    rows = np.random.default_rng(7).normal(size=(50, len(header["names"]))).astype(np.float32)
    keys = rows.view(np.int32) ^ ((rows.view(np.int32) >> 31) & np.int32(0x7FFFFFFF))
    scores = []
    for row in keys:
        leaves = []
        for root in header["roots"]:
            at = root
            for _ in range(header["depth"]):
                node = int(nodes[at])
                at = (node & 0xFFFFFF) + int(int(row[node >> 24 & 0xFF]) > np.int64(node >> 32).astype(np.int32))
            leaves.append(probability[at])
        scores.append(sum(leaves) / len(leaves))
    assert scores == pytest.approx(forest.predict_proba(rows)[:, 1], abs=1e-12)


def _peer(tmp_path: Path, lines: list[bytes]) -> tuple[str, ...]:
    """A peer that answers with these lines."""
    program = tmp_path / "peer.py"
    program.write_text(ECHO)
    program.with_name("peer.py.out").write_bytes(b"".join(line + b"\n" for line in lines))
    return (sys.executable, str(program))


def test_a_peer_is_held_to_every_byte(tmp_path: Path) -> None:
    (batch,) = batches(200, 200)
    batch = rust.with_faults(batch, one_in=20)
    lines = [kind + line for kind, made in rust.outcomes(batch).items() for line in made]
    assert rust.compare(_peer(tmp_path, lines), tmp_path, batch) == (190, sum(line[:1] == b"A" for line in lines))
    lines[7] = lines[7].replace(b'"risk_level":"Low"', b'"risk_level":"low"')
    with pytest.raises(rust.RustError, match='"risk_level":"low"'):
        rust.compare(_peer(tmp_path, lines), tmp_path, batch)
    with pytest.raises(rust.RustError, match=r"189 lines R in Rust, 190 here"):
        rust.compare(_peer(tmp_path, lines[1:]), tmp_path, batch)


def test_without_cargo_the_peer_is_an_error_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(rust.RustError, match="cargo, which is not installed"):
        rust.build()
