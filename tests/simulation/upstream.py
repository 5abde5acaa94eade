"""Who writes the events: plain, or in transactions that commit, abort or stay open for a while."""

from collections.abc import Collection
from typing import Final

from tests.simulation.faults import Faults
from tests.simulation.kafka.log import PartitionLog, Record, Transaction
from tests.simulation.pipeline import HIGH, INVALID, LARGE, LOW
from tests.simulation.world import World

_VALUES: Final = (LOW, LOW, LOW, LOW, HIGH, HIGH, INVALID, LARGE, None)
_KEYS: Final = (b"a", b"b", b"c", b"d", None)
_LONGEST_OPEN: Final = 12.0  # seconds, of a transaction


class Upstream:
    """Appends events to the input topics."""

    def __init__(self, world: World, faults: Faults, inputs: Collection[PartitionLog], *, all_invalid: bool) -> None:
        self.count = 0
        self.open = 0
        """Events still to be written, and transactions that are open."""
        self._world = world
        self._faults = faults
        self._inputs = inputs
        self._transactions = 0
        self._values = (INVALID,) if all_invalid else _VALUES

    def plan(self, events: int, seconds: float) -> None:
        """Have so many events written over so many seconds, a few at once."""
        drawn = self._faults.random
        while events > 0:
            few = min(events, drawn.randint(1, 6))
            events -= few
            self.count += few
            self.open += 1
            self._world.after(drawn.uniform(0.0, seconds), lambda few=few: self._write(few))  # type: ignore[misc]  # mypy cannot infer a default

    def _write(self, count: int) -> None:
        drawn = self._world.random
        partition = drawn.choice([*self._inputs])
        transaction = self._begin() if drawn.random() < 0.3 else None
        if transaction is None and self._faults.happens("unreadable batch"):
            partition.unreadable.append(range(partition.end, partition.end + count))
        for _ in range(count):
            key, value = drawn.choice(_KEYS), drawn.choice(self._values)
            partition.append(Record(key, value, [], int(self._world.now * 1000), transaction))
        if transaction is None:
            self.open -= 1
        else:
            seconds = drawn.choice([0.0, 0.2, drawn.uniform(0.0, _LONGEST_OPEN)])
            self._world.after(seconds, lambda: self._end(partition, transaction))

    def _begin(self) -> Transaction:
        self._transactions += 1
        return Transaction(f"upstream#{self._transactions}", "upstream")

    def _end(self, partition: PartitionLog, transaction: Transaction) -> None:
        transaction.committed = self._world.random.random() < 0.6
        self._world.tell("upstream", f"{transaction} is {'committed' if transaction.committed else 'aborted'}")
        partition.write_marker(transaction)
        self.open -= 1
