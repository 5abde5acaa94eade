"""What the topics take: by their settings, by what the broker refuses."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from consumer.errors import RecordsRefusedError, RejectedRecord, Rejection, WorkerError
from consumer.stream.output_limits import (
    LEAST_BYTES,
    LEAST_RESULT_BYTES,
    OutputLimits,
    TopicLimits,
    TopicSettings,
    parse_limits,
)

NOW = 1_795_428_904_131
MINUTE = 60_000
CLIENT = 1_048_588
MOST = 1_000_000
DEFAULTS = {
    "max.message.bytes": "1048588",
    "segment.bytes": "1073741824",
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": str(2**63 - 1),
    "message.timestamp.after.max.ms": "3600000",
}


def limits(answers: Mapping[str, TopicSettings | None] | None = None) -> OutputLimits:
    def ask(topics: Sequence[str]) -> Mapping[str, TopicSettings | None]:
        return {topic: (answers or {}).get(topic) for topic in topics}

    return OutputLimits({"results": MOST, "letters": MOST}, CLIENT, ask, dead_letters="letters")


def refused(why: Rejection, *topics: str) -> RecordsRefusedError:
    return RecordsRefusedError("could not write", [RejectedRecord(topic, why) for topic in topics or ["results"]])


def until_given_up(
    found: OutputLimits, refuse: Callable[[], RecordsRefusedError], topic: str = "results"
) -> list[TopicLimits]:
    """The limits of a topic after each refusal, until nothing can be lowered."""
    seen: list[TopicLimits] = []
    try:
        while len(seen) < 100:
            found.lower(refuse())
            seen.append(found.of(topic))
    except WorkerError:
        return seen
    raise AssertionError("it goes on for ever")


class TestParse:
    def test_default_settings_accept_any_timestamp(self) -> None:
        found = parse_limits(DEFAULTS)
        assert (found.record_bytes, found.requires_key, found.any_timestamp) == (CLIENT, False, True)

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({"segment.bytes": "50000"}, 50_000),
            ({"max.message.bytes": "64000", "compression.type": "gzip"}, 63_000),
            ({"max.message.bytes": "64000", "compression.type": "uncompressed"}, 64_000),
        ],
    )
    def test_the_lowest_setting_bounds_a_record(self, changed: dict[str, str], expected: int) -> None:
        assert parse_limits(DEFAULTS | changed).record_bytes == expected

    @pytest.mark.parametrize("policy", ["compact", "compact,delete"])
    def test_a_compacted_topic_requires_a_key(self, policy: str) -> None:
        assert parse_limits(DEFAULTS | {"cleanup.policy": policy}).requires_key

    def test_timestamp_limits_have_slack(self) -> None:
        name = "message.timestamp.{}.max.ms"
        found = parse_limits(DEFAULTS | {name.format("after"): "60000", name.format("before"): "86400000"})
        assert (found.ahead_ms, found.past_ms) == (54_000, 86_390_000)
        times = np.array([NOW - 86_390_001, NOW - 86_390_000, NOW + 54_000, NOW + 54_001])
        assert found.accepts(times, NOW).tolist() == [False, True, True, False]

    def test_the_older_timestamp_setting_counts_both_ways(self) -> None:
        old = {name: value for name, value in DEFAULTS.items() if "before" not in name and "after" not in name}
        found = parse_limits(old | {"message.timestamp.difference.max.ms": "60000"})
        assert (found.ahead_ms, found.past_ms) == (54_000, 54_000)

    def test_log_append_time_accepts_any_timestamp(self) -> None:
        own = {"message.timestamp.type": "LogAppendTime", "message.timestamp.after.max.ms": "1"}
        assert parse_limits(DEFAULTS | own).any_timestamp


class TestAsked:
    def test_topic_client_and_setting_bound_a_record(self) -> None:
        found = limits({"results": DEFAULTS | {"max.message.bytes": "20000"}, "letters": DEFAULTS})
        found.load()
        assert found.of("results").record_bytes == 20_000
        assert found.of("letters").record_bytes == MOST
        assert found.batch_bytes == 20_000

    def test_unreadable_settings_leave_the_limit_of_the_client(self) -> None:
        found = limits()
        found.load()
        assert (found.of("results").record_bytes, found.batch_bytes) == (MOST, CLIENT)

    @pytest.mark.parametrize(("setting", "value"), [("max.message.bytes", "900"), ("segment.bytes", "16383")])
    def test_a_topic_too_small_for_dead_letters_is_refused(self, setting: str, value: str) -> None:
        found = limits({"letters": DEFAULTS | {setting: value, "compression.type": "zstd"}})
        message = rf"^{setting} of topic letters is {int(value):,}, and a dead letter may need 16,384: raise it$"
        with pytest.raises(WorkerError, match=message):
            found.load()

    def test_a_recompressing_topic_of_16_kib_is_accepted(self) -> None:
        found = limits({"letters": DEFAULTS | {"max.message.bytes": "16384", "compression.type": "zstd"}})
        found.load()
        assert found.of("letters").record_bytes == LEAST_BYTES - LEAST_BYTES // 64

    @pytest.mark.parametrize(("size", "batch"), [("900", 900), ("0", LEAST_RESULT_BYTES)])
    def test_results_can_have_limits_below_16_kib(self, size: str, batch: int) -> None:
        found = limits({"results": DEFAULTS | {"max.message.bytes": size}})
        found.load()
        assert (found.of("results").record_bytes, found.batch_bytes) == (int(size), batch)


class TestRefused:
    def test_a_refusal_reads_the_settings_again(self) -> None:
        answers = {"results": DEFAULTS}
        found = limits(answers)
        found.load()
        answers["results"] = DEFAULTS | {"max.message.bytes": "50000"}
        assert found.lower(refused(Rejection.SIZE))
        assert found.of("results").record_bytes == found.batch_bytes == 50_000

    @pytest.mark.parametrize(
        ("topic", "other", "least"), [("letters", "results", LEAST_BYTES), ("results", "letters", LEAST_RESULT_BYTES)]
    )
    def test_an_unexplained_size_is_halved_to_the_least(self, topic: str, other: str, least: int) -> None:
        found = limits()
        rounds = until_given_up(found, lambda: refused(Rejection.SIZE, topic), topic)
        assert [each.record_bytes for each in rounds] == [CLIENT // 2**n for n in range(1, len(rounds) + 1)]
        assert rounds[-1].record_bytes == least
        assert found.of(other).record_bytes == MOST

    def test_results_lowered_below_16_kib_are_accepted(self) -> None:
        answers = {"results": DEFAULTS}
        found = limits(answers)
        found.load()
        answers["results"] = DEFAULTS | {"max.message.bytes": "900"}
        assert found.lower(refused(Rejection.SIZE))
        assert found.of("results").record_bytes == 900

    def test_accepted_past_timestamps_are_not_limited(self) -> None:
        rounds = until_given_up(limits({"results": DEFAULTS}), lambda: refused(Rejection.DATE))
        assert [(each.ahead_ms, each.any_past) for each in rounds] == [(MINUTE, True), (0, True)]

    @pytest.mark.parametrize("settings", [DEFAULTS, None])
    def test_a_timestamp_always_refused_blames_the_clock(self, settings: TopicSettings | None) -> None:
        found = limits({"results": settings})
        until_given_up(found, lambda: refused(Rejection.DATE))
        with pytest.raises(WorkerError) as raised:
            found.lower(refused(Rejection.DATE))
        message = str(raised.value)
        assert message.startswith("could not write: topic results refuses even records dated now: ")
        assert "this host's clock is ahead of the brokers', or behind" in message
        assert "NTP" in message
        assert "\n" not in message

    def test_a_size_always_refused_does_not_blame_the_clock(self) -> None:
        found = limits()
        until_given_up(found, lambda: refused(Rejection.SIZE))
        with pytest.raises(WorkerError, match=r"^could not write$"):
            found.lower(refused(Rejection.SIZE))

    def test_unexplained_timestamps_are_limited_ahead_first(self) -> None:
        found = limits()
        rounds = until_given_up(found, lambda: refused(Rejection.DATE))
        assert [each.ahead_ms for each in rounds] == [MINUTE, 0, 0, 0, 0, 0]
        assert [each.past_ms for each in rounds[2:]] == [24 * 60 * MINUTE, 60 * MINUTE, MINUTE, 0]
        assert found.of("letters").any_timestamp

    def test_changed_timestamp_settings_are_read_again(self) -> None:
        answers = {"results": DEFAULTS}
        found = limits(answers)
        found.load()
        answers["results"] = DEFAULTS | {"message.timestamp.before.max.ms": "60000"}
        assert not found.lower(refused(Rejection.DATE))
        assert found.of("results") == TopicLimits(MOST, past_ms=54_000)

    def test_unreadable_settings_with_a_refused_key_require_keys(self) -> None:
        found = limits()
        found.lower(refused(Rejection.NO_KEY))
        assert found.of("results").requires_key

    def test_a_topic_without_compaction_refuses_the_timestamp(self) -> None:
        found = limits({"results": DEFAULTS})
        found.lower(refused(Rejection.NO_KEY))
        assert not found.of("results").requires_key
        assert found.of("results").ahead_ms == MINUTE

    def test_a_record_with_key_blames_the_timestamp(self) -> None:
        assert len(until_given_up(limits(), lambda: refused(Rejection.NO_KEY))) == 1 + 6

    def test_every_refused_topic_is_lowered(self) -> None:
        found = limits()
        found.lower(refused(Rejection.SIZE, "results", "letters"))
        assert {found.of(topic).record_bytes for topic in ("results", "letters")} == {CLIENT // 2}
