"""What the group has given a member, and the one operation that its application has yet to carry out."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from tests.simulation.clients.coordinator_link import CoordinatorLink
from tests.simulation.kafka.groups import Group
from tests.simulation.kafka.sessions import Client

Kind = Literal["assign", "revoke", "lost"]


class Operation(NamedTuple):
    """A rebalance callback to be called."""

    kind: Kind
    partitions: frozenset[int]


class Rebalancing:
    """One operation at a time, as librdkafka's rd_kafka_rebalance_op has it."""

    def __init__(self, tell: Callable[[str], None], wake: Callable[[], None], *, eager: bool) -> None:
        self.owned: frozenset[int] | None = None
        """What the group has given, also while the application does not know yet; None where there is no assignment."""
        self._tell = tell
        self._wake = wake
        self._outstanding: tuple[Operation, Callable[[], None]] | None = None
        self._eager = eager
        self._stopping = False

    @property
    def outstanding(self) -> Operation | None:
        """The operation that waits for the application."""
        return None if self._outstanding is None else self._outstanding[0]

    def replace(self, partitions: frozenset[int], then: Callable[[], None]) -> None:
        """Give a whole new assignment (the eager way)."""
        self.owned = partitions
        self._offer(Operation("assign", partitions), then)

    def drop(self, kind: Literal["revoke", "lost"], then: Callable[[], None]) -> None:
        """Take away everything."""
        partitions, self.owned = self.owned or frozenset(), None
        self._offer(Operation(kind, partitions), then)

    def change(self, partitions: frozenset[int], then: Callable[[bool], None]) -> None:
        """Take away what is not in the new assignment, then give what is new, even if that is nothing.

        `then` is told whether anything was taken away.
        """
        owned = self.owned or frozenset()
        given, revoked = partitions - owned, owned - partitions

        def assign() -> None:
            self.owned = (self.owned or frozenset()) | given or None
            self._offer(Operation("assign", given), lambda: then(bool(revoked)))

        if revoked:
            self.owned = owned - revoked or None
            self._offer(Operation("revoke", revoked), assign)
        else:
            assign()

    def done(self, operation: Operation) -> None:
        """Go on after the application has carried out the operation."""
        assert self._outstanding is not None
        assert self._outstanding[0] is operation
        (_, then), self._outstanding = self._outstanding, None
        if self._stopping:
            self._revoke_rest()
        else:
            then()

    def stop(self) -> None:
        """Let the revocation of everything be the last operation, after the one that is outstanding.

        That may even be an assignment. A member of an eager group has no second one (librdkafka's
        rd_kafka_cgrp_revoke_all_rejoin).
        """
        self._stopping = True
        if self._outstanding is None:
            self._revoke_rest()
        elif self._eager:
            self.owned = None

    def _revoke_rest(self) -> None:
        if self.owned is not None:
            self.drop("revoke", _nothing)

    def _offer(self, operation: Operation, then: Callable[[], None]) -> None:
        assert self._outstanding is None, f"{operation} while {self._outstanding} is outstanding"
        self._tell(f"{operation.kind} {sorted(operation.partitions)} for the application")
        self._outstanding = operation, then
        self._wake()


class Context(NamedTuple):
    """What a member of either protocol works with."""

    group: Group
    link: CoordinatorLink
    rebalancing: Rebalancing
    client: Client
    topics: Callable[[], tuple[str, ...]]
    """Returns the topics that there are of those that the member subscribes to."""
    may_join: Callable[[], bool]
    """Returns False while the application does not poll, or closes."""
    steady: Callable[[], None]
    """Called when nothing is under way any more, so that news can be heard."""


def _nothing() -> None:
    pass
