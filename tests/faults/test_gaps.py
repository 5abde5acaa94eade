"""Offsets that lead nowhere: retention was faster, the topic is another one, the group's offsets are gone."""

import dataclasses
import json
import signal
import time
from itertools import islice
from pathlib import Path

import httpx
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.faults.asking import ask, metric
from tests.support.end_to_end import SECONDS, Line, last_words, metrics_url, stop
from tests.support.waiting import wait_until
from tests.support.wire import Event, read, write
from training.synthetic.dataset import keyed_events

NEVER_SEEN = "session_scorer_events_never_seen_total"
SOON = ("-X", "topic.metadata.refresh.interval.ms=500")  # default 5 min: when new partitions, or a new topic, show


def feed(line: Line, count: int, *, seed: int, partition: int = 0) -> None:
    write(line.bootstrap, line.sessions, [Event(v, k, partition) for k, v in islice(keyed_events(seed), count)])


def take(line: Line, before: int, partition: int = 0) -> None:
    """As retention does: the records of the partition before this offset go."""
    where = TopicPartition(line.sessions, partition, before)
    ask(line.bootstrap, lambda client: client.delete_records([where]))


def scored(line: Line) -> list[tuple[int, int]]:
    """The places of the events that have a result, in order."""
    sources = [json.loads(result.value() or b"")["source"] for result in read(line.bootstrap, line.results)]
    return sorted((source["partition"], source["offset"]) for source in sources)


def test_retention_that_overtook_a_stopped_worker_stops_it_with_the_number_never_seen(
    line: Line, tmp_path: Path
) -> None:
    feed(line, 1000, seed=1)
    line.drain(tmp_path / "first", 1000)
    feed(line, 1000, seed=2)
    take(line, 1300)
    for start in ("second", "third"):
        log = tmp_path / start
        with line.running(log) as process:
            said = last_words(process, log)
        assert "offset 1000 is next, but the oldest left is 1300, so up to 300 records were never seen" in said
        assert "--on-gap continue" in said
        assert line.committed() == 1000


def test_with_on_gap_continue_it_goes_on_and_counts_the_number_never_seen(line: Line, tmp_path: Path) -> None:
    feed(line, 1000, seed=1)
    line.drain(tmp_path / "first", 1000)
    feed(line, 1000, seed=2)
    take(line, 1300)
    log = tmp_path / "second"
    with line.running(log, "--on-gap", "continue") as process:
        line.wait_for(lambda count: count == 2000, process)
        assert metric(log, NEVER_SEEN) == 300
        assert stop(process) == 0
    assert '"records": 300' in log.read_text() or '"records":300' in log.read_text()
    assert scored(line) == [(0, offset) for offset in range(2000) if not 1000 <= offset < 1300]


@pytest.mark.parametrize("on_gap", ["stop", "continue"])
def test_retention_that_overtakes_a_worker_that_runs_but_is_too_slow(line: Line, on_gap: str, tmp_path: Path) -> None:
    feed(line, 1000, seed=1)
    log = tmp_path / "log"
    with line.running(log, "--on-gap", on_gap) as process:
        line.wait_for(lambda count: count == 1000, process)
        time.sleep(1)
        process.send_signal(signal.SIGSTOP)
        for seed in range(2, 7):
            feed(line, 1000, seed=seed)  # more than one fetch, which may be on its way
        take(line, 5500)
        process.send_signal(signal.SIGCONT)
        if on_gap == "stop":
            said = last_words(process, log)
            never = int(said.split("so up to ")[1].split(" records were never seen")[0])
            assert line.committed() == 5500 - never < 5500
            return
        line.wait_for(lambda count: count == 6000, process)
        never = int(metric(log, NEVER_SEEN))
        assert stop(process) == 0
    assert 0 < never <= 4500
    assert scored(line) == [(0, offset) for offset in range(6000) if not 5500 - never <= offset < 5500]


def anew(line: Line) -> None:
    """Deletes the topic and makes it again."""
    delete(line)
    create(line)


def delete(line: Line) -> None:
    """Delete the input topic."""
    client = AdminClient({"bootstrap.servers": line.bootstrap, "log_level": 0})
    client.delete_topics([line.sessions])[line.sessions].result(SECONDS)
    wait_until(lambda: leaders(client, line.sessions) == 0)


def create(line: Line) -> None:
    """Create the input topic."""
    topic, client = line.sessions, AdminClient({"bootstrap.servers": line.bootstrap, "log_level": 0})
    new = NewTopic(topic, num_partitions=line.partitions, replication_factor=-1)
    wait_until(lambda: client.create_topics([new])[topic].exception(SECONDS) is None)
    wait_until(lambda: leaders(client, topic) == line.partitions)


def leaders(client: AdminClient, topic: str) -> int:
    """Count the partitions that have a leader."""
    found = client.list_topics(timeout=SECONDS).topics.get(topic)
    return sum(each.leader >= 0 for each in found.partitions.values()) if found else 0


def test_a_topic_made_anew_while_the_worker_is_stopped_is_read_from_its_beginning(line: Line, tmp_path: Path) -> None:
    """Kafka 4.3 deletes a group's offsets together with their topic."""
    feed(line, 1000, seed=1)
    line.drain(tmp_path / "first", 1000)
    anew(line)
    feed(line, 500, seed=2)
    line.drain(tmp_path / "second", 500)
    assert scored(line) == sorted([(0, offset) for offset in range(1000)] + [(0, offset) for offset in range(500)])


@pytest.mark.parametrize("on_gap", ["stop", "continue"])
def test_offsets_past_the_end_of_a_topic_made_anew_are_never_reset_in_silence(
    line: Line, on_gap: str, tmp_path: Path
) -> None:
    """Where offsets outlive their topic: brokers before Kafka 4, a topic restored from a copy."""
    feed(line, 500, seed=1)
    stale = ConsumerGroupTopicPartitions(line.group, [TopicPartition(line.sessions, 0, 1000)])
    ask(line.bootstrap, lambda client: client.alter_consumer_group_offsets([stale]))
    log = tmp_path / "log"
    with line.running(log, "--on-gap", on_gap) as process:
        if on_gap == "stop":
            said = last_words(process, log)
            assert "offset 1000 is next, but the end is 500, so the topic was recreated or lost its end" in said
            assert "--on-gap continue goes on from offset 0" in said
            assert line.committed() == 1000
            return
        line.wait_for(lambda count: count == 500, process)
        assert stop(process) == 0
    assert "went on past a gap" in log.read_text()
    assert scored(line) == [(0, offset) for offset in range(500)]


@pytest.mark.parametrize("on_gap", ["stop", "continue"])
@pytest.mark.parametrize(("new", "passed_over"), [(500, 0), (1500, 1000)])
def test_a_topic_made_anew_under_a_running_worker_loses_nothing_in_silence(
    line: Line, on_gap: str, new: int, passed_over: int, tmp_path: Path
) -> None:
    """Also when the new one has already grown past the offset that was next in the old one."""
    feed(line, 1000, seed=1)
    log = tmp_path / "log"
    with line.running(log, "--on-gap", on_gap) as process:
        line.wait_for(lambda count: count == 1000, process)
        time.sleep(3)  # it looks once a second whether the topic is the same
        process.send_signal(signal.SIGSTOP)
        anew(line)
        feed(line, new, seed=2)
        process.send_signal(signal.SIGCONT)
        if on_gap == "continue":
            line.wait_for(lambda count: count == new, process)
            wait_until(lambda: "went on in a topic made anew" in log.read_text())
            wait_until(lambda: metric(log, NEVER_SEEN) == passed_over)
            assert stop(process) == 0
        else:
            said = last_words(process, log)
            assert f"{line.sessions} was deleted and recreated while this worker read it" in said
            assert not passed_over or f"past at least {passed_over} offsets that were never read" in said
            assert passed_over or "nothing of the new one is known to be passed over" in said
    if line.committed() != new:  # the stop may come before anything of the new topic is scored
        line.drain(tmp_path / "again", new)
    assert 1000 + new - passed_over <= len(scored(line)) <= 1000 + new


def ready(log: Path) -> tuple[int, str]:
    """What /readyz of the worker that wrote this log answers."""
    answer = httpx.get(metrics_url(log).replace("/metrics", "/readyz"), timeout=SECONDS)
    return answer.status_code, answer.text


def test_a_deleted_topic_is_told_within_ten_seconds(line: Line, tmp_path: Path) -> None:
    feed(line, 10, seed=1)
    log = tmp_path / "log"
    with line.running(log) as process:
        line.wait_for(lambda count: count == 10, process)
        wait_until(lambda: ready(log)[0] == 200)
        time.sleep(3)  # it asks once a second which topic it is
        ask(line.bootstrap, lambda client: client.delete_topics([line.sessions]))
        gone = f"input topic {line.sessions} is gone: it was deleted\n"
        wait_until(lambda: ready(log) == (503, gone), seconds=20)  # promised: 10
        assert log.read_text().count('"the input topic is gone"') == 1
        assert stop(process) == 0


def test_a_topic_that_is_missing_for_a_while_is_waited_for(line: Line, tmp_path: Path) -> None:
    """Deleted, or denied by a broker that is just back: the client says so at its next look at the topics."""
    feed(line, 10, seed=1)
    log = tmp_path / "log"
    with line.running(log, "--on-gap", "continue", *SOON) as process:
        line.wait_for(lambda count: count == 10, process)
        wait_until(lambda: ready(log)[0] == 200)
        delete(line)
        wait_until(lambda: "Subscribed topic not available" in log.read_text())
        wait_until(lambda: ready(log)[0] == 503)
        create(line)
        feed(line, 5, seed=2)
        line.wait_for(lambda count: count == 5, process)
        wait_until(lambda: ready(log)[0] == 200)
        assert stop(process) == 0
    assert len(scored(line)) == 10 + 5


@pytest.mark.parametrize("on_gap", ["stop", "continue"])
def test_nothing_is_called_never_seen_of_a_topic_made_anew_that_was_read_from_its_beginning(
    line: Line, on_gap: str, tmp_path: Path
) -> None:
    """Its offsets go with the topic, and what it reads of the new one soon lies behind where it was in the old one."""
    feed(line, 10, seed=1)
    log = tmp_path / "log"
    with line.running(log, "--on-gap", on_gap, *SOON) as process:
        line.wait_for(lambda count: count == 10, process)
        wait_until(lambda: ready(log)[0] == 200)
        time.sleep(3)
        anew(line)
        feed(line, 5, seed=2)
        line.wait_for(lambda count: count == 5, process)
        feed(line, 20, seed=3)
        if on_gap == "stop":
            said = last_words(process, log)
            assert "nothing of the new one is known to be passed over" in said
        else:
            line.wait_for(lambda count: count == 25, process)
            wait_until(lambda: "went on in a topic made anew" in log.read_text())
            assert metric(log, NEVER_SEEN) == 0
            assert stop(process) == 0
    if on_gap == "stop" and line.committed() != 25:
        line.drain(tmp_path / "again", 25)
    assert len(scored(line)) == 10 + 25


def test_partitions_added_while_it_runs_are_read_from_their_beginning(line: Line, tmp_path: Path) -> None:
    planted = line.feed(2000)
    with line.running(tmp_path / "log", *SOON) as process:
        line.wait_for(lambda count: count > 0, process)
        wider = dataclasses.replace(line, partitions=6)
        wanted = NewPartitions(line.sessions, wider.partitions)
        ask(line.bootstrap, lambda client: client.create_partitions([wanted]))
        for partition in (4, 5):
            feed(line, 500, seed=partition, partition=partition)
        wider.wait_for(lambda count: count == 3000, process)
        assert stop(process) == 0
    report = wider.check(planted)
    assert report.faults() == {}
    assert report.counts["inputs"] == 3000


def test_a_group_whose_offsets_expired_begins_anew_with_the_oldest_event_and_loses_none(
    line: Line, tmp_path: Path
) -> None:
    """Kafka drops the offsets of a group that was empty for 7 days: what is still there is scored again."""
    feed(line, 1000, seed=1)
    line.drain(tmp_path / "first", 1000)
    ask(line.bootstrap, lambda client: client.delete_consumer_groups([line.group]))
    feed(line, 500, seed=2)
    line.drain(tmp_path / "second", 1500)
    report = line.check({})
    assert report.missing == report.out_of_order == report.differing == report.wrong_topic == []
    assert scored(line) == sorted([(0, offset) for offset in range(1000)] + [(0, offset) for offset in range(1500)])
