from consumer.kafka.statistics import OldestWait, PartitionProgress


def test_nothing_waits_where_all_is_read() -> None:
    waiting = OldestWait()
    assert waiting.update({0: PartitionProgress(5, 5)}, 100.0) == {0: 0.0}
    assert waiting.update({0: PartitionProgress(5, 5)}, 200.0) == {0: 0.0}


def test_the_age_grows_while_a_partition_stands_still_however_much_comes() -> None:
    waiting = OldestWait()
    ages = [waiting.update({0: PartitionProgress(5, 6 + second)}, float(second))[0] for second in range(7200)]
    assert ages == [float(second) for second in range(7200)]


def test_the_age_is_that_of_the_oldest_that_is_not_read_yet() -> None:
    waiting = OldestWait()
    waiting.update({0: PartitionProgress(0, 10)}, 0.0)
    waiting.update({0: PartitionProgress(0, 20)}, 30.0)
    assert waiting.update({0: PartitionProgress(9, 20)}, 40.0) == {0: 40.0}
    assert waiting.update({0: PartitionProgress(10, 20)}, 40.0) == {0: 10.0}
    assert waiting.update({0: PartitionProgress(20, 20)}, 50.0) == {0: 0.0}


def test_each_partition_has_its_own_and_one_that_went_is_forgotten() -> None:
    waiting = OldestWait()
    waiting.update({0: PartitionProgress(0, 10), 1: PartitionProgress(0, 1)}, 0.0)
    assert waiting.update({0: PartitionProgress(10, 10), 1: PartitionProgress(0, 1)}, 60.0) == {0: 0.0, 1: 60.0}
    assert waiting.update({0: PartitionProgress(10, 10)}, 70.0) == {0: 0.0}
    assert waiting.update({0: PartitionProgress(10, 10), 1: PartitionProgress(0, 1)}, 80.0) == {0: 0.0, 1: 0.0}


def test_what_is_to_be_read_again_waits_from_then_on() -> None:
    waiting = OldestWait()
    waiting.update({0: PartitionProgress(0, 10)}, 0.0)
    waiting.update({0: PartitionProgress(10, 10)}, 5.0)
    assert waiting.update({0: PartitionProgress(0, 10)}, 6.0) == {0: 0.0}
    assert waiting.update({0: PartitionProgress(0, 10)}, 8.0) == {0: 2.0}


def test_a_backlog_that_is_worked_off_is_as_old_as_its_oldest() -> None:
    """Ten a second come, five are read: the age grows by half a second each second, give or take the thinning."""
    waiting = OldestWait()
    for second in range(4000):
        age = waiting.update({0: PartitionProgress(5 * second, 10 * second + 10)}, float(second))[0]
    assert abs(age - 2000) < 2000 / 20


def test_in_a_topic_made_anew_nothing_of_the_old_one_waits() -> None:
    waiting = OldestWait()
    waiting.update({0: PartitionProgress(900, 1000)}, 0.0)
    assert waiting.update({0: PartitionProgress(50, 50)}, 10.0) == {0: 0.0}
    assert waiting.update({0: PartitionProgress(50, 60)}, 20.0) == {0: 0.0}
    assert waiting.update({0: PartitionProgress(50, 60)}, 25.0) == {0: 5.0}
