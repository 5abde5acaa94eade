"""What librdkafka's own thread does for a member of a group: joins, heartbeats, hears of rebalances, leaves."""

import struct
from collections.abc import Callable
from typing import Literal

from tests.simulation.clients.classic_member import ClassicMember
from tests.simulation.clients.consumer_member import ConsumerMember
from tests.simulation.clients.coordinator_link import CoordinatorLink
from tests.simulation.clients.rebalancing import Context, Operation, Rebalancing
from tests.simulation.kafka.groups import Group
from tests.simulation.kafka.sessions import Client
from tests.simulation.world import Process

__all__ = ["Membership", "Operation"]


class Membership:
    """One client's membership. Heartbeats are sent only when they bring news; see `Sessions`."""

    def __init__(
        self,
        process: Process,
        group: Group,
        protocol: Literal["cooperative-sticky", "range", "consumer"],
        *,
        session_seconds: float,
        heartbeat_seconds: float,
        max_poll_seconds: float,
        refresh_seconds: float,
        topics: Callable[[], tuple[str, ...]],
        reachable: Callable[[], bool],
        wake: Callable[[], None],
    ) -> None:
        """`topics` returns those that there are of the ones subscribed to; a client looks every `refresh_seconds`."""
        self.max_poll_exceeded = False
        """Whether the application has not polled in time, and still does not."""
        self._process = process
        self._world = process.world
        self._group = group
        self._client = Client(session_seconds, heartbeat_seconds, max_poll_seconds, self._notify, self._is_heard)
        self._refresh_seconds = refresh_seconds
        self._topics = topics
        self._reachable = reachable
        self._link = CoordinatorLink(process, group, reachable, self._changed)
        self._rebalancing = Rebalancing(process.tell, wake, eager=protocol == "range")
        self._member = self._make_member(protocol)
        self._polled_at = 0.0
        self._stopping = False
        self._max_poll_error = False
        self._heartbeat_due = False
        self._silent_since: float | None = None

    # -- what the client asks ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Subscribe: join the group."""
        self._polled_at = self._world.now
        self._watch_polls()
        self._member.join()

    def polled(self) -> None:
        """Note that the application polls now."""
        self._polled_at = self._world.now
        self._link.update()
        if self.max_poll_exceeded:
            self.max_poll_exceeded = False
            self._watch_polls()
            if self._rebalancing.outstanding is None:
                self._member.join()

    def reachability_changed(self) -> None:
        """Note that `reachable` may say something else now."""
        self._link.update()

    def topic_created(self) -> None:
        """Have the client match topics when it next refreshes its metadata."""
        self._link.later(self._world.random.random() * self._refresh_seconds, self._refresh)

    def next_operation(self) -> Operation | None:
        """Return what the application has to carry out now."""
        return self._rebalancing.outstanding

    def done(self, operation: Operation) -> None:
        """Note that the application has carried it out."""
        self._rebalancing.done(operation)

    @property
    def owned(self) -> frozenset[int]:
        """What the group has given, also while the application does not know yet."""
        return self._rebalancing.owned or frozenset()

    def take_max_poll_exceeded(self) -> bool:
        """Return whether the application is to be told now that it has not polled in time."""
        told, self._max_poll_error = self._max_poll_error, False
        return told

    def commit_refused(self, error: int) -> None:
        """Note the error code that answered an OffsetCommit: the client may find by it that it is no member."""
        self._member.commit_refused(error)

    def metadata(self) -> bytes:
        """Return what `consumer_group_metadata()` returns, in librdkafka's form."""
        group_id, member_id = self._group.group_id.encode(), self._member.member_id.encode()
        return b"CGMDv2:" + struct.pack("=i", self._member.generation) + group_id + b"\0" + member_id + b"\0\1"

    def stop(self) -> None:
        """Begin to close: join no more, and have the application give up what it has."""
        self._stopping = True
        self._rebalancing.stop()

    def leave(self) -> None:
        """Leave the group, as far as it can be reached, and end."""
        self._stopping = True
        member_id = self._member.member_id
        if self._member.generation > 0:
            self._link.tell(lambda: self._group.leave(member_id))
        self._link.later(1.0, self._link.close)

    # -- heartbeats and time-outs ------------------------------------------------------------------------------------

    def _make_member(
        self, protocol: Literal["cooperative-sticky", "range", "consumer"]
    ) -> ClassicMember | ConsumerMember:
        context = Context(
            self._group, self._link, self._rebalancing, self._client, self._topics, self._may_join, self._changed
        )
        if protocol == "consumer":
            return ConsumerMember(context, f"{self._world.random.getrandbits(64):016x}")
        return ClassicMember(context, cooperative=protocol == "cooperative-sticky")

    def _refresh(self) -> None:
        if self._reachable():
            self._member.match_topics()
        else:
            self._link.later(self._refresh_seconds, self._refresh)

    def _may_join(self) -> bool:
        return not (self._stopping or self.max_poll_exceeded)

    def _is_heard(self, member_id: str) -> bool:
        return self._link.heard and not self.max_poll_exceeded and member_id == self._member.member_id

    def _notify(self) -> None:
        """Send a heartbeat when the next one is due, for it brings news."""
        if self._heartbeat_due or not self._process.alive:
            return
        self._heartbeat_due = True
        self._link.later(self._world.random.random() * self._client.heartbeat_seconds, self._send_heartbeat)

    def _send_heartbeat(self) -> None:
        self._heartbeat_due = False
        if self._link.silent_since is None:
            self._member.heartbeat()

    def _changed(self) -> None:
        """Look after a change of state or connection: is it heard, is there news, has the session timed out?"""
        if self.max_poll_exceeded or not self._link.heard:
            self._group.silence(self._member.member_id)
        elif self._member.expects_heartbeats:
            self._group.hear(self._member.member_id)
        before, since = self._silent_since, self._link.silent_since
        self._silent_since = since
        if since is not None:
            self._await_time_out(since)
            return
        if before is not None and self._world.now >= before + self._client.session_seconds:
            self._member.session_timed_out()
        if self._member.expects_heartbeats and self._member.has_news():
            self._notify()

    def _await_time_out(self, since: float) -> None:
        """Have the client itself give up its membership after a session without an answer."""

        def look() -> None:
            if self._link.silent_since == since:
                self._member.session_timed_out()

        if self._process.alive:
            self._link.later(max(0.0, since + self._client.session_seconds - self._world.now), look)

    def _watch_polls(self) -> None:
        def look() -> None:
            if self._stopping:
                return
            if self._world.now < self._polled_at + self._client.rebalance_seconds:
                self._watch_polls()
                return
            self._process.tell("the application has not polled for too long: leaves the group")
            self.max_poll_exceeded = self._max_poll_error = True
            self._member.max_poll_exceeded()
            self._changed()

        self._link.later(self._polled_at + self._client.rebalance_seconds - self._world.now, look)
