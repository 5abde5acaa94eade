"""What a batch becomes, message by message."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.formats import JsonValues, ReadValues, read_json
from consumer.records import Batch, BatchStats, Headers, Output, OutRecord, Partition, UnreadableBatch
from consumer.stream import dead_letters
from consumer.stream.output_limits import LEAST_BYTES, LEAST_RESULT_BYTES, TopicLimits
from consumer.stream.pipeline import Pipeline, Topics
from consumer.stream.record_size import record_bytes
from scoring import InvalidEvent
from scoring.decoding import join_values
from tests.support import schema_validation
from tests.support.artifacts import hand_computed
from tests.support.artifacts.hand_computed import batch
from tests.support.strategies import any_bytes

NOW = 1_795_428_904_131  # 2026-11-23T10:15:04.131Z
MINUTE = 60_000
GOLDEN = Path(__file__).parents[1] / "golden"

QUIET = b'{"user_id": "user_198", "transaction_amount": 20, "click_events": 3}'
MEDIUM = b'{"transaction_amount": 20, "click_events": 31}'
HIGH = b"""{"session_id": "session_2890", "user_id": "user_198", "transaction_amount": 12000.5,
  "click_events": 37, "time_on_page": 600, "device_type": "Mobile", "touch_events": 3, "note": {"a": ["\\u00e9"]}}"""


def run(
    given: Batch, max_record_bytes: int = 1_000_000, read_values: ReadValues = read_json, **limits_of: TopicLimits
) -> Output:
    """What becomes of the batch, each message held to its schema; `limits_of` results, alerts, dead_letters."""
    topics = Topics("session-results", "session-alerts", "session-dead-letters")

    def limits(topic: str) -> TopicLimits:
        return limits_of.get(topic.removeprefix("session-").replace("-", "_"), TopicLimits(max_record_bytes))

    output = Pipeline(hand_computed.scorer(), topics, "fraud", limits, lambda: NOW, read_values).process(given)
    for record in output.records:
        schema_validation.hold(record.topic, record.value, record.headers)
    return output


def to(topic: str, output: Output) -> list[OutRecord]:
    return [record for record in output.records if record.topic == f"session-{topic}"]


def remedy(name: str) -> str:
    return (
        f"{GOLDEN / name} says otherwise: if the message has changed on purpose (fields are only ever added), "
        "correct it by hand and run python -m tools.make_messages"
    )


def test_a_result_matches_the_golden_file() -> None:
    [result] = to("results", run(batch(QUIET)))
    assert result.value == (GOLDEN / "result.json").read_bytes().rstrip(b"\n"), remedy("result.json")
    assert result[1] == b"user_198"
    assert result.headers == [("model_version", b"2026.11.23-5f0c2a9b")]
    assert result.timestamp == 1_795_428_904_118


def test_an_alert_matches_the_golden_file() -> None:
    output = run(batch(HIGH))
    [alert], [result] = to("alerts", output), to("results", output)
    assert alert.value == (GOLDEN / "alert.json").read_bytes().rstrip(b"\n"), remedy("alert.json")
    assert alert.value is not None
    assert result.value is not None
    assert alert.value.startswith(result.value[:-1])
    assert (alert.key, alert.headers, alert.timestamp) == (result.key, result.headers, result.timestamp)


def test_a_dead_letter_matches_the_golden_file() -> None:
    [letter] = to("dead-letters", run(batch(b'{"click_events": "7"}', headers=[("trace", b"\x00\xff")])))
    seen = {"key": letter.key, "value": letter.value, "timestamp": letter.timestamp, "headers": letter.headers}
    golden = (GOLDEN / "dead_letter.json").read_text()
    assert json.dumps(seen, indent=1, default=lambda raw: raw.decode("latin1")) + "\n" == golden, remedy(
        "dead_letter.json"
    )


def test_a_result_embeds_its_event_byte_for_byte() -> None:
    [result] = to("results", run(batch(HIGH)))
    assert result.value is not None
    assert result.value.endswith(b'"event":' + HIGH + b"}")


def test_identities_keep_every_digit() -> None:
    event = b'{"user_id": 123456789012345678901234567890, "session_id": "caf\\u00e9"}'
    [result] = to("results", run(batch(event)))
    assert result.value is not None
    assert '"session_id":"café","user_id":123456789012345678901234567890,'.encode() in result.value


def test_an_absent_or_null_identity_is_left_out() -> None:
    [result] = to("results", run(batch(b'{"user_id": null}')))
    assert result.value is not None
    verdict = json.loads(result.value)
    assert "user_id" not in verdict
    assert "session_id" not in verdict


@given(st.lists(st.none() | any_bytes(), max_size=4), st.sampled_from((400, 700, 1_000_000)), st.integers(-1, 1 << 61))
def test_output_follows_the_schemas_for_any_input(
    values: list[bytes | None], max_record_bytes: int, timestamp: int
) -> None:
    live = [value for value in values if value is not None]
    output = run(batch(*values, timestamps=[timestamp] * len(values)), max_record_bytes)
    assert len(to("results", output)) + len(to("dead-letters", output)) == len(live)


def test_an_invalid_event_leaves_its_batch_unharmed() -> None:
    output = run(batch(QUIET, b"{", HIGH, b"[]", MEDIUM))
    assert offsets(to("results", output)) == [1842, 1844, 1846]
    assert [letter.value for letter in to("dead-letters", output)] == [b"{", b"[]"]
    assert output.stats.dead_letter_flags == [False, True, False, True, False]


def test_a_tombstone_is_counted_as_skipped() -> None:
    output = run(batch(None, QUIET, None))
    assert offsets(to("results", output)) == [1843]
    assert len(output.records) == 1
    assert (output.stats.skipped, output.stats.scored) == (2, 1)


def test_an_empty_value_becomes_an_empty_dead_letter() -> None:
    [letter] = to("dead-letters", run(batch(b"")))
    assert letter.value == b""
    assert header(letter, "dead_letter.code") == b"not_json"


def test_an_empty_batch_has_no_output() -> None:
    assert run(batch()).records == []


def test_only_high_results_become_alerts() -> None:
    output = run(batch(QUIET, MEDIUM, HIGH))
    assert output.stats.levels == {"Low": 1, "Medium": 1, "High": 1}
    assert offsets(to("alerts", output)) == [1844]


def test_input_headers_are_kept_except_model_version() -> None:
    came: Headers = [("trace", b"1"), ("model_version", b"forged"), ("trace", None)]
    [result] = to("results", run(batch(QUIET, headers=came)))
    assert result.headers == [("trace", b"1"), ("trace", None), ("model_version", b"2026.11.23-5f0c2a9b")]


def test_trace_headers_are_kept_on_every_output() -> None:
    trace: Headers = [
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", b"v=1"),
    ]
    output = run(batch(HIGH, b"{", headers=trace))
    assert {record.topic for record in output.records} == {
        f"session-{each}" for each in ("results", "alerts", "dead-letters")
    }
    assert all(record.headers[:2] == trace for record in output.records)


@pytest.mark.parametrize("timestamp", [0, -1, NOW + 10 * MINUTE + 1, 1 << 60])
def test_a_refused_timestamp_moves_to_a_header(timestamp: int) -> None:
    output = run(batch(QUIET, b"{", timestamps=[timestamp, timestamp]))
    assert [record.timestamp for record in output.records] == [NOW, NOW]
    assert [header(record, "source_timestamp") for record in output.records] == [str(timestamp).encode()] * 2
    assert len(output.stats.timestamps) == 0


@pytest.mark.parametrize("timestamp", [1, NOW, NOW + 10 * MINUTE])
def test_a_timestamp_ten_minutes_ahead_is_kept(timestamp: int) -> None:
    output = run(batch(QUIET, timestamps=[timestamp]))
    assert [record.timestamp for record in output.records] == [timestamp]
    assert output.stats.timestamps.tolist() == [timestamp]


def test_a_missing_timestamp_is_null_in_the_source() -> None:
    [result] = to("results", run(batch(QUIET, timestamps=[-1])))
    assert json.loads(result.value or b"")["source"]["timestamp"] is None


def test_a_result_too_large_loses_its_event() -> None:
    event = QUIET[:-1] + b', "padding": "' + b"x" * 5000 + b'"}'
    [result] = run(batch(event), max_record_bytes=2000).records
    verdict = json.loads(result.value or b"")
    assert "event" not in verdict
    assert verdict["event_bytes"] == len(event)
    assert verdict["event_sha256"] == hashlib.sha256(event).hexdigest()


def test_a_padded_event_still_raises_its_alert() -> None:
    event = HIGH[:-1] + b', "padding": "' + b"x" * 5000 + b'"}'
    output = run(batch(event), max_record_bytes=2500)
    [alert] = to("alerts", output)
    assert json.loads(alert.value or b"")["event_bytes"] == len(event)
    assert len(to("results", output)) == 1


def test_an_alert_can_lose_the_event_alone() -> None:
    event = HIGH[:-1] + b', "padding": "' + b"x" * 5000 + b'"}'
    [result] = to("results", run(batch(event)))
    output = run(batch(event), max_record_bytes=len(result.value or b"") + 250)
    assert "event" in json.loads(to("results", output)[0].value or b"")
    assert "event_bytes" in json.loads(to("alerts", output)[0].value or b"")


def test_an_event_that_fits_nowhere_becomes_a_dead_letter() -> None:
    event = b'{"session_id": "' + b"x" * 5000 + b'"}'
    output = run(batch(event), max_record_bytes=2000)
    [letter] = output.records
    assert letter.topic == "session-dead-letters"
    assert letter.value is None
    assert header(letter, "dead_letter.code") == b"too_large"
    assert set(output.stats.imputed.values()) == {0}  # gaps are those of scored events
    assert header(letter, "dead_letter.value_bytes") == str(len(event)).encode()
    assert header(letter, "dead_letter.value_sha256") == hashlib.sha256(event).hexdigest().encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_result_loses_its_event_before_its_headers() -> None:
    came: Headers = [("", b"")] * 2000
    [result] = run(batch(QUIET, headers=came), max_record_bytes=4000).records
    assert result.headers == [("model_version", b"2026.11.23-5f0c2a9b")]
    assert result.key == b"user_198"
    verdict = json.loads(result.value or b"")
    assert (verdict["event_bytes"], verdict["event_sha256"]) == (len(QUIET), sha256(QUIET))
    assert "key_bytes" not in verdict


def test_a_result_without_its_event_keeps_headers_that_fit() -> None:
    event = QUIET[:-1] + b', "padding": "' + b"x" * 5000 + b'"}'
    [result] = run(batch(event, headers=[("trace", b"1")]), max_record_bytes=4000).records
    assert result.headers[0] == ("trace", b"1")


@pytest.mark.parametrize(("requires_key", "stand_in"), [(False, None), (True, sha256(b"k" * 9000).encode())])
def test_a_key_too_large_becomes_size_and_hash(requires_key: bool, stand_in: bytes | None) -> None:
    key = b"k" * 9000
    limits = TopicLimits(4000, requires_key)
    output = run(batch(HIGH, headers=[("trace", b"1")], keys=[key]), results=limits, alerts=limits)
    for record in output.records:
        verdict = json.loads(record.value or b"")
        assert (verdict["key_bytes"], verdict["key_sha256"]) == (len(key), sha256(key))
        assert verdict["event_bytes"] == len(HIGH)
        assert (record.key, record.headers) == (stand_in, [("model_version", b"2026.11.23-5f0c2a9b")])
    assert len(to("results", output)) == len(to("alerts", output)) == 1


def test_results_and_alerts_are_reduced_independently() -> None:
    output = run(batch(HIGH, keys=[b"k" * 9000]), results=TopicLimits(20_000), alerts=TopicLimits(4000))
    [result], [alert] = to("results", output), to("alerts", output)
    assert (result.key, alert.key) == (b"k" * 9000, None)
    assert "event" in json.loads(result.value or b"")
    assert "key_bytes" in json.loads(alert.value or b"")


def test_every_result_exceeds_the_least_limit() -> None:
    least = TopicLimits(LEAST_RESULT_BYTES)
    output = run(batch(QUIET, HIGH), results=least, alerts=least)
    assert [dict(record.headers)["dead_letter.code"] for record in to("dead-letters", output)] == [b"too_large"] * 2
    assert len(output.records) == 2


def test_an_alert_that_fits_nowhere_becomes_a_dead_letter() -> None:
    output = run(batch(QUIET, HIGH, QUIET), alerts=TopicLimits(400))
    assert offsets(to("results", output)) == [1842, 1844]
    assert to("alerts", output) == []
    [letter] = to("dead-letters", output)
    assert (letter.value, header(letter, "dead_letter.code")) == (HIGH, b"too_large")
    assert output.stats.levels == {"Low": 2, "Medium": 0, "High": 0}


def test_a_missing_key_is_filled_on_compacted_topics() -> None:
    limits = TopicLimits(1_000_000, requires_key=True)
    output = run(batch(QUIET, b"{", HIGH, keys=[None, None, None]), results=limits, alerts=limits, dead_letters=limits)
    keys = [record.key for record in output.records]
    assert keys == [b"sessions-3-1842", b"sessions-3-1844", b"sessions-3-1844", b"sessions-3-1843"]


LETTER = TopicLimits(3000)


def test_a_dead_letter_loses_its_value_first() -> None:
    came: Headers = [("trace", b"1")]
    [letter] = run(batch(b"{" * 5000, headers=came), dead_letters=LETTER).records
    assert (letter.value, letter.key, letter.headers[0]) == (None, b"user_198", came[0])
    assert header(letter, "dead_letter.value_bytes") == b"5000"
    assert header(letter, "dead_letter.value_sha256") == sha256(b"{" * 5000).encode()


def test_a_dead_letter_loses_the_input_headers_second() -> None:
    came: Headers = [("", None)] * 2000
    [letter] = run(batch(b"{", headers=came), dead_letters=LETTER).records
    assert (letter.value, letter.key) == (None, b"user_198")
    assert all(name.startswith(("__connect.errors.", "dead_letter.")) for name, _ in letter.headers)
    assert header(letter, "dead_letter.headers_bytes") == b"4000"
    assert header(letter, "dead_letter.headers_sha256") == sha256(b"\x00\x01" * 2000).encode()
    assert "dead_letter.key_bytes" not in dict(letter.headers)


@pytest.mark.parametrize(("requires_key", "stand_in"), [(False, None), (True, sha256(b"k" * 9000).encode())])
def test_a_dead_letter_loses_its_key_last(requires_key: bool, stand_in: bytes | None) -> None:
    [letter] = run(batch(b"{", keys=[b"k" * 9000]), dead_letters=TopicLimits(3000, requires_key)).records
    assert (letter.value, letter.key) == (None, stand_in)
    assert header(letter, "dead_letter.key_bytes") == b"9000"
    assert header(letter, "dead_letter.key_sha256") == sha256(b"k" * 9000).encode()


@given(any_bytes(), st.binary(max_size=30_000), st.lists(st.tuples(st.text(max_size=3), st.binary(max_size=9000))))
def test_the_smallest_dead_letter_fits_16_kib(value: bytes, key: bytes, headers: Headers) -> None:
    too_large = b'{"session_id": "' + b"x" * 20_000 + b'"}'
    for event in (value, b"{", too_large):
        output = run(batch(event, keys=[key], headers=headers), max_record_bytes=LEAST_BYTES)
        for record in output.records:
            assert record_bytes(record.key, record.value, record.headers) <= LEAST_BYTES


def test_timestamps_follow_the_limits_of_the_topic() -> None:
    times = [NOW - 2 * MINUTE, NOW - 2 * MINUTE]
    output = run(batch(HIGH, b"{", timestamps=times), alerts=TopicLimits(1_000_000, past_ms=MINUTE))
    [result], [alert], [letter] = (to(name, output) for name in ("results", "alerts", "dead-letters"))
    assert (result.timestamp, alert.timestamp, letter.timestamp) == (times[0], NOW, times[0])
    assert header(alert, "source_timestamp") == str(times[0]).encode()
    assert "source_timestamp" not in dict(result.headers) | dict(letter.headers)
    assert output.stats.timestamps.tolist() == [times[0]]


def test_a_reduced_result_keeps_its_source_timestamp() -> None:
    limits = TopicLimits(4000, past_ms=MINUTE)
    [result] = run(batch(QUIET, timestamps=[NOW - 2 * MINUTE], headers=[("", b"")] * 3000), results=limits).records
    assert dict(result.headers)["source_timestamp"] == str(NOW - 2 * MINUTE).encode()
    assert len(result.headers) == 2


def test_a_reduced_dead_letter_keeps_its_code() -> None:
    [letter] = run(batch(b"{" * 5000), max_record_bytes=2000).records
    assert letter.value is None
    assert header(letter, "dead_letter.code") == b"too_deep"


def test_dead_letters_keep_the_order_of_the_batch() -> None:
    too_large = b'{"session_id": "' + b"x" * 5000 + b'"}'
    letters = to("dead-letters", run(batch(b"{", too_large, b"[]"), max_record_bytes=2000))
    assert [header(letter, "__connect.errors.offset") for letter in letters] == [b"1842", b"1843", b"1844"]


def test_a_redriven_record_counts_its_attempts() -> None:
    [letter] = run(batch(b"{", headers=dead_letters.redrive_headers(2))).records
    assert header(letter, "dead_letter.attempts") == b"3"
    assert [name for name, _ in letter.headers].count("dead_letter.attempts") == 1


@pytest.mark.parametrize("date", [b"9" * 20_000, b"x" * 20_000])
def test_forged_redrive_headers_do_not_inflate_dead_letters(date: bytes) -> None:
    forged: Headers = [("dead_letter.attempts", b"1"), ("source_timestamp", date), ("dead_letter.attempts", b"2")]
    [letter] = run(batch(b"{", headers=forged), max_record_bytes=LEAST_BYTES).records
    assert record_bytes(letter.key, letter.value, letter.headers) <= LEAST_BYTES
    assert header(letter, "dead_letter.attempts") == b"1"


def test_an_unreadable_batch_becomes_one_dead_letter() -> None:
    unreadable = UnreadableBatch(Partition("sessions", 3), 1842, 1850, "its checksum is wrong")
    standing = Batch.of_unreadable(unreadable)
    assert standing.next_offsets() == {unreadable.partition: 1850}
    output = run(standing)
    (letter,) = output.records
    assert letter[:3] == ("session-dead-letters", b"sessions-3-1842", None)
    assert letter.timestamp == NOW
    assert header(letter, "dead_letter.code") == b"unreadable_batch"
    assert header(letter, "__connect.errors.offset") == b"1842"
    stats = output.stats
    assert (stats.scored, stats.dead_lettered, stats.skipped) == (0, 1, 0)
    assert (stats.dead_letter_codes, stats.dead_letter_flags) == ({"unreadable_batch": 1}, [True])
    assert BatchStats.merge([stats, run(batch(QUIET)).stats]).scored == 1


def test_an_events_own_attempts_header_is_kept() -> None:
    [letter] = run(batch(b"{", headers=[("dead_letter.attempts", b"3")])).records
    assert header(letter, "dead_letter.attempts") == b"1"
    assert header(letter, "original.dead_letter.attempts") == b"3"


def test_an_events_own_source_timestamp_is_kept() -> None:
    own: Headers = [("source_timestamp", b"own")]
    [letter] = run(batch(b"{", headers=own, timestamps=[-1])).records
    assert [each for each in letter.headers if "source_timestamp" in each[0]] == [
        ("original.source_timestamp", b"own"),
        ("source_timestamp", b"-1"),
    ]


def test_headers_hold_no_value_of_the_event() -> None:
    [letter] = run(batch(b'{"device_type": 4711, "transaction_amount": "4711"}')).records
    assert not any(b"4711" in (value or b"") for _, value in letter.headers)


def test_the_stats_count_gaps_and_unseen_categories() -> None:
    stats = run(batch(b'{"device_type": "Toaster"}', b"{}")).stats
    assert stats.unseen["device_type"] == 1
    assert stats.imputed["device_type"] == 1
    assert stats.imputed["transaction_date"] == 2
    assert set(stats.stage_seconds) == {"decode", "score", "encode"}


def test_the_stats_count_the_reasons_of_results() -> None:
    output = run(batch(QUIET, MEDIUM, HIGH, HIGH, b"broken"))
    given = Counter(
        code for result in to("results", output) for code in json.loads(result.value or b"")["reason_codes"]
    )
    assert output.stats.reasons == given
    assert given["unusual_time_on_page"] == 2
    assert "" not in given


def test_a_dead_letter_counts_no_reason() -> None:
    output = run(batch(HIGH), max_record_bytes=300)
    assert to("results", output) == []
    assert output.stats.reasons == {}


def reversed_values(given: Batch) -> JsonValues:
    """Read values that are JSON backwards, of which `bad` is invalid; each has its size as origin."""
    values = [value or b"" for value in given.values]
    faults = {row: InvalidEvent("not_avro", None, "bad") for row, value in enumerate(values) if value == b"bad"}
    texts = [b"" if row in faults else value[::-1] for row, value in enumerate(values)]
    origins = [b',"event_schema_id":%d,"event_sha256":"%b"' % (len(each), sha256(each).encode()) for each in values]
    return JsonValues(join_values(texts), faults, origins)


def test_an_event_of_another_format_is_json_and_has_its_origin() -> None:
    values = [QUIET[::-1], None, b"bad", HIGH[::-1], b"}"]

    output = run(batch(*values), read_values=reversed_values)

    results, [alert] = to("results", output), to("alerts", output)
    for result, event in zip(results, (QUIET, HIGH), strict=True):
        origin = b'"event_schema_id":%d,"event_sha256":"%b"}' % (len(event), sha256(event[::-1]).encode())
        assert (result.value or b"").endswith(b'"event":%b,%b' % (event, origin))
    assert json.loads(alert.value or b"")["event_schema_id"] == len(HIGH)
    letters = to("dead-letters", output)
    assert [(each.value, header(each, "dead_letter.code")) for each in letters] == [
        (b"bad", b"not_avro"),
        (b"}", b"not_json"),
    ]
    assert header(letters[0], "__connect.errors.stage") == b"VALUE_CONVERTER"
    assert (output.stats.scored, output.stats.dead_lettered, output.stats.skipped) == (2, 2, 1)


@pytest.mark.parametrize("hashed", [True, False])
def test_an_event_of_another_format_that_does_not_fit_has_the_size_of_its_value(hashed: bool) -> None:
    def read_values(given: Batch) -> JsonValues:
        values = reversed_values(given)
        return values if hashed else JsonValues(values.joined, {}, [b',"event_schema_id":7'])

    value = HIGH[:-1][::-1]
    value = b'}"' + b"x" * 5000 + b'" :"gniddap" ,' + value

    output = run(batch(value), 2500, read_values)

    for record in output.records:
        fields = json.loads(record.value or b"")
        assert "event" not in fields
        assert (fields["event_bytes"], fields["event_sha256"]) == (len(value), sha256(value))
        assert fields["event_schema_id"] == (len(value) if hashed else 7)
    assert len(output.records) == 2


def test_a_framed_value_names_the_option() -> None:
    [letter, other] = run(batch(b"\0\0\0\0\7{}", b"\0")).records
    assert header(letter, "dead_letter.code") == header(other, "dead_letter.code") == b"not_json"
    assert b"set --input-format" in (header(letter, "__connect.errors.exception.message") or b"")
    assert b"--input-format" not in (header(other, "__connect.errors.exception.message") or b"")


def offsets(records: list[OutRecord]) -> list[int]:
    return [json.loads(record.value or b"")["source"]["offset"] for record in records]


def header(record: OutRecord, name: str) -> bytes | None:
    return dict(record.headers)[name]
