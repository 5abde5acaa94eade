"""What must hold in every run. A violation is raised at the step at which it happens."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from consumer.records import Partition
from tests.simulation.account import Account
from tests.simulation.kafka.log import PartitionLog, Record, Transaction
from tests.simulation.pipeline import ALERTS, DEAD_LETTERS, HIGH, INVALID, RESULTS, source

_MOST_TURNS = 16  # each fence is forgiven once; the rest leaves room for ids that expire and answers that are lost


class ViolationError(AssertionError):
    """A promise is broken."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(f"{check}: {message}")
        self.check = check


class Checks:
    """Follows what is appended and committed, and compares it with the input."""

    def __init__(
        self, inputs: Mapping[Partition, PartitionLog], accounts: Mapping[str, Account], *, exactly_once: bool
    ) -> None:
        """`inputs` may grow. `accounts`: what the processes that write say of themselves, by their names."""
        self._accounts = accounts
        self._has_offset: set[Partition] = set()
        self._inputs = inputs
        self._exactly_once = exactly_once
        self._committed: dict[Partition, int] = defaultdict(int)
        self._owners: dict[str, list[str]] = defaultdict(list)  # transactional id -> processes, as they took it
        self._written: dict[Transaction | None, list[tuple[str, Partition, int]]] = defaultdict(list)
        # offsets of which a result or a dead letter counts
        self._done: dict[Partition, set[int]] = defaultdict(set)

    def taken(self, transactional_id: str, owner: str) -> None:
        """Check that two processes with the same id do not take it from each other for ever."""
        owners = self._owners[transactional_id]
        if not owners or owners[-1] != owner:
            owners.append(owner)
        last = owners[-_MOST_TURNS:]
        if len(last) == _MOST_TURNS and len(set(last)) == 2:
            raise ViolationError("fenced", f"{transactional_id} is taken in turns: {', '.join(last)}")

    def appended(self, topic: str, record: Record) -> None:
        """Note what is written to an output topic."""
        partition, offset = source(record.value or b"")
        if partition not in self._inputs or not 0 <= offset < self._inputs[partition].end:
            raise ViolationError("made up", f"{topic} has a record of {partition}, offset {offset}: it does not exist")
        if record.transaction is None:
            self._require_event(topic, partition, offset)
            if topic != ALERTS:
                self._done[partition].add(offset)
        self._written[record.transaction].append((topic, partition, offset))

    def committed(self, transaction: Transaction | None, offsets: Mapping[Partition, int]) -> None:
        """Check a transaction that is decided to commit, or offsets committed by themselves."""
        if transaction is None:
            self._check_progress(offsets)
        else:
            self._check_transaction(transaction, self._written.pop(transaction, []), offsets)
        for partition, offset in offsets.items():
            # without transactions a commit that timed out may arrive behind the next one: that costs repeats
            self._committed[partition] = max(self._committed[partition], offset)

    def lag(self) -> dict[str, int]:
        """Return the offsets between what is committed and what can be read, of each partition that has any."""
        read = {partition: max(self._committed[partition], log.start) for partition, log in self._inputs.items()}
        lags = {str(partition): log.last_stable - read[partition] for partition, log in self._inputs.items()}
        return {partition: lag for partition, lag in lags.items() if lag}

    def check_outputs(self, outputs: Mapping[str, Iterable[PartitionLog]]) -> None:
        """Read all output topics as a read-committed reader does, and compare them with the input."""
        visible = {topic: [_read(each) for each in partitions] for topic, partitions in outputs.items()}
        for topic, partitions in visible.items():
            for records in partitions:
                self._check_order(topic, records)
        for partition, log in self._inputs.items():
            results = _of(visible[RESULTS] + visible[DEAD_LETTERS], partition)
            alerts = _of(visible[ALERTS], partition)
            self._check_all(partition, log, results, alerts)

    def _check_transaction(
        self, transaction: Transaction, written: list[tuple[str, Partition, int]], offsets: Mapping[Partition, int]
    ) -> None:
        self._accounts[transaction.producer].wrote(sum(topic != ALERTS for topic, _, _ in written))
        for partition in sorted({partition for _, partition, _ in written} - offsets.keys()):
            raise ViolationError("offsets without results", f"results of {partition}, but no offset of it")
        for partition, offset in offsets.items():
            before = self._committed[partition]
            if offset < before:
                raise ViolationError("offset moved back", f"{partition}: from {before} to {offset}")
            mine = [each for each in written if each[1] == partition]
            self._check_share(partition, before, offset, mine)
            self._check_lost(transaction.producer, partition, offset, mine)

    def _check_share(
        self, partition: Partition, before: int, offset: int, written: list[tuple[str, Partition, int]]
    ) -> None:
        """Compare what one transaction holds of a partition with the events between two committed offsets."""
        where = f"{partition}, offsets {before} to {offset}"
        done = [number for topic, _, number in written if topic != ALERTS]
        alerts = [number for topic, _, number in written if topic == ALERTS]
        expected = self._events(partition, before, offset)
        if len(set(done)) < len(done) or len(set(alerts)) < len(alerts):
            raise ViolationError("repeated", f"{where}: written {done}, alerts {alerts}")
        if strange := set(done) - expected:
            raise ViolationError("repeated", f"{where}: {sorted(strange)} are written, outside of them or no events")
        oldest = self._inputs[partition].start
        if missing := {each for each in expected - set(done) if each >= oldest}:
            raise ViolationError("missing", f"{where}: nothing written of {sorted(missing)}")
        for topic, _, number in written:
            self._require_event(topic, partition, number)
        high = {each for each in done if self._value(partition, each) == HIGH}
        if high != set(alerts):
            raise ViolationError("alerts", f"{where}: high {sorted(high)}, alerts {sorted(alerts)}")

    def _check_lost(
        self, process: str, partition: Partition, offset: int, written: list[tuple[str, Partition, int]]
    ) -> None:
        """Check that whoever passes over events that retention took may do so, and says so."""
        known = partition in self._has_offset
        self._has_offset.add(partition)
        lost = self._events(partition, self._committed[partition], offset) - {number for _, _, number in written}
        if lost and known and (wrong := self._accounts[process].passed(partition, len(lost))):
            raise ViolationError("gap", f"{process}: {wrong}")

    def _check_progress(self, offsets: Mapping[Partition, int]) -> None:
        for partition, offset in offsets.items():
            self._require_range(partition, offset)
            expected = self._events(partition, self._committed[partition], offset)
            oldest = self._inputs[partition].start
            if missing := {each for each in expected - self._done[partition] if each >= oldest}:
                raise ViolationError("missing", f"{partition}: committed {offset} without {sorted(missing)}")

    def _require_range(self, partition: Partition, offset: int) -> None:
        if not 0 <= offset <= self._inputs[partition].last_stable:
            raise ViolationError("offset out of range", f"{partition}: {offset}")

    def _require_event(self, topic: str, partition: Partition, offset: int) -> None:
        record = self._inputs[partition].record(offset)
        if record is None or (record.transaction is not None and not record.transaction.committed):
            raise ViolationError("not an event", f"{topic} has a record of {partition}, offset {offset}")
        if (topic == DEAD_LETTERS) != (self._value(partition, offset) in {INVALID, None}):
            raise ViolationError("wrong topic", f"{partition}, offset {offset} in {topic}")

    def _events(self, partition: Partition, start: int, end: int) -> set[int]:
        """Return the offsets of committed events, without tombstones."""
        log = self._inputs[partition]
        self._require_range(partition, end)
        records = ((offset, log.record(offset)) for offset in range(start, end))
        events = {offset for offset, record in records if record is not None and _is_event(record)}
        for batch in log.unreadable:  # one dead letter stands for it, at its last offset
            events -= set(batch)
            if start < batch.stop <= end:
                events.add(batch.stop - 1)
        return events

    def _value(self, partition: Partition, offset: int) -> bytes | None:
        """Return the value of an event, None where it cannot be read."""
        record = self._inputs[partition].record(offset)
        unreadable = self._inputs[partition].unreadable_at(offset) is not None
        return None if record is None or unreadable else record.value

    def _check_order(self, topic: str, records: list[tuple[Partition, int]]) -> None:
        if not self._exactly_once:
            return
        last: dict[Partition, int] = {}
        for partition, offset in records:
            if offset <= last.get(partition, -1):
                raise ViolationError("order", f"{topic}: {partition}, {offset} after {last[partition]}")
            last[partition] = offset

    def _check_all(self, partition: Partition, log: PartitionLog, results: list[int], alerts: list[int]) -> None:
        expected = self._events(partition, 0, self._committed[partition])
        high = {each for each in results if self._value(partition, each) == HIGH}
        if missing := {each for each in expected - set(results) if each >= log.start}:
            raise ViolationError("missing", f"{partition}: {sorted(missing)} are not in the outputs")
        # written without transactions, in part, and then taken by retention before they were read again
        excused = 0 if self._exactly_once else log.start
        if any(each >= excused for each in high ^ set(alerts)):
            raise ViolationError("alerts", f"{partition}: high {sorted(high)}, alerts {sorted(set(alerts))}")
        if self._exactly_once and (len(results) != len(set(results)) or len(alerts) != len(set(alerts))):
            raise ViolationError("repeated", f"{partition}: {results}, alerts {alerts}")


def _is_event(record: Record) -> bool:
    return record.value is not None and (record.transaction is None or bool(record.transaction.committed))


def _read(partition: PartitionLog) -> list[tuple[Partition, int]]:
    """Return the events whose outputs a read-committed reader finds in a partition."""
    if partition.last_stable < partition.end:
        raise ViolationError("open transaction", "an output topic is held back for ever")
    return [source(record.value or b"") for _, record in partition.fetch(partition.start, partition.end).records]


def _of(partitions: list[list[tuple[Partition, int]]], wanted: Partition) -> list[int]:
    return [offset for records in partitions for partition, offset in records if partition == wanted]
