from consumer.kafka.statistics import OldestWait, PartitionProgress


def test_read_partition_does_not_wait() -> None:
    waiting = OldestWait()
    assert waiting.update({0: PartitionProgress(5, 5)}, 100.0) == {0: 0.0}
    assert waiting.update({0: PartitionProgress(5, 5)}, 200.0) == {0: 0.0}


def test_age_grows_while_a_partition_is_not_read() -> None:
    waiting = OldestWait()
    ages = [waiting.update({0: PartitionProgress(5, 6 + second)}, float(second))[0] for second in range(7200)]
    assert ages == [float(second) for second in range(7200)]


def test_age_is_that_of_the_oldest_unread_offset() -> None:
    waiting = OldestWait()
    waiting.update({0: PartitionProgress(0, 10)}, 0.0)
    waiting.update({0: PartitionProgress(0, 20)}, 30.0)
    assert waiting.update({0: PartitionProgress(9, 20)}, 40.0) == {0: 40.0}
    assert waiting.update({0: PartitionProgress(10, 20)}, 40.0) == {0: 10.0}
    assert waiting.update({0: PartitionProgress(20, 20)}, 50.0) == {0: 0.0}


def test_partitions_age_separately_and_revoked_ones_are_forgotten() -> None:
    waiting = OldestWait()
    waiting.update({0: PartitionProgress(0, 10), 1: PartitionProgress(0, 1)}, 0.0)
    assert waiting.update({0: PartitionProgress(10, 10), 1: PartitionProgress(0, 1)}, 60.0) == {0: 0.0, 1: 60.0}
    assert waiting.update({0: PartitionProgress(10, 10)}, 70.0) == {0: 0.0}
    assert waiting.update({0: PartitionProgress(10, 10), 1: PartitionProgress(0, 1)}, 80.0) == {0: 0.0, 1: 0.0}


def test_rewound_offsets_age_from_the_rewind() -> None:
    waiting = OldestWait()
    waiting.update({0: PartitionProgress(0, 10)}, 0.0)
    waiting.update({0: PartitionProgress(10, 10)}, 5.0)
    assert waiting.update({0: PartitionProgress(0, 10)}, 6.0) == {0: 0.0}
    assert waiting.update({0: PartitionProgress(0, 10)}, 8.0) == {0: 2.0}


def test_shrinking_backlog_is_as_old_as_its_oldest() -> None:
    """Ten a second come, five are read: the age grows by half a second each second, give or take the thinning."""
    waiting = OldestWait()
    for second in range(4000):
        age = waiting.update({0: PartitionProgress(5 * second, 10 * second + 10)}, float(second))[0]
    assert abs(age - 2000) < 2000 / 20


def test_recreated_topic_forgets_the_old_ends() -> None:
    waiting = OldestWait()
    waiting.update({0: PartitionProgress(900, 1000)}, 0.0)
    assert waiting.update({0: PartitionProgress(50, 50)}, 10.0) == {0: 0.0}
    assert waiting.update({0: PartitionProgress(50, 60)}, 20.0) == {0: 0.0}
    assert waiting.update({0: PartitionProgress(50, 60)}, 25.0) == {0: 5.0}
