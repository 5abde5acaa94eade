"""The coordinator of a classic group: JoinGroup, SyncGroup, Heartbeat, LeaveGroup as in Kafka's ClassicGroup."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import NamedTuple

from confluent_kafka import KafkaError

from tests.simulation.kafka.assignors import Claim
from tests.simulation.kafka.sessions import Client, Sessions
from tests.simulation.world import World


class State(Enum):
    """The state of a classic group."""

    EMPTY = auto()
    PREPARING_REBALANCE = auto()
    COMPLETING_REBALANCE = auto()
    STABLE = auto()


class JoinAnswer(NamedTuple):
    """The answer to JoinGroup; `claims` of all members go to the leader only."""

    error: int | None
    member_id: str
    generation: int = -1
    claims: Mapping[str, Claim] | None = None


class SyncAnswer(NamedTuple):
    """The answer to SyncGroup."""

    error: int | None
    partitions: frozenset[int] = frozenset()


class JoinRequest(NamedTuple):
    """A member that joins. `claim` travels as its metadata."""

    member_id: str
    claim: Claim
    client: Client


@dataclass
class _Member:
    request: JoinRequest
    assignment: frozenset[int] = frozenset()
    join_answer: Callable[[JoinAnswer], None] | None = None
    sync_answer: Callable[[SyncAnswer], None] | None = None


_Stored = tuple[int, str, dict[str, _Member]]  # generation, leader, members


@dataclass
class ClassicCoordinator:
    """Members, generation and state of one group."""

    world: World
    group_id: str
    available: Callable[[], bool]
    state: State = State.EMPTY
    generation: int = 0
    members: dict[str, _Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.world, self.available, self.expire)
        self.pending: set[str] = set()
        """Member ids that were handed out and not yet used: a rebalance waits for them."""
        self._leader = ""
        self._named = 0
        self._rebalances = 0  # tells the time-out of one rebalance from that of the next
        self._stored: _Stored = (0, "", {})

    # -- requests ----------------------------------------------------------------------------------------------------

    def join(self, request: JoinRequest, answer: Callable[[JoinAnswer], None]) -> None:
        """Handle JoinGroup."""
        member_id = request.member_id
        if not member_id:
            self._name(request, answer)
        elif member_id in self.pending:
            self.pending.remove(member_id)
            self.members[member_id] = _Member(request)
            self.sessions.begin(member_id, request.client)
            self._await_join(member_id, answer)
        elif member_id not in self.members:
            answer(JoinAnswer(KafkaError.UNKNOWN_MEMBER_ID, member_id))
        else:
            self._rejoin(request, answer)

    def sync(
        self,
        member_id: str,
        generation: int,
        assignments: Mapping[str, frozenset[int]] | None,
        answer: Callable[[SyncAnswer], None],
    ) -> None:
        """Handle SyncGroup; the leader brings the assignments."""
        error = self._check(member_id, generation)
        if error is None and self.state is State.PREPARING_REBALANCE:
            error = KafkaError.REBALANCE_IN_PROGRESS
        if error is not None:
            answer(SyncAnswer(error))
            return
        member = self.members[member_id]
        if self.state is State.STABLE:
            answer(SyncAnswer(None, member.assignment))
            return
        member.sync_answer = answer
        if assignments is not None:
            self._complete_sync(assignments)

    def heartbeat(self, member_id: str, generation: int) -> int | None:
        """Handle Heartbeat: return an error code, or None."""
        error = self._check(member_id, generation)
        if error is None and self.state is State.PREPARING_REBALANCE:
            return KafkaError.REBALANCE_IN_PROGRESS
        return error

    def leave(self, member_id: str) -> None:
        """Handle LeaveGroup."""
        self._remove(member_id, "left")

    # -- what others ask ---------------------------------------------------------------------------------------------

    def expire(self, member_id: str) -> None:
        """Put a member out whose session has ended; not while it waits for an answer."""
        member = self.members.get(member_id)
        if member is not None and (member.join_answer is not None or member.sync_answer is not None):
            self.sessions.restart(member_id)
        else:
            self._remove(member_id, "session ended")

    def force_rebalance(self) -> None:
        """Begin a rebalance, whatever the reason."""
        if self.state in {State.STABLE, State.COMPLETING_REBALANCE}:
            self._prepare("forced")

    def check_commit(self, member_id: str, generation: int, *, transactional: bool) -> int | None:
        """Return why these offsets may not be committed: Kafka's error code, or None."""
        if generation < 0 and self.state is State.EMPTY:
            return None
        if generation >= 0 or member_id:
            error = self._check(member_id, generation)
        else:
            error = None if transactional else KafkaError.UNKNOWN_MEMBER_ID
        if error is None and not transactional and self.state is State.COMPLETING_REBALANCE:
            return KafkaError.REBALANCE_IN_PROGRESS
        return error

    def reload(self) -> None:
        """Come back on another broker, with what the log holds: the group as it was when it was last stable, or empty.

        A rebalance that was under way is forgotten, and the number of its generation is given again to the next.
        """
        self._rebalances += 1
        for member_id in self.members:
            self.sessions.end(member_id)
        self.pending.clear()
        self.generation, self._leader, stored = self._stored
        self.members = {name: replace(member) for name, member in stored.items()}
        self.state = State.STABLE if self.members else State.EMPTY
        for member_id, member in self.members.items():
            self.sessions.begin(member_id, member.request.client)
        self.world.tell(self.group_id, f"loaded generation {self.generation} of {', '.join(self.members) or 'nobody'}")

    # -- joining -----------------------------------------------------------------------------------------------------

    def _check(self, member_id: str, generation: int) -> int | None:
        if member_id not in self.members:
            return KafkaError.UNKNOWN_MEMBER_ID
        return KafkaError.ILLEGAL_GENERATION if generation != self.generation else None

    def _name(self, request: JoinRequest, answer: Callable[[JoinAnswer], None]) -> None:
        self._named += 1
        member_id = f"member-{self._named}"
        self.pending.add(member_id)
        self.world.after(request.client.session_seconds, lambda: self._forget_pending(member_id))
        answer(JoinAnswer(KafkaError.MEMBER_ID_REQUIRED, member_id))

    def _forget_pending(self, member_id: str) -> None:
        if member_id in self.pending:
            self._remove(member_id, "has not used its member id")

    def _rejoin(self, request: JoinRequest, answer: Callable[[JoinAnswer], None]) -> None:
        member = self.members[request.member_id]
        changed = request.claim != member.request.claim
        self.sessions.hear(request.member_id)
        member.request = request
        follows = self.state is State.STABLE and request.member_id != self._leader
        if not changed and (follows or self.state is State.COMPLETING_REBALANCE):
            answer(self._joined(request.member_id))  # it has missed the answer
        else:
            self._await_join(request.member_id, answer)

    def _await_join(self, member_id: str, answer: Callable[[JoinAnswer], None]) -> None:
        self.members[member_id].join_answer = answer
        if self.state is not State.PREPARING_REBALANCE:
            self._prepare(f"{member_id} joins")
        else:
            self._maybe_complete_join()

    def _prepare(self, reason: str) -> None:
        self.world.tell(self.group_id, f"rebalance after generation {self.generation}: {reason}")
        self.state = State.PREPARING_REBALANCE
        for member in self.members.values():
            member.assignment = frozenset()
            if member.sync_answer is not None:
                member.sync_answer(SyncAnswer(KafkaError.REBALANCE_IN_PROGRESS))
                member.sync_answer = None
        self._time_out(State.PREPARING_REBALANCE, self._end_join)
        for member_id, member in self.members.items():
            if member.join_answer is None:
                self.sessions.notify(member_id)
        self._maybe_complete_join()

    def _time_out(self, state: State, end: Callable[[], None]) -> None:
        """Have a phase of the rebalance end when members have not come within their rebalance time-out."""
        self._rebalances += 1
        number = self._rebalances
        seconds = max((member.request.client.rebalance_seconds for member in self.members.values()), default=0.0)

        def action() -> None:
            if self._rebalances == number and self.state is state:
                end()

        self.world.after(seconds, action)

    def _maybe_complete_join(self) -> None:
        waited_for = [member for member in self.members.values() if member.join_answer is None]
        if self.state is State.PREPARING_REBALANCE and not waited_for and not self.pending:
            self._complete_join()

    def _end_join(self) -> None:
        """Go on without the members that have not joined again in time."""
        for member_id in [name for name, member in self.members.items() if member.join_answer is None]:
            self.world.tell(self.group_id, f"{member_id} has not joined again in time")
            del self.members[member_id]
            self.sessions.end(member_id)
        self._complete_join()

    def _complete_join(self) -> None:
        self.generation += 1
        if not self.members:
            self.state = State.EMPTY
            self._store()
            return
        if self._leader not in self.members:
            self._leader = next(iter(self.members))
        self.state = State.COMPLETING_REBALANCE
        self.world.tell(self.group_id, f"generation {self.generation} of {', '.join(self.members)}")
        self._time_out(State.COMPLETING_REBALANCE, self._end_sync)
        for member_id, member in list(self.members.items()):
            answer, member.join_answer = member.join_answer, None
            self.sessions.restart(member_id)
            if answer is not None:
                answer(self._joined(member_id))

    def _joined(self, member_id: str) -> JoinAnswer:
        claims = {name: member.request.claim for name, member in self.members.items()}
        return JoinAnswer(None, member_id, self.generation, claims if member_id == self._leader else None)

    # -- synchronizing -----------------------------------------------------------------------------------------------

    def _complete_sync(self, assignments: Mapping[str, frozenset[int]]) -> None:
        self.state = State.STABLE
        for member_id, member in self.members.items():
            member.assignment = assignments.get(member_id, frozenset())
            self.sessions.restart(member_id)
            if member.sync_answer is not None:
                member.sync_answer(SyncAnswer(None, member.assignment))
                member.sync_answer = None
        self._store()

    def _store(self) -> None:
        """Write the group to the log."""
        self._stored = self.generation, self._leader, {name: replace(each) for name, each in self.members.items()}

    def _end_sync(self) -> None:
        """Put out the members that have not asked for their assignment in time."""
        for member_id in [name for name, member in self.members.items() if member.sync_answer is None]:
            self._remove(member_id, "has not synchronized in time")

    def _remove(self, member_id: str, reason: str) -> None:
        self.pending.discard(member_id)
        member = self.members.pop(member_id, None)
        self.sessions.end(member_id)
        if member is None:
            self._maybe_complete_join()
            return
        self.world.tell(self.group_id, f"{member_id}: {reason}")
        if member.join_answer is not None:
            member.join_answer(JoinAnswer(KafkaError.UNKNOWN_MEMBER_ID, member_id))
        if member.sync_answer is not None:
            member.sync_answer(SyncAnswer(KafkaError.UNKNOWN_MEMBER_ID))
        if self.state is State.PREPARING_REBALANCE:
            self._maybe_complete_join()
        else:
            self._prepare(f"{member_id} is gone")
