"""Each command of the program with arguments that need no broker, for tests of what all of them have in common."""

import json
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.artifacts.sets import FiveFiles
from training.synthetic.dataset import generate

PROGRAM: Final = Path(sysconfig.get_path("scripts")) / "session-scorer"
NOBODY: Final = "127.0.0.1:1"  # no broker and no worker listens there
MIB: Final = 1 << 20


class Command(NamedTuple):
    """Arguments, with {names} of inputs in them, and the exit status when all is well."""

    arguments: str
    status: int = 0


COMMANDS: Final[Mapping[str, Command]] = {
    "help": Command("--help"),
    "version": Command("--version"),
    "predict": Command("predict {event}"),
    "score csv": Command("score {table} --output {out}/scored.csv"),
    "score parquet": Command("score {table} --output {out}/scored.parquet"),
    "score in threads": Command("score {long} --output {out}/scored.jsonl --allow-missing"),
    "train": Command("train --data {table} --out {out}/set --trees 5 --depth 3 --balance 0"),
    "evaluate": Command("evaluate {table} --out {out}/evaluation"),
    "model verify": Command("model verify"),
    "model verify --write-manifest": Command("model verify --write-manifest {bare_set}"),
    "model show": Command("model show"),
    "model show --json": Command("model show --json"),
    "model diff": Command("model diff {set} {set} {table}"),
    "run": Command(f"run --bootstrap-servers {NOBODY} --metrics-port 0", 1),
    "check": Command(f"check --bootstrap-servers {NOBODY}", 1),
    "demo": Command("demo --events 20 --rate 1000"),
    "dead-letters list": Command(f"dead-letters list --bootstrap-servers {NOBODY}", 1),
    "dead-letters redrive": Command(f"dead-letters redrive --bootstrap-servers {NOBODY}", 1),
    "dead-letters skip": Command(f"dead-letters skip --partition 0 --offset 0 --bootstrap-servers {NOBODY}", 1),
    "watch": Command(f"watch --once {NOBODY}", 1),
    "config init": Command("config init"),
    "config show": Command("config show"),
    "completion": Command("completion zsh"),
}


class Inputs:
    """Input files, made once; outputs go to a directory for each command."""

    def __init__(self, directory: Path, shipped: Path, bare: FiveFiles) -> None:
        self._directory = directory
        self._bare = bare
        self.paths = {
            "event": _write(directory / "event.json", '{"session_id": "s-1", "click_events": 35}\n'),
            "table": _write(directory / "table.csv", generate(1_000, 9).csv()),
            "long": _write(directory / "long.jsonl", "".join(map(_long_event, range(65)))),
            "set": shipped,
        }

    def arguments(self, name: str, use: str = "") -> list[str]:
        """Return the arguments of the command of that name; each use of it has outputs of its own."""
        out = self._directory / f"{name} {use}".rstrip().replace(" ", "-")
        out.mkdir()
        bare = self._bare.write(out / "bare") if "{bare_set}" in COMMANDS[name].arguments else out
        words = COMMANDS[name].arguments.split()
        return [word.format(**self.paths, out=out, bare_set=bare) for word in words]


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _long_event(number: int) -> str:
    """An event of 1 MiB: 64 of them make a long file."""
    return json.dumps({"session_id": f"s-{number}", "click_events": number, "note": "x" * MIB}) + "\n"
