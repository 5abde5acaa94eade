"""Each partition has one owner that may commit it, in every protocol and whatever happens to the members."""

import pytest
from confluent_kafka import KafkaError

from consumer.kafka.membership import is_member
from tests.simulation.following import HEARTBEAT, MAX_POLL, PROTOCOLS, REFRESH, SESSION, FollowedGroup, Protocol

FOUND = 2 * REFRESH + 5  # seconds: any protocol has found a topic, and assigned its partitions
UNKNOWN, ILLEGAL = KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION


@pytest.fixture(params=PROTOCOLS)
def group(request: pytest.FixtureRequest) -> FollowedGroup:
    return FollowedGroup("groups", request.param)


def test_two_members_share_the_partitions(group: FollowedGroup) -> None:
    group.join(1)
    group.join(1)
    assert [len(each.partitions) for each in group.followers] == [3, 3]


def test_leaving_hands_partitions_over_at_once(group: FollowedGroup) -> None:
    one, other = group.join(2)
    began = group.world.now
    one.close()
    group.settle()
    assert len(other.partitions) == group.partitions
    assert group.world.now - began < SESSION / 2


def test_killed_member_is_replaced_after_its_session(group: FollowedGroup) -> None:
    one, other = group.join(2)
    began = group.world.now
    one.process.kill()
    group.settle()
    assert len(other.partitions) == group.partitions
    assert SESSION - HEARTBEAT <= group.world.now - began < SESSION + 5


def test_paused_member_loses_its_partitions(group: FollowedGroup) -> None:
    one, other = group.join(2)
    one.process.pause(2 * SESSION)
    assert group.run(lambda: len(other.partitions) == group.partitions, 2 * SESSION)
    assert one.partitions  # it does not know yet
    assert is_member(one.membership.metadata())
    group.settle()
    assert "lost" in one.kinds


def test_pause_within_the_session_does_no_harm(group: FollowedGroup) -> None:
    one, _ = group.join(2)
    group.wait(5)
    one.callbacks.clear()
    one.process.pause(SESSION / 2)
    group.wait(2 * SESSION)
    assert one.callbacks == []


def test_unreachable_member_loses_its_partitions(group: FollowedGroup) -> None:
    one, other = group.join(2)
    one.set_reachable(False)
    assert group.run(lambda: len(other.partitions) == group.partitions, 2 * SESSION)
    group.wait(2 * SESSION)
    one.set_reachable(True)
    group.settle()
    assert "lost" in one.kinds


def test_member_that_does_not_poll_leaves(group: FollowedGroup) -> None:
    one, other = group.join(2)
    one.polls = False
    assert group.run(lambda: len(other.partitions) == group.partitions, 2 * MAX_POLL)
    one.polls = True
    group.settle()
    assert "lost" in one.kinds


def test_member_that_does_not_revoke_is_put_out(group: FollowedGroup) -> None:
    (one,) = group.join(1)
    one.polls = False
    other = group.add()
    assert group.run(lambda: len(other.partitions) == group.partitions, 3 * MAX_POLL)


def test_new_topic_is_shared_soon_after_it_is_found(group: FollowedGroup) -> None:
    followers = group.join(2)
    began = group.world.now
    group.create_topic("logins", 4)
    group.settle()
    assert group.world.now - began < FOUND
    group.wait(FOUND)  # until each member knows it
    group.settle()
    assert [len(each.partitions) for each in followers] == [5, 5]


def test_new_topic_costs_the_only_member_nothing_unless_its_assignor_is_eager(group: FollowedGroup) -> None:
    (one,) = group.join(1)
    group.create_topic("logins", 4)
    group.wait(FOUND)
    eager = [("revoke", 6), ("assign", 10)]
    assert [(kind, partitions) for kind, partitions, _ in one.callbacks] == (
        eager if group.protocol == "range" else [("assign", 4)]
    )


def test_new_topic_is_found_by_who_was_cut_off_meanwhile(group: FollowedGroup) -> None:
    group.join(1)
    (other,) = group.join(1)
    other.set_reachable(False)
    group.create_topic("logins", 4)
    group.group.move(2 * REFRESH)
    group.wait(3 * REFRESH)
    other.set_reachable(True)
    group.wait(FOUND)
    group.settle()
    assert len(other.partitions) == 5


def test_move_of_coordinator_renews_sessions(group: FollowedGroup) -> None:
    one, other = group.join(2)
    group.wait(5)
    for each in (one, other):
        each.callbacks.clear()
    group.group.move(0.8 * SESSION)
    group.wait(3 * SESSION)
    assert one.callbacks == other.callbacks == []


def test_coordinator_gone_for_a_session_costs_classic_members_their_membership(group: FollowedGroup) -> None:
    (one,) = group.join(1)
    group.group.move(1.5 * SESSION)
    group.wait(5 * SESSION)
    group.settle()
    assert one.kinds == ([] if group.protocol == "consumer" else ["lost", *["assign"] * (len(one.kinds) - 1)])


@pytest.mark.parametrize("protocol", ["cooperative-sticky", "range"])
def test_member_id_that_is_not_used_holds_up_nobody_for_long(protocol: Protocol) -> None:
    group = FollowedGroup("pending", protocol)
    (one,) = group.join(1)
    other = group.add()
    assert group.run(lambda: bool(group.group.classic.pending))
    other.process.kill()
    generation = group.group.generation
    group.group.force_rebalance()
    assert group.run(lambda: group.group.generation > generation, SESSION + 1)
    group.settle()
    assert len(one.partitions) == group.partitions


@pytest.mark.parametrize("protocol", ["cooperative-sticky", "range"])
def test_move_forgets_the_rebalance_under_way(protocol: Protocol) -> None:
    group = FollowedGroup("move", protocol)
    (one,) = group.join(1)
    (member_id, generation) = one.member
    one.polls = False  # so that a rebalance takes its time
    group.group.force_rebalance()
    group.group.move(1.0)
    group.wait(2.0)
    assert group.group.generation == generation
    assert group.group.check_commit(member_id, generation, transactional=True) is None
    one.polls = True
    group.settle()


@pytest.mark.parametrize("protocol", ["cooperative-sticky", "range"])
def test_move_fails_the_request_of_a_paused_member(protocol: Protocol) -> None:
    group = FollowedGroup("asking", protocol)
    group.add()
    group.settle()
    other = group.add()
    members = group.group.classic.members
    assert group.run(lambda: any(each.join_answer is not None for each in members.values()))
    other.process.pause(5.0)
    group.group.move(1.0)
    group.settle()


@pytest.mark.parametrize("protocol", ["cooperative-sticky", "range"])
def test_member_id_that_its_client_has_dropped_expires(protocol: Protocol) -> None:
    group = FollowedGroup("dropped", protocol)
    (one,) = group.join(1)
    (member_id, _), began = one.member, group.world.now
    one.membership.commit_refused(UNKNOWN)  # though the coordinator knows it
    assert one.member[0] == ""
    assert group.run(lambda: member_id not in group.group.member_ids)
    assert group.world.now - began <= SESSION
    group.settle()


def test_commits_are_checked_as_kafka_checks_them(group: FollowedGroup) -> None:
    one = group.add()
    assert group.group.check_commit("", -1, transactional=True) is None  # the group is empty
    assert group.group.check_commit("", -1, transactional=False) is None
    group.settle()
    (member_id, generation), check = one.member, group.group.check_commit
    assert check(member_id, generation, transactional=True) is None
    assert check(member_id, generation, transactional=False) is None
    assert check("", -1, transactional=True) is None  # nothing is checked
    assert check("", -1, transactional=False) == UNKNOWN
    assert check("another", generation, transactional=True) == UNKNOWN
    assert check(member_id, generation + 1, transactional=True) == ILLEGAL
    stale = KafkaError.STALE_MEMBER_EPOCH if group.protocol == "consumer" else ILLEGAL
    assert check(member_id, generation + 1, transactional=False) == stale
    group.group.expire(member_id)
    group.add()  # or the empty group lets anybody commit
    group.wait(0.05)
    assert check(member_id, generation, transactional=True) == UNKNOWN


def test_older_epoch_commits_what_the_member_has_kept() -> None:
    group = FollowedGroup("epochs", "consumer")
    (one,) = group.join(1)
    (member_id, epoch), before = one.member, one.partitions
    group.add()
    group.settle()
    check, given_up = group.group.check_commit, before - one.partitions
    assert one.member[1] > epoch
    assert check(member_id, epoch, transactional=True, partitions=one.partitions) is None
    assert check(member_id, epoch, transactional=True, partitions=given_up) == ILLEGAL
    assert check(member_id, epoch, transactional=False, partitions=given_up) == KafkaError.STALE_MEMBER_EPOCH


@pytest.mark.parametrize("protocol", ["cooperative-sticky", "range"])
def test_offset_commit_is_refused_while_a_classic_group_completes(protocol: Protocol) -> None:
    group = FollowedGroup("completing", protocol)
    (one,) = group.join(1)
    began = group.group.generation
    group.group.force_rebalance()
    assert group.run(lambda: group.group.generation > began)
    check, generation = group.group.check_commit, group.group.generation
    assert check(one.member[0], generation, transactional=False) == KafkaError.REBALANCE_IN_PROGRESS
    assert check(one.member[0], generation, transactional=True) is None


def _disturb(group: FollowedGroup) -> None:
    """Draw a fault."""
    random = group.world.random
    living = group.living()
    chosen = random.choice(living)
    match random.randrange(9):
        case 0 if group.group.member_ids:
            group.group.expire(random.choice(group.group.member_ids))
        case 1:
            group.group.move(random.random() * 2 * SESSION)
        case 2:
            chosen.process.pause(random.random() * 3 * SESSION)
        case 3:
            chosen.set_reachable(not chosen.reachable)
        case 4 if len(living) > 1:
            chosen.process.kill()
        case 5 if len(living) > 1 and not chosen.process.paused:
            chosen.close()
        case 6 if len(living) < 4:
            group.add()
        case 7:
            chosen.membership.commit_refused(random.choice([UNKNOWN, ILLEGAL]))
        case _:
            group.group.force_rebalance()


def _run_disturbed(seed: int, protocol: Protocol) -> FollowedGroup:
    group = FollowedGroup(seed, protocol)
    group.add()
    group.add()
    group.world.after(group.world.random.random() * 30, lambda: group.create_topic("logins", 3))
    for _ in range(12):
        group.wait(group.world.random.random() ** 2 * 15)
        _disturb(group)
    for each in group.living():
        each.set_reachable(True)
    group.settle()
    return group


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("part", range(3))
def test_no_partition_has_two_committing_owners(protocol: Protocol, part: int) -> None:
    for seed in range(part, 300, 3):
        _run_disturbed(seed, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_same_seed_gives_the_same_story(protocol: Protocol) -> None:
    one, other = (_run_disturbed(7, protocol).world.story for _ in range(2))
    assert one == other
