"""A group coordinator's view of one group: members, generation, committed offsets by the index of the partition."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

from tests.simulation.kafka.classic_groups import ClassicCoordinator
from tests.simulation.kafka.consumer_groups import ConsumerCoordinator
from tests.simulation.world import World

_MATCH_SECONDS: Final = 10.0  # within which a group of KIP-848 finds a new topic (REGEX_BATCH_REFRESH_MIN_INTERVAL_MS)


class Group:
    """One group, whatever its protocol, and the faults of its coordinator."""

    def __init__(
        self,
        world: World,
        group_id: str,
        partitions: Callable[[str], Sequence[int]],
        kind: Literal["classic", "consumer"],
    ) -> None:
        self.world = world
        self.group_id = group_id
        self.partitions = partitions
        """Returns the indexes of a topic's partitions."""
        self.kind = kind
        self.offsets: dict[int, int] = {}
        self.on_move: list[Callable[[], None]] = []
        """Called when the coordinator goes away and when it is back."""
        self._moves = 0  # under way
        self._coordinator: ClassicCoordinator | ConsumerCoordinator = (
            ClassicCoordinator(world, group_id, self._is_available)
            if kind == "classic"
            else ConsumerCoordinator(world, group_id, self._is_available, partitions)
        )

    @property
    def available(self) -> bool:
        """Whether the coordinator answers."""
        return self._moves == 0

    @property
    def generation(self) -> int:
        """The generation, or the group epoch."""
        return self._coordinator.generation

    @property
    def member_ids(self) -> list[str]:
        """The members that have joined."""
        return list(self._coordinator.members)

    @property
    def classic(self) -> ClassicCoordinator:
        """The coordinator of the classic protocol."""
        assert isinstance(self._coordinator, ClassicCoordinator)
        return self._coordinator

    @property
    def consumer(self) -> ConsumerCoordinator:
        """The coordinator of the protocol of KIP-848."""
        assert isinstance(self._coordinator, ConsumerCoordinator)
        return self._coordinator

    def check_commit(
        self, member_id: str, generation: int, *, transactional: bool, partitions: Iterable[int] = ()
    ) -> int | None:
        """Return why these offsets may not be committed: Kafka's error code, or None.

        `partitions` matter to a group of KIP-848 where the epoch is not the latest; without them it must be.
        """
        if self.kind == "classic":
            return self.classic.check_commit(member_id, generation, transactional=transactional)
        return self.consumer.check_commit(
            member_id, generation, transactional=transactional, partitions=frozenset(partitions)
        )

    def leave(self, member_id: str) -> None:
        """Handle a member's leaving."""
        self._coordinator.leave(member_id)

    def silence(self, member_id: str) -> None:
        """Note that no heartbeats of a member arrive any more."""
        self._coordinator.sessions.silence(member_id)

    def hear(self, member_id: str) -> None:
        """Note that a member's heartbeats arrive again."""
        self._coordinator.sessions.hear(member_id)

    def topic_created(self) -> None:
        """Have the coordinator of KIP-848 match patterns soon; the others' members do that."""
        if self.kind == "consumer":
            self.world.after(self.world.random.random() * _MATCH_SECONDS, self.consumer.match_topics)

    # -- faults ------------------------------------------------------------------------------------------------------

    def force_rebalance(self) -> None:
        """Begin a rebalance for no reason that the members know."""
        self._coordinator.force_rebalance()

    def expire(self, member_id: str) -> None:
        """Put a member out as if its session had ended."""
        self._coordinator.expire(member_id)

    def move(self, seconds: float) -> None:
        """Let the coordinator be away, on its way to another broker, for so long."""
        self.world.tell(self.group_id, f"coordinator away for {seconds:.1f} s")
        self._moves += 1
        self.world.after(seconds, self._come_back)
        self._tell_moved()

    def _come_back(self) -> None:
        self._moves -= 1
        if self.available:
            self._coordinator.reload()
            self._tell_moved()

    def _tell_moved(self) -> None:
        for callback in list(self.on_move):
            callback()

    def _is_available(self) -> bool:
        return self.available
