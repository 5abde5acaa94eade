"""A member of a classic group, as librdkafka's rd_kafka_cgrp_t: joins, synchronizes, rejoins."""

from enum import Enum, auto
from typing import Literal

from confluent_kafka import KafkaError

from tests.simulation.clients.rebalancing import Context
from tests.simulation.kafka.assignors import Claim, assign_cooperatively, assign_ranges
from tests.simulation.kafka.classic_groups import JoinAnswer, JoinRequest, SyncAnswer

_JOIN_INTERVAL = 1.0  # seconds between two JoinGroup requests, unless partitions were just given up


class JoinState(Enum):
    """What the member is doing."""

    INIT = auto()
    WAIT_JOIN = auto()
    WAIT_SYNC = auto()
    WAIT_CALL = auto()
    """An operation waits for the application."""
    STEADY = auto()


class ClassicMember:
    """The client's side of JoinGroup, SyncGroup and Heartbeat."""

    def __init__(self, context: Context, *, cooperative: bool) -> None:
        self.member_id = ""
        self.generation = -1
        self.state = JoinState.INIT
        self._context = context
        self._link = context.link
        self._rebalancing = context.rebalancing
        self._cooperative = cooperative
        self._topics = context.topics()
        self._joined_topics = self._topics  # with which it has last joined
        self._assigned_generation = -1  # of the latest assignment
        self._joined_at = -_JOIN_INTERVAL
        self._joins = 0  # tells the latest planned JoinGroup from those before

    @property
    def expects_heartbeats(self) -> bool:
        """Whether it heartbeats in its present state."""
        return self.state in {JoinState.WAIT_CALL, JoinState.STEADY}

    def has_news(self) -> bool:
        """Return whether a heartbeat would bring an error."""
        return self._context.group.classic.heartbeat(self.member_id, self.generation) is not None

    def join(self, seconds: float = 0.0) -> None:
        """Join after so long; not while the application does not poll."""
        self.state = JoinState.INIT
        self._joins += 1
        number = self._joins
        self._link.later(seconds, lambda: self._join(number))

    def match_topics(self) -> None:
        """Look which topics match now, and join again if others do: rd_kafka_cgrp_metadata_update_check.

        A member that takes part in a rebalance joins again at its end.
        """
        self._topics = self._context.topics()
        if self.state is JoinState.STEADY and self._context.may_join():
            self._rejoin_with_topics()

    def heartbeat(self) -> None:
        """Send a heartbeat."""
        if self.expects_heartbeats:
            member_id, generation = self.member_id, self.generation
            self._link.ask(
                lambda answer: answer(self._context.group.classic.heartbeat(member_id, generation) or 0),
                self._heartbeat_answered,
            )

    def session_timed_out(self) -> None:
        """Give up the membership: no heartbeat was answered for the whole session. Only looked at while steady."""
        if self.state is JoinState.STEADY:
            self._drop_member_id()
            self._revoke_all("lost")

    def max_poll_exceeded(self) -> None:
        """Leave the group; the partitions are lost. It joins again once the application polls."""
        member_id = self._drop_member_id()
        self._link.tell(lambda: self._context.group.leave(member_id))
        if self.state is JoinState.STEADY:
            self._revoke_all("lost")

    def commit_refused(self, error: int) -> None:
        """Believe the error that answered an OffsetCommit, unless a rebalance is under way."""
        if error == KafkaError.UNKNOWN_MEMBER_ID or not self._is_rebalancing:
            self._forget(error)
        gone = error in {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION}
        if gone and not self._is_rebalancing and self._context.may_join():
            self._revoke_all("lost")

    @property
    def _is_rebalancing(self) -> bool:
        return self.state not in {JoinState.INIT, JoinState.STEADY}

    # -- joining -----------------------------------------------------------------------------------------------------

    def _join(self, number: int) -> None:
        if self._joins != number or self.state is not JoinState.INIT or not self._context.may_join():
            return
        self.state = JoinState.WAIT_JOIN
        self._joined_at = self._now()
        owned = self._rebalancing.owned or frozenset()
        claim = Claim(self._topics, self._assigned_generation, owned) if self._cooperative else Claim(self._topics)
        self._joined_topics = self._topics
        request = JoinRequest(self.member_id, claim, self._context.client)
        self._link.ask(lambda answer: self._context.group.classic.join(request, answer), self._join_answered)

    def _join_answered(self, answer: JoinAnswer | None) -> None:
        if self.state is not JoinState.WAIT_JOIN or not self._context.may_join():
            return
        if answer is None:
            self.join(_JOIN_INTERVAL)
        elif answer.error is None:
            self.member_id, self.generation = answer.member_id, answer.generation
            self._sync(answer)
        elif answer.error == KafkaError.MEMBER_ID_REQUIRED:
            self.member_id = answer.member_id
            if self._cooperative:
                self._revoke_all("lost")
            else:
                self.join()
        else:
            self._forget(answer.error)
            self.join(_JOIN_INTERVAL)

    def _sync(self, answer: JoinAnswer) -> None:
        self.state = JoinState.WAIT_SYNC
        member_id, generation = self.member_id, self.generation
        assignments = None if answer.claims is None else self._assign(dict(answer.claims))
        self._link.ask(
            lambda done: self._context.group.classic.sync(member_id, generation, assignments, done), self._sync_answered
        )

    def _assign(self, claims: dict[str, Claim]) -> dict[str, frozenset[int]]:
        names = sorted({topic for claim in claims.values() for topic in claim.topics})
        topics = {topic: self._context.group.partitions(topic) for topic in names}
        return assign_cooperatively(claims, topics) if self._cooperative else assign_ranges(claims, topics)

    def _sync_answered(self, answer: SyncAnswer | None) -> None:
        if self.state is not JoinState.WAIT_SYNC or not self._context.may_join():
            return
        if answer is None:
            self._rejoin()
        elif answer.error is None:
            self._take(answer.partitions)
        else:
            self._forget(answer.error)
            if self._cooperative and answer.error != KafkaError.REBALANCE_IN_PROGRESS:
                self._revoke_all("lost")
            else:
                self._rejoin()

    def _take(self, partitions: frozenset[int]) -> None:
        self._assigned_generation = self.generation
        self.state = JoinState.WAIT_CALL
        if self._cooperative:
            self._rebalancing.change(partitions, self._changed)
        else:
            self._rebalancing.replace(partitions, lambda: self._changed(revoked=False))

    def _changed(self, revoked: bool) -> None:
        """Be steady, or join again so that others may have what was revoked."""
        if revoked:
            self.join()
        else:
            self.state = JoinState.STEADY
            self._context.steady()
            self._rejoin_with_topics()

    def _rejoin_with_topics(self) -> None:
        if self._topics == self._joined_topics:
            return
        if self._cooperative:
            self.join()
        else:
            self._revoke_all("revoke")

    # -- what heartbeats bring ---------------------------------------------------------------------------------------

    def _heartbeat_answered(self, error: int | None) -> None:
        if not error or not self.expects_heartbeats or not self._context.may_join():
            return
        self._forget(error)
        if self.state is not JoinState.STEADY:
            return  # a rebalance is under way already; the next heartbeat tells again
        if error != KafkaError.REBALANCE_IN_PROGRESS:
            self._revoke_all("lost")
        elif self._cooperative:
            self._rejoin()
        else:
            self._revoke_all("revoke")

    def _forget(self, error: int) -> None:
        if error == KafkaError.UNKNOWN_MEMBER_ID:
            self._drop_member_id()
        elif error == KafkaError.ILLEGAL_GENERATION:
            self.generation = -1

    def _drop_member_id(self) -> str:
        """Return the member id that it had; of a member by that id the coordinator hears nothing more."""
        member_id, self.member_id = self.member_id, ""
        self._context.group.silence(member_id)
        return member_id

    def _revoke_all(self, kind: Literal["revoke", "lost"]) -> None:
        owned = self._rebalancing.owned
        if owned is None or (self._cooperative and not owned):
            self.join()
        else:
            self.state = JoinState.WAIT_CALL
            self._rebalancing.drop(kind, self.join)

    def _rejoin(self) -> None:
        self.join(max(0.0, self._joined_at + _JOIN_INTERVAL - self._now()))

    def _now(self) -> float:
        return self._context.group.world.now
