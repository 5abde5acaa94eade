"""Sessions of a group's members. Not every heartbeat is simulated: a member is heard unless it is silent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tests.simulation.world import World


class Client(NamedTuple):
    """What a coordinator has of a member's client: its time-outs, and what stands for its heartbeats."""

    session_seconds: float
    heartbeat_seconds: float
    rebalance_seconds: float
    notify: Callable[[], None]
    """Called when the next heartbeat would bring news."""
    is_heard: Callable[[str], bool]
    """Returns whether heartbeats of this member id arrive now."""


@dataclass
class _Session:
    client: Client
    silent_since: float | None = None


class Sessions:
    """Which members are heard, and until when a silent one stays in the group."""

    def __init__(self, world: World, available: Callable[[], bool], expired: Callable[[str], None]) -> None:
        self._world = world
        self._available = available
        self._expired = expired
        self._sessions: dict[str, _Session] = {}

    def begin(self, member_id: str, client: Client) -> None:
        """Begin a session, or begin it again with its full time."""
        session = self._sessions[member_id] = _Session(client)
        if not client.is_heard(member_id):
            self._watch(member_id, session, client.session_seconds)

    def end(self, member_id: str) -> None:
        """End a session; a member that still lives hears of it by its next heartbeat."""
        session = self._sessions.pop(member_id, None)
        if session is not None:
            session.client.notify()

    def notify(self, member_id: str) -> None:
        """Have the member send a heartbeat soon."""
        self._sessions[member_id].client.notify()

    def silence(self, member_id: str) -> None:
        """Note that heartbeats stop: the last one came up to a heartbeat's interval ago."""
        session = self._sessions.get(member_id)
        if session is not None and session.silent_since is None:
            client = session.client
            ago = self._world.random.random() * client.heartbeat_seconds
            self._watch(member_id, session, client.session_seconds - ago)

    def hear(self, member_id: str) -> None:
        """Note that heartbeats come again."""
        session = self._sessions.get(member_id)
        if session is not None:
            session.silent_since = None

    def restart(self, member_id: str) -> None:
        """Give a member its full time again."""
        session = self._sessions[member_id]
        if session.silent_since is not None:
            self._watch(member_id, session, session.client.session_seconds)

    def restart_all(self) -> None:
        """Give all members their full time again, as a coordinator does that has just loaded the group."""
        for member_id in self._sessions:
            self.restart(member_id)

    def _watch(self, member_id: str, session: _Session, seconds: float) -> None:
        since = session.silent_since = self._world.now

        def end() -> None:
            current = self._sessions.get(member_id)
            if current is session and session.silent_since == since and self._available():
                self._expired(member_id)

        self._world.after(seconds, end)
