import struct

from consumer.kafka.membership import InputTopics, Membership, is_member, member_id


def metadata(generation: int, member: bytes) -> bytes:
    return b"CGMDv2:" + struct.pack("=i", generation) + b"group\0" + member + b"\0\x01"


def test_member_needs_a_generation_and_an_id() -> None:
    assert is_member(metadata(1, b"worker-1"))
    assert member_id(metadata(1, b"worker-1")) == b"worker-1"
    assert not is_member(metadata(-1, b"worker-1"))
    assert not is_member(metadata(0, b"worker-1"))
    assert not is_member(metadata(1, b""))


def test_unknown_metadata_counts_as_a_member() -> None:
    assert is_member(b"CGMDv3:something else")


def test_memberships_differ_by_member_id_and_revocations() -> None:
    membership = Membership(b"worker-1", 0, metadata(1, b"worker-1"))
    assert membership == Membership(b"worker-1", 0, metadata(2, b"worker-1"))
    assert membership != Membership(b"worker-2", 0, metadata(1, b"worker-2"))
    assert membership != Membership(b"worker-1", 1, metadata(1, b"worker-1"))


def test_patterns_match_neither_outputs_nor_topics_of_kafka() -> None:
    inputs = InputTopics(("orders", "^shop-", "^none", "^__"), ("shop-results", "shop.x"))
    topics = ["orders", "orders-2", "shop-eu", "shop-results", "shop-results-2", "shop.x", "shop-x", "__offsets"]
    assert [topic for topic in topics if inputs.matches(topic)] == ["orders", "shop-eu", "shop-results-2", "shop-x"]
    assert inputs.unmatched(topics) == ["^none", "^__"]
