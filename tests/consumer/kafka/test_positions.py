import struct

import pytest

from consumer.kafka.group_metadata import is_member, member_id
from consumer.kafka.positions import Gap, gap, made_anew


@pytest.mark.parametrize("position", [10, 15, 20])
def test_a_position_within_the_partition_or_at_its_end_is_no_gap(position: int) -> None:
    assert gap("sessions", 3, position, low=10, high=20) is None


def test_a_position_before_the_oldest_record_counts_what_was_never_seen() -> None:
    found = gap("sessions", 3, 4, low=10, high=20)
    assert found == Gap("sessions", 3, position=4, low=10, high=20)
    assert found.never_seen == 6
    assert str(found) == (
        "sessions, partition 3: offset 4 is next, but the oldest left is 10, so up to 6 records were never seen "
        "(retention took their offsets, of which some may have been transaction markers or aborted records); "
        "--on-gap continue goes on from offset 10"
    )


def test_a_position_past_the_end_is_another_topic() -> None:
    found = gap("sessions", 3, 25, low=10, high=20)
    assert found is not None
    assert found.never_seen == 0
    assert str(found) == (
        "sessions, partition 3: offset 25 is next, but the end is 20, so the topic was made anew or lost its end; "
        "it now holds 10 on; --on-gap continue goes on from offset 10"
    )


def metadata(generation: int, member: bytes) -> bytes:
    return b"CGMDv2:" + struct.pack("=i", generation) + b"group\0" + member + b"\0\x01"


def test_only_a_generation_and_a_name_make_a_member() -> None:
    assert is_member(metadata(1, b"worker-1"))
    assert member_id(metadata(1, b"worker-1")) == b"worker-1"
    assert not is_member(metadata(-1, b"worker-1"))
    assert not is_member(metadata(0, b"worker-1"))
    assert not is_member(metadata(1, b""))


def test_a_form_that_is_not_known_is_left_to_the_broker() -> None:
    assert is_member(b"CGMDv3:something else")


def test_of_a_topic_made_anew_it_is_said_what_was_passed_over() -> None:
    gaps = [Gap("sessions", 0, 0, 40, 100), Gap("sessions", 2, 0, 2, 90)]
    said = made_anew("sessions", gaps)
    assert said.startswith("sessions was deleted and made anew while this worker read it: reading went on in the new")
    assert "past at least 42 offsets that were never read (partition 0 before offset 40, partition 2 before" in said
    assert "once more what was read of the new one behind them; start again" in said
    assert ": nothing of the new one is known to be passed over; start" in made_anew("sessions", [])
