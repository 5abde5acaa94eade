"""What a part is given: how much to do, a room to do it in, a broker when it asks for one."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.old import OldCommit
from tests.support.kafka.brokers import KafkaBroker

ROUNDS = 5


@dataclass
class Run:
    """One run of the benchmarks."""

    room: Path  # for files, gone at the end
    quick: bool = False  # tiny counts: whether the benchmarks work, nothing about speed
    rounds: int = ROUNDS
    bootstrap: str | None = None  # of a broker that is there already
    neighbours: int = 0  # processes that stream through memory meanwhile
    old: OldCommit | None = None  # a contestant beside ours
    rust: tuple[str, ...] = ()  # the command of the Rust peer, where it takes part
    also: Mapping[str, str] = field(default_factory=dict)  # further contestants for throughput: name -> shell command
    stack: ExitStack = field(default_factory=ExitStack)
    part: str = ""

    def broker(self) -> str:
        """The address of a broker, which is started when the first part asks for it. Raises BrokerError."""
        if self.bootstrap is None:
            self.say("starting Apache Kafka")
            self.bootstrap = self.stack.enter_context(KafkaBroker()).address
        return self.bootstrap

    def note(self, text: str) -> None:
        """Print a line that stays: what is left out, and why."""
        self.say("")
        print(text, file=sys.stderr)

    def say(self, text: str) -> None:
        """What goes on now, in a line of its own that the next one replaces; nothing where nobody looks."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{self.part}: {text}"[:200] if text else "\r\x1b[K")
            sys.stderr.flush()


@contextmanager
def prepared(*, quick: bool, rounds: int) -> Iterator[Run]:
    """Prepare a run; at its end its broker is stopped and its room is empty, whatever happened."""
    with tempfile.TemporaryDirectory(prefix="session-scorer-bench-") as room, ExitStack() as stack:
        yield Run(Path(room), quick, rounds, stack=stack)
