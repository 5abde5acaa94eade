from consumer.records import Gap, Partition


def test_a_gap_before_the_oldest_record_counts_what_was_never_seen() -> None:
    gap = Gap(Partition("sessions", 3), position=4, low=10, high=20)
    assert gap.never_seen == 6
    assert str(gap) == (
        "sessions, partition 3: offset 4 is next, but the oldest left is 10, so up to 6 records were never seen "
        "(retention took their offsets, of which some may have been transaction markers or aborted records); "
        "--on-gap continue goes on from offset 10"
    )


def test_a_gap_past_the_end_is_another_topic() -> None:
    gap = Gap(Partition("sessions", 3), position=25, low=10, high=20)
    assert gap.never_seen == 0
    assert str(gap) == (
        "sessions, partition 3: offset 25 is next, but the end is 20, so the topic was recreated or lost its end; "
        "it now holds 10 on; --on-gap continue goes on from offset 10"
    )
