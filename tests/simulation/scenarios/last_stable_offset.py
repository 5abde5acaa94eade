"""What a read-committed consumer sees and where it stands: open transactions, markers, aborted records, offsets."""

from typing import Final

from confluent_kafka import TopicPartition

from tests.simulation.scenarios.backend import Backend
from tests.simulation.scenarios.steps import Member, Observed, Writer, named


def an_open_transaction_holds_back_what_is_behind_it(backend: Backend) -> Observed:
    """Show that a plain record behind it comes only when it has ended."""
    topic = backend.topic(1, {})
    writer, plain = Writer(backend, topic, "id"), Writer(backend, topic)
    reader = Member(backend, topic).join()
    plain.write("before")
    seen: Observed = {"before": reader.read(1)}
    writer.open_with("open")
    plain.write("behind")
    seen |= {"while open": reader.read_for(), "ends while open": _ends(reader, topic)}
    writer.client.commit_transaction(10.0)
    return {**seen, "committed": reader.read(2), "ends": _ends(reader, topic)}


def _ends(reader: Member, topic: str) -> list[int]:
    """Return the end as the last fetch told it, and as the broker says when it is asked."""
    asked = TopicPartition(topic, 0)
    reader.read_for(1.5)  # longer than a fetch waits at the broker
    return [
        reader.client.get_watermark_offsets(asked, cached=True)[1],
        reader.client.get_watermark_offsets(asked, 10.0)[1],
    ]


def the_first_open_transaction_counts(backend: Backend) -> Observed:
    """Show that of two that overlap the one committed first waits for the one begun first."""
    topic = backend.topic(1, {})
    first, second = Writer(backend, topic, "first"), Writer(backend, topic, "second")
    reader = Member(backend, topic).join()
    first.open_with("a")
    second.open_with("b")
    first.write("c")
    second.client.commit_transaction(10.0)
    seen: Observed = {"second committed": reader.read_for()}
    first.client.abort_transaction(10.0)
    return {**seen, "first aborted": reader.read(1), "position": _position_behind(reader, 5)}


def _position_behind(reader: Member, position: int) -> int:
    """Poll until the position is at least that."""
    reader.read_until(lambda: reader.position() >= position)
    return reader.position()


def a_position_passes_markers_by_polling_alone(backend: Backend) -> Observed:
    """Show that time moves nothing; a poll that hands out nothing does."""
    topic = backend.topic(1, {})
    writer = Writer(backend, topic, "id")
    reader = Member(backend, topic).join()
    writer.transact("a", "b")
    seen: Observed = {"before": reader.position(), "first": reader.read(1), "position": reader.position()}
    seen |= {"second": reader.read(1), "at the marker": reader.position()}
    backend.sleep(1.0)
    seen["after a second"] = reader.position()
    seen["polled"] = _position_behind(reader, 3)
    writer.abandon("no", "neither")
    backend.sleep(1.0)
    seen["aborted, not polled"] = reader.position()
    return {**seen, "aborted, polled": _position_behind(reader, 6)}


def positions_of_transactions_read_one_by_one(backend: Backend) -> Observed:
    """Show that behind each record the position is at the marker, not past it."""
    topic = backend.topic(1, {})
    writer = Writer(backend, topic, "id")
    reader = Member(backend, topic).join()
    for value in ("a", "b", "c"):
        writer.transact(value)
    seen = [(reader.read(1), reader.position()) for _ in range(3)]
    return {"read": seen, "end": _position_behind(reader, 6)}


def seeking_to_offsets_without_a_record(backend: Backend) -> Observed:
    """Show that after a seek to a marker or an aborted record the next record comes."""
    topic = backend.topic(1, {})
    writer = Writer(backend, topic, "id")
    writer.transact("a")
    writer.abandon("no")
    writer.transact("b")
    reader = Member(backend, topic).join()
    seen: Observed = {"all": reader.read(2)}
    for name, offset in (("marker", 1), ("aborted", 2), ("record", 0)):
        seen[name] = reader.seek(offset), reader.position(), reader.read(1), reader.position()
    return seen


def assigned_at_an_aborted_record(backend: Backend) -> Observed:
    """Begin in the middle of an aborted transaction, as a group may have committed any offset."""
    topic = backend.topic(1, {})
    writer = Writer(backend, topic, "id")
    writer.abandon("no", "neither")
    writer.transact("a")
    reader = Member(backend, topic, start=1).join()
    return {"read": reader.read(1), "position": reader.position()}


def only_aborted_records(backend: Backend) -> Observed:
    """Show that nothing is handed out, and the position moves past all of it."""
    topic = backend.topic(1, {})
    Writer(backend, topic, "id").abandon("no", "neither")
    reader = Member(backend, topic).join()
    return {"position": _position_behind(reader, 3), "messages": reader.read_for()}


def committed_offsets_while_a_transaction_holds_some(backend: Backend) -> Observed:
    """Show that `committed` times out while offsets are pending, and answers when they are not."""
    topic = backend.topic(1, {})
    writer, reader = Writer(backend, topic, "id"), Member(backend, topic).join()
    seen: Observed = {"none": reader.committed()}
    writer.begin()
    writer.send_offsets(1, reader.metadata())
    seen |= {"open": reader.committed(2.0), "abort": writer.abort(), "aborted": reader.committed()}
    writer.begin()
    writer.send_offsets(1, reader.metadata())
    seen |= {"commit": writer.commit(), "committed": reader.committed()}
    writer.begin()
    writer.send_offsets(2, reader.metadata())
    seen["open again"] = reader.committed(2.0)
    return {**seen, "abort again": writer.abort(), "as before": reader.committed()}


def a_plain_commit_during_a_transaction(backend: Backend) -> Observed:
    """Show that what was sent later counts, even when the transaction commits after it."""
    topic = backend.topic(1, {})
    writer, reader = Writer(backend, topic, "id"), Member(backend, topic).join()
    writer.begin()
    writer.send_offsets(3, reader.metadata())
    seen: Observed = {"plain commit": reader.commit(1), "commit": writer.commit(), "committed": reader.committed()}
    writer.begin()
    writer.send_offsets(5, reader.metadata())
    return {**seen, "commit again": writer.commit(), "committed again": reader.committed()}


def offsets_of_two_transactions(backend: Backend) -> Observed:
    """Show that of two transactions the one that sent its offsets later counts, whichever commits later."""
    topic = backend.topic(1, {})
    reader = Member(backend, topic).join()
    first, second = Writer(backend, topic, "first"), Writer(backend, topic, "second")
    first.begin()
    second.begin()
    seen: Observed = {"first": first.send_offsets(3, reader.metadata())}
    seen["second"] = second.send_offsets(5, reader.metadata())
    seen |= {"second commits": second.commit(), "asked meanwhile": reader.committed(2.0)}
    return {**seen, "first commits": first.commit(), "committed": reader.committed()}


def offsets_sent_twice(backend: Backend) -> Observed:
    """Show that within one transaction the later ones count, also lower ones."""
    topic = backend.topic(1, {})
    reader = Member(backend, topic).join()
    writer = Writer(backend, topic, "id")
    writer.begin()
    seen: Observed = {"sent": [writer.send_offsets(offset, reader.metadata()) for offset in (5, 2)]}
    return {**seen, "commit": writer.commit(), "committed": reader.committed()}


def transactions_that_interleave(backend: Backend) -> Observed:
    """Show that of committed, aborted and plain records side by side the aborted ones alone are left out."""
    topic = backend.topic(1, {})
    kept, dropped, plain = Writer(backend, topic, "kept"), Writer(backend, topic, "dropped"), Writer(backend, topic)
    reader = Member(backend, topic).join()
    kept.open_with("kept 1")
    dropped.open_with("dropped 1")
    plain.write("plain 1")
    kept.write("kept 2")
    dropped.write("dropped 2")
    kept.client.commit_transaction(10.0)
    seen: Observed = {"while one is open": reader.read(1)}  # by then the other's marker is written
    plain.write("plain 2")
    dropped.client.abort_transaction(10.0)
    dropped.transact("the dropped one's next")
    return {**seen, "then": reader.read(4), "position": _position_behind(reader, 10)}


SCENARIOS: Final = named(
    an_open_transaction_holds_back_what_is_behind_it, the_first_open_transaction_counts,
    a_position_passes_markers_by_polling_alone, positions_of_transactions_read_one_by_one,
    seeking_to_offsets_without_a_record, assigned_at_an_aborted_record, only_aborted_records,
    committed_offsets_while_a_transaction_holds_some, a_plain_commit_during_a_transaction,
    offsets_of_two_transactions, offsets_sent_twice, transactions_that_interleave,
)  # fmt: skip
