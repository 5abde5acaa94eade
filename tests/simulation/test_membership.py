"""What an application sees of its membership, as it was measured: librdkafka 2.16.0 with Apache Kafka 4.3.1."""

import pytest
from confluent_kafka import KafkaError

from tests.simulation.following import MAX_POLL, PROTOCOLS, SESSION, FollowedGroup, Follower

# what two members of two partitions see, generations counted from the one in which the first is alone
JOINED = {
    "cooperative-sticky": (
        [("revoke", 1, 1), ("assign", 0, 1), ("assign", 0, 2)],
        [("assign", 0, 1), ("assign", 1, 2)],
    ),
    "range": ([("revoke", 2, 0), ("assign", 1, 1)], [("assign", 1, 1)]),
    "consumer": ([("revoke", 1, 0), ("assign", 0, 0)], [("assign", 1, 1)]),
}
LEFT = {
    "cooperative-sticky": [("assign", 1, 1)],
    "range": [("revoke", 1, 0), ("assign", 2, 1)],
    "consumer": [("assign", 1, 1)],
}


@pytest.fixture(params=PROTOCOLS)
def group(request: pytest.FixtureRequest) -> FollowedGroup:
    return FollowedGroup("membership", request.param, partitions=2)


def _seen(follower: Follower, first: int) -> list[tuple[str, int, int]]:
    return [(kind, partitions, generation - first) for kind, partitions, generation in follower.callbacks]


def _join(group: FollowedGroup) -> tuple[Follower, Follower, int]:
    """Return two members, and the generation in which the first was alone."""
    (one,) = group.join(1)
    first = one.member[1]
    other = group.add()
    group.settle()
    group.wait(5)
    return one, other, first


def test_no_member_before_it_has_joined(group: FollowedGroup) -> None:
    member_id, generation = group.add().member
    assert (bool(member_id), generation) == (group.protocol == "consumer", -1)


def test_callbacks_when_a_second_member_joins(group: FollowedGroup) -> None:
    one, other, first = _join(group)
    assert (_seen(one, first), _seen(other, first)) == JOINED[group.protocol]


def test_callbacks_when_the_second_member_leaves(group: FollowedGroup) -> None:
    one, other, _ = _join(group)
    one.callbacks.clear()
    other.callbacks.clear()
    member_id, generation = other.member
    other.close()
    assert other.callbacks == [("revoke", 1, generation)]
    assert other.member == (member_id, generation)
    generation = one.member[1]
    group.settle()
    group.wait(5)
    assert _seen(one, generation) == LEFT[group.protocol]


def test_expired_member_hears_of_it_when_it_goes_on(group: FollowedGroup) -> None:
    (one,) = group.join(1)
    member_id, generation = one.member
    one.polls = False
    one.process.pause(2 * SESSION)
    group.wait(2 * SESSION + 2)
    kept = member_id if group.protocol == "consumer" else ""
    assert one.member == (kept, generation)  # it is told of the loss only when it polls
    one.polls = True
    group.wait(5)
    assert [(kind, partitions) for kind, partitions, _ in one.callbacks] == [("lost", 2), ("assign", 2)]
    assert [each.generation for each in one.callbacks] == [generation, generation + 2]  # emptied, then joined again
    assert (one.member[0] == member_id) == (group.protocol == "consumer")


def test_member_that_does_not_poll_may_commit_no_more(group: FollowedGroup) -> None:
    (one,) = group.join(1)
    member_id, generation = one.member
    one.polls = False
    group.wait(MAX_POLL + 2)
    assert group.may_commit(one, one.partitions) == (group.protocol == "consumer")  # it leaves after revoking
    group.wait(SESSION)
    assert one.member == (member_id if group.protocol == "consumer" else "", generation)
    assert group.group.member_ids == []
    one.polls = True
    group.wait(5)
    assert [(kind, partitions) for kind, partitions, _ in one.callbacks] == [("lost", 2), ("assign", 2)]


def test_member_may_commit_while_its_rebalance_waits_for_it(group: FollowedGroup) -> None:
    (one,) = group.join(1)
    generation = one.member[1]
    one.polls = False
    other = group.add()
    group.wait(5)
    assert group.may_commit(one, one.partitions)
    assert one.member[1] == generation + (group.protocol == "cooperative-sticky")
    assert len(one.partitions) == 2
    assert other.partitions == frozenset()


def test_closing_carries_out_what_waits_and_then_revokes(group: FollowedGroup) -> None:
    (one,) = group.join(1)
    one.polls = False
    one.callbacks.clear()
    group.add()
    group.wait(5)
    one.close()
    expected = [("revoke", 2)] if group.protocol == "range" else [("revoke", 1), ("revoke", 1)]
    assert [(kind, partitions) for kind, partitions, _ in one.callbacks] == expected


def test_lost_answer_does_not_fence_a_member() -> None:
    group = FollowedGroup("lost answer", "consumer", partitions=2)
    one, other, _ = _join(group)
    (member_id, epoch), members = one.member, group.group.consumer.members
    other.close()
    assert group.run(lambda: members[member_id].epoch > epoch)
    assert one.member == (member_id, epoch)  # the answer is on its way
    one.set_reachable(False)
    one.set_reachable(True)
    group.settle()
    assert "lost" not in one.kinds
    assert one.member[1] > epoch


def test_member_believes_an_offset_commit_that_does_not_know_it(group: FollowedGroup) -> None:
    (one,) = group.join(1)
    member_id, _ = one.member
    group.group.expire(member_id)
    began = group.world.now
    one.membership.commit_refused(KafkaError.UNKNOWN_MEMBER_ID)
    assert one.member[0] == (member_id if group.protocol == "consumer" else "")
    assert group.run(lambda: "lost" in one.kinds)
    assert group.world.now - began < 0.7  # at once, not with the next heartbeat
    group.settle()


@pytest.mark.parametrize("seed", range(10))
def test_member_that_left_joins_again_only_then(seed: int) -> None:
    group = FollowedGroup(seed, "consumer", partitions=2)
    (one,) = group.join(1)
    one.polls = False
    group.wait(MAX_POLL + 1)
    one.polls = True
    group.wait(5)
    assert one.kinds == ["lost", "assign"]
