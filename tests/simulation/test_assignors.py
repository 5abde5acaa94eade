"""How the model of Kafka shares the partitions of several topics among members, some of whom know more topics."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.kafka.assignors import Assignment, Claim, assign_cooperatively, assign_ranges

Assign = Callable[[Mapping[str, Claim], Mapping[str, Sequence[int]]], Assignment]

TOPICS = {"orders": range(3), "logins": range(3, 6)}
BOTH, ONE = Claim(("logins", "orders")), Claim(("orders",))
CLAIMS = st.dictionaries(
    st.sampled_from("abcde"),
    st.builds(
        Claim,
        st.sampled_from([BOTH.topics, ONE.topics]),
        st.integers(-1, 3),
        st.frozensets(st.integers(0, 5), max_size=3),
    ),
    min_size=1,
)


def test_range_shares_each_topic_by_itself() -> None:
    # the example in librdkafka's rdkafka_range_assignor.c
    assert assign_ranges({"c0": BOTH, "c1": BOTH}, TOPICS) == {"c0": {0, 1, 3, 4}, "c1": {2, 5}}


def test_cooperative_sticky_shares_all_topics_as_one() -> None:
    assert sorted(map(len, assign_cooperatively({"c0": BOTH, "c1": BOTH}, TOPICS).values())) == [3, 3]


@pytest.mark.parametrize("assign", [assign_ranges, assign_cooperatively])
def test_topic_goes_to_members_that_know_it(assign: Assign) -> None:
    assert assign({"c0": ONE, "c1": BOTH}, TOPICS)["c1"] >= {3, 4, 5}


@pytest.mark.parametrize("assign", [assign_ranges, assign_cooperatively])
@given(claims=CLAIMS)
def test_no_partition_has_two_owners_or_one_that_does_not_know_it(assign: Assign, claims: dict[str, Claim]) -> None:
    topics = {topic: TOPICS[topic] for topic in TOPICS if any(topic in each.topics for each in claims.values())}

    assignment = assign(claims, topics)

    assigned = [number for numbers in assignment.values() for number in numbers]
    known = {name: {number for topic in claim.topics for number in TOPICS[topic]} for name, claim in claims.items()}
    assert len(assigned) == len(set(assigned))
    assert all(assignment[name] <= known[name] for name in claims)
    if assign is assign_ranges or not any(each.partitions for each in claims.values()):  # nothing has to change hands
        assert sorted(assigned) == sorted(number for numbers in topics.values() for number in numbers)
