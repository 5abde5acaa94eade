"""A member of a consumer group of KIP-848, as librdkafka's rd_kafka_cgrp_t: it reconciles what heartbeats bring."""

from collections.abc import Callable
from enum import Enum, auto

from confluent_kafka import KafkaError

from tests.simulation.clients.rebalancing import Context
from tests.simulation.kafka.consumer_groups import HeartbeatAnswer, HeartbeatRequest

_FENCED = {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_MEMBER_EPOCH}
_NOTHING: frozenset[int] = frozenset()
_RETRY_SECONDS = 0.5


class JoinState(Enum):
    """What the member is doing."""

    INIT = auto()
    WAIT_CALL = auto()
    """An operation waits for the application."""
    STEADY = auto()


class ConsumerMember:
    """The client's side of ConsumerGroupHeartbeat."""

    def __init__(self, context: Context, member_id: str) -> None:
        self.member_id = member_id
        self.generation = -1
        self.state = JoinState.INIT
        self._context = context
        self._link = context.link
        self._rebalancing = context.rebalancing
        self._current = _NOTHING  # acknowledged
        self._target: frozenset[int] | None = None  # being carried out, or not yet acknowledged
        self._next: frozenset[int] | None = None  # came while another was carried out
        self._fenced = False
        self._leaves = False  # as soon as the partitions are given up
        self._in_flight = False
        self._full = False  # the last answer did not come
        self._again = False  # another heartbeat at once, when the one in flight is answered

    @property
    def expects_heartbeats(self) -> bool:
        """Whether it heartbeats in its present state."""
        return not (self._fenced or self._leaves)

    def has_news(self) -> bool:
        """Return whether a heartbeat would bring something."""
        return self.generation > 0 and self._context.group.consumer.has_news(self.member_id, self.generation)

    def join(self) -> None:
        """Send the heartbeat that joins."""
        self.heartbeat()

    def heartbeat(self) -> None:
        """Send a heartbeat now, or after the one that is in flight."""
        if not self.expects_heartbeats or not self._context.may_join():
            return
        if self._in_flight:
            self._again = True
            return
        joins = self.state is JoinState.INIT
        acknowledges = self.state is JoinState.STEADY and self._target is not None
        full = joins or self._full
        owned = self._target if acknowledges else self._current if full else None
        request = HeartbeatRequest(
            self.member_id, max(0, self.generation), owned, self._context.client, full, self._context.topics
        )
        self._in_flight = True

        def ask(answer: Callable[[HeartbeatAnswer], None]) -> None:
            answer(self._context.group.consumer.heartbeat(request))

        def handle(answer: HeartbeatAnswer | None) -> None:
            self._answered(answer, acknowledges=acknowledges)

        self._link.ask(ask, handle)

    def session_timed_out(self) -> None:
        """Do nothing: in this protocol the client has no session time-out of its own."""

    def match_topics(self) -> None:
        """Do nothing: in this protocol the coordinator matches patterns."""

    def max_poll_exceeded(self) -> None:
        """Give up all partitions, then leave; without heartbeats until then."""
        self._leaves = True
        self._fence()

    def commit_refused(self, error: int) -> None:
        """Find out by a heartbeat what the error that answered an OffsetCommit means."""
        if error in {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.STALE_MEMBER_EPOCH}:
            self.heartbeat()

    # -- what heartbeats bring ---------------------------------------------------------------------------------------

    def _answered(self, answer: HeartbeatAnswer | None, *, acknowledges: bool) -> None:
        self._in_flight = False
        if not self._context.may_join() or self._leaves:
            return
        self._full = answer is None
        if answer is None:
            self._link.later(_RETRY_SECONDS, self.heartbeat)
        elif answer.error in _FENCED:
            self._fence()
        else:
            self.generation = answer.epoch
            self._take(answer, acknowledges=acknowledges)
            if self._again:
                self._again = False
                self.heartbeat()
            self._context.steady()

    def _take(self, answer: HeartbeatAnswer, *, acknowledges: bool) -> None:
        if answer.partitions is not None:
            differs = answer.partitions != (self._current if self._target is None else self._target)
            self._next = answer.partitions if differs else None
        if self._target is not None and self.state is JoinState.STEADY:
            if acknowledges:
                self._current, self._target = self._target, None
            else:
                self._again = True
        if self._next is not None and self._target is None:
            self._target, self._next = self._next, None
            if self._target == self._current:
                self._target = None
            else:
                self.state = JoinState.WAIT_CALL
                self._rebalancing.change(self._target, self._changed)

    def _changed(self, _revoked: bool) -> None:
        self.state = JoinState.STEADY
        if self._fenced:
            self._give_up()
        else:
            self.heartbeat()  # acknowledges

    # -- being put out -----------------------------------------------------------------------------------------------

    def _fence(self) -> None:
        """Lose everything and join again, after what waits for the application."""
        self._fenced = True
        if self.state is not JoinState.WAIT_CALL:
            self._give_up()

    def _give_up(self) -> None:
        if self._rebalancing.owned:
            self.state = JoinState.WAIT_CALL
            self._rebalancing.drop("lost", self._rejoin)
        else:
            self._rejoin()

    def _rejoin(self) -> None:
        if self._leaves:
            self._leaves = False
            self._link.tell(lambda: self._context.group.leave(self.member_id))
        self.generation = 0
        self.state = JoinState.INIT
        self._current, self._target, self._next = _NOTHING, None, None
        self._fenced = self._again = False
        self.heartbeat()
