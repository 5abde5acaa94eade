"""Artifact files as nobody wrote them: broken, altered and made up, each from a number. `--seconds` tries many by hand:

python -m tests.support.artifacts.fuzzing --seconds 600 --seed 1
"""

import argparse
import codecs
import contextlib
import functools
import io
import json
import logging
import pickle
import pickletools
import random
import re
import resource
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import joblib
import msgspec

from scoring import ArtifactError, Scorer, Verdict
from scoring.adoption import find_cautions, golden_events, write_manifest
from scoring.artifacts import Artifacts, Thresholds, read_manifest, read_model
from scoring.artifacts.compression import decompress
from scoring.artifacts.pickle_globals import GLOBALS
from scoring.errors import UnreadableFileError
from tests.scoring.conftest import quiet
from tests.scoring.sets_of_old import make
from tests.support.artifacts.sets import FiveFiles, small_set

MANIFEST: Final = "manifest.json"
SYSTEM: Final = b"\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R"
NUMBERS: Final = (0, 1, 2, 3, 33, 255, 256, 1 << 24, (1 << 31) - 1, -1, -(1 << 31))
FORBIDDEN: Final = frozenset(
    {
        *("compile", "exec", "import", "open", "pickle.find_class", "ctypes.dlopen", "ctypes.cdata", "socket.connect"),
        *("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.putenv", "os.remove", "os.rename"),
        *("subprocess.Popen", "shutil.rmtree"),
    }
)
"""Of Python's audit events."""


class CodeRan(BaseException):
    """Something did what reading a file has no need of."""


class Watch:
    """Tells, by Python's audit hooks, of code run, files opened and modules imported while it looks."""

    def __init__(self) -> None:
        self._looks = False
        codecs.lookup("raw-unicode-escape")  # Python's own module for it is imported when it is asked for first
        sys.addaudithook(self._hear)  # for good: a hook cannot be taken away

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._looks and event in FORBIDDEN and not _is_zone(event, arguments):
            raise CodeRan(event)

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        self._looks = True
        try:
            yield
        finally:
            self._looks = False


def _is_zone(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether a time zone is looked up, which a date may need."""
    name = str(arguments[0]) if arguments else ""
    return (event == "import" and name.startswith("tzdata")) or (event == "open" and "zoneinfo/" in name)


class Corpus:
    """Good sets to begin from, as bytes; of the current scikit-learn and, where they are there, of old ones."""

    def __init__(self) -> None:
        self._files: FiveFiles = small_set(0, trees=2, depth=2)
        old = Path(make.__file__).parent
        self.good = {f"{name}.pkl": pickle.dumps(value, 4) for name, value in self._files._asdict().items()}
        self.seeds = {name: [data] for name, data in self.good.items()}
        for name, value in self._files._asdict().items():
            self.seeds[f"{name}.pkl"] += [pickle.dumps(value, protocol) for protocol in (2, 3, 5)]
            self.seeds[f"{name}.pkl"] += [path.read_bytes() for path in sorted(old.glob(f"*/protocol-[24]/{name}.pkl"))]
            self.seeds[f"{name}.pkl"] += _dumped(value)
            self.seeds[f"{name}.pkl"] += [path.read_bytes() for path in sorted(old.glob(f"*/joblib*/{name}.pkl"))]
        with TemporaryDirectory() as directory:
            self.write(Path(directory))
            self.seeds[MANIFEST] = [(Path(directory) / MANIFEST).read_bytes()]

    def write(self, directory: Path) -> None:
        """The good set, adopted."""
        write_manifest(self._files.write(directory))

    def altered(self, number: int) -> tuple[str, bytes]:
        """The name of a file, and what stands in its place: always the same for a number."""
        chance = random.Random(number)
        name = chance.choice(list(self.seeds))
        data = chance.choice(self.seeds[name])
        if name == MANIFEST and chance.random() < 0.7:
            return name, _altered_json(data, chance)
        if name != MANIFEST and chance.random() < 0.75:
            data = _altered_stream(data, chance)
        if chance.random() < 0.4:
            data = _altered_bytes(data, chance)
        return name, data


def _dumped(value: Any) -> list[bytes]:
    """The value as joblib writes it, plain and by zlib."""
    made = []
    for how in ({}, {"protocol": 0}, {"compress": 3}):
        buffer = io.BytesIO()
        joblib.dump(value, buffer, **how)
        made.append(buffer.getvalue())
    return made


def _altered_stream(data: bytes, chance: random.Random) -> bytes:
    """The program altered, whether or not it is compressed."""
    try:
        plain = decompress(data).data
    except UnreadableFileError:
        return data
    altered = _altered_program(plain, chance)
    return altered if plain is data else zlib.compress(altered)


def _altered_bytes(data: bytes, chance: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(5):
            case 0 if at < len(made):
                made[at] ^= 1 << chance.randrange(8)
            case 1:
                made[at:at] = chance.randbytes(chance.choice((1, 2, 9)))
            case 2:
                del made[at : at + chance.choice((1, 4, 50))]
            case 3 if at < len(made):
                made[at] = chance.choice(b"\x00\x01\x7f\x80\xff.")
            case 4 if chance.random() < 0.2:
                made = made[:at]
            case _:
                pass
    return bytes(made)


@functools.cache
def _known_steps(data: bytes) -> tuple[bytes, ...]:
    """The instructions of a good pickle, without frames, which hold lengths; arrays that joblib frames stay whole."""
    found: list[tuple[str, int]] = []
    with contextlib.suppress(Exception):  # bytes of an array are no instructions
        found.extend((opcode.name, at or 0) for opcode, _, at in pickletools.genops(data))
    ends = [*(at for _, at in found[1:]), len(data)]
    return tuple(data[at:end] for (name, at), end in zip(found, ends, strict=True) if name != "FRAME")


def _altered_program(data: bytes, chance: random.Random) -> bytes:
    """Whole instructions left out, doubled, exchanged or put in."""
    steps = list(_known_steps(data))
    for _ in range(chance.choice((1, 1, 2, 3, 10))):
        at = chance.randrange(len(steps))
        other = chance.randrange(len(steps))
        match chance.randrange(5):
            case 0:
                steps[at : at + chance.choice((1, 1, 3))] = []
                steps = steps or [b"N"]
            case 1:
                steps[at], steps[other] = steps[other], steps[at]
            case 2:
                steps[at:at] = steps[other : other + chance.choice((1, 3, 12))]
            case 3:
                steps[at] = _step(chance)
            case _:
                steps[at:at] = [_step(chance) for _ in range(chance.choice((1, 2, 6)))]
    return b"".join(steps)


def _step(chance: random.Random) -> bytes:
    """An instruction: any there is, with an argument that fits, or one that pushes what could do harm."""
    module, name = chance.choice(list(GLOBALS))
    number = chance.choice(NUMBERS)
    texts = (module, name, "classes_", "state", "__class__", "O", "U9", "i8", "unknown", "x" * 300, "mean_", "nodes")
    text = chance.choice(texts).encode()
    return chance.choice(
        [
            b"c" + module.encode() + b"\n" + name.encode() + b"\n",
            b"X" + struct.pack("<I", len(text)) + text,
            b"J" + struct.pack("<i", number),
            b"G" + struct.pack(">d", chance.choice((0.0, -1.0, 1e308, float("inf"), float("nan"), 1e-320))),
            b"j" + struct.pack("<I", chance.randrange(80)),
            b"r" + struct.pack("<I", chance.choice((chance.randrange(80), 0xFFFFFFFF))),
            b"B" + struct.pack("<I", 16) + chance.randbytes(16),
            b"\x8b" + struct.pack("<i", 200) + b"\x7f" * 200,
            SYSTEM,
            chance.choice([code.code.encode("latin-1") for code in pickletools.opcodes]),
            chance.choice([b"R", b"b", b"\x81", b"(", b"t", b"u", b"s", b"e", b"a", b"\x85", b"\x86", b"\x87"]),
            chance.choice([b"N", b"]", b"}", b")", b"\x88", b"\x94", b"2", b"0"]),
        ]
    )


def _altered_json(data: bytes, chance: random.Random) -> bytes:
    """One or some values of it exchanged for others."""
    whole = json.loads(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        holder: Any = whole
        while isinstance(holder, dict | list) and holder:
            key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            if not isinstance(holder[key], dict | list) or chance.random() < 0.3:
                break
            holder = holder[key]
        if not holder:
            continue
        plain = (None, True, -1, 0, 1e308, 10**30, "", "\x1b[2J", "ü" * 99)
        others: tuple[Any, ...] = (*plain, [], {}, [[]], {"a": {}}, holder[key])
        match chance.randrange(4):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[chance.choice(("", "x", "format", "événement"))] = chance.choice(others)
            case _:
                holder[key] = chance.choice(others)
    return json.dumps(whole).encode()


def attempt(corpus: Corpus, watch: Watch, directory: Path, number: int) -> str:
    """`taken`, or the line with which the set is refused. Raises whatever else happens."""
    name, data = corpus.altered(number)
    try:
        scorer = _load(corpus, watch, directory, name, data)
    except ArtifactError as error:
        refusal = str(error)
    else:
        return _used(scorer)
    assert refusal.isprintable()
    assert len(refusal) < 2000
    return refusal


def _used(scorer: Scorer) -> str:
    verdict = scorer.score_many([{}, quiet()])[1]
    assert isinstance(verdict, Verdict)
    assert 0 <= verdict.anomaly_score <= 1
    msgspec.json.encode([find_cautions(scorer.artifacts), golden_events(scorer.artifacts.model)])
    return "taken"


def _load(corpus: Corpus, watch: Watch, directory: Path, name: str, data: bytes) -> Scorer:
    if name != MANIFEST:
        with watch.looking():
            model = read_model(corpus.good | {name: data})
        return Scorer(Artifacts("", "", Thresholds(), model, None))
    with watch.looking():
        read_manifest(data)
    (directory / name).write_bytes(data)
    return Scorer.load(directory)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> None:
    """Try for some time and say what came of it."""
    parser = argparse.ArgumentParser(description="Artifact files as nobody wrote them.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    logging.disable()  # of columns that are no feature, which are many here
    corpus, watch, said, slowest = Corpus(), Watch(), Counter[str](), (0.0, 0)
    begun, number = time.monotonic(), asked.seed << 40
    with TemporaryDirectory() as directory:
        corpus.write(Path(directory))
        while time.monotonic() - begun < asked.seconds:
            number += 1
            start = time.process_time()
            try:
                outcome = attempt(corpus, watch, Path(directory), number)
            except BaseException:
                _say(f"number {number}")
                raise
            slowest = max(slowest, (time.process_time() - start, number))
            said[re.sub("[0-9]+", "N", outcome)[:70]] += 1
    for outcome, count in said.most_common(40):
        _say(f"{count:9,}  {outcome}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    _say(f"{said.total():,} tried, slowest {slowest[0]:.3f} s (number {slowest[1]}), peak {peak:,} MiB")


if __name__ == "__main__":
    main()
