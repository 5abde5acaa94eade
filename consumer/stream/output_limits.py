"""The limits of the output topics: sizes, timestamps, keys. Read at the start, and lowered when a broker refuses."""

import logging
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consumer.errors import RecordsRefusedError, Rejection, WorkerError
from consumer.stream.serialization import MOST_AHEAD_MS

_log = logging.getLogger("consumer.stream.output_limits")

LEAST_BYTES: Final = 16 * 1024
"""The smallest form of a dead letter fits in this size."""
LEAST_RESULT_BYTES: Final = 256
"""No result or alert is as small as this: on a topic with this limit all are too large."""
_NO_LIMIT: Final = 2**63 - 1
_SLACK_MS: Final = 10_000  # for the time until the broker checks a record, and for its clock; at most a tenth
_GROWTH: Final = 64  # where a topic recompresses, incompressible data grows by less than one part in 64

_AHEAD_MS: Final = (60_000, 0)  # steps that are tried where the limits of timestamps are unknown
_PAST_MS: Final = (86_400_000, 3_600_000, 60_000, 0)

TopicSettings = Mapping[str, str]
ReadSettings = Callable[[Sequence[str]], Mapping[str, TopicSettings | None]]
"""Returns the settings of the topics, None where they cannot be read."""


@dataclass(frozen=True, slots=True)
class TopicLimits:
    """The limits of one topic."""

    record_bytes: int  # of a batch of one record, by record_size.record_bytes
    requires_key: bool = False
    past_ms: int = _NO_LIMIT  # how old a record's timestamp may be
    ahead_ms: int = MOST_AHEAD_MS

    @property
    def any_past(self) -> bool:
        """Whether it accepts every timestamp in the past."""
        return self.past_ms == _NO_LIMIT

    @property
    def any_timestamp(self) -> bool:
        """Whether it accepts every timestamp that a result can have."""
        return self.any_past and self.ahead_ms >= MOST_AHEAD_MS

    def accepts(self, timestamps: NDArray[np.int64], now: int) -> NDArray[np.bool_]:
        """Return which of these timestamps it accepts, all in ms since the epoch."""
        ahead = timestamps - now
        return (ahead <= self.ahead_ms) & (ahead >= -self.past_ms)

    def same_but_size(self, other: "TopicLimits") -> bool:
        """Return whether all limits but the sizes are equal."""
        return replace(self, record_bytes=other.record_bytes) == other

    def strictest(self, other: "TopicLimits") -> "TopicLimits":
        """Return the lower of each limit."""
        return TopicLimits(
            min(self.record_bytes, other.record_bytes),
            self.requires_key or other.requires_key,
            min(self.past_ms, other.past_ms),
            min(self.ahead_ms, other.ahead_ms),
        )


def parse_limits(settings: TopicSettings) -> TopicLimits:
    """Return the limits that a topic's settings imply."""
    _, size = size_limit(settings)
    if settings.get("compression.type", "producer") not in {"producer", "uncompressed"}:
        size -= size // _GROWTH
    key = "compact" in settings.get("cleanup.policy", "")
    if settings.get("message.timestamp.type") == "LogAppendTime":
        return TopicLimits(size, key)
    either = _number(settings, "message.timestamp.difference.max.ms", _NO_LIMIT)  # before Kafka 3.6
    past, ahead = (_number(settings, f"message.timestamp.{end}.max.ms", either) for end in ("before", "after"))
    return TopicLimits(size, key, _with_slack(past), _with_slack(ahead))


def size_limit(settings: TopicSettings) -> tuple[str, int]:
    """Return the setting that bounds the size of a batch, and its value, before the topic recompresses it."""
    sizes = [(name, _number(settings, name, _NO_LIMIT)) for name in ("max.message.bytes", "segment.bytes")]
    return min(sizes, key=itemgetter(1))


def _number(settings: TopicSettings, name: str, default: int) -> int:
    text = settings.get(name, "")
    return int(text) if text.isdecimal() else default


def _with_slack(milliseconds: int) -> int:
    return milliseconds if milliseconds == _NO_LIMIT else milliseconds - min(milliseconds // 10, _SLACK_MS)


class OutputLimits:
    """The known limits of the output topics.

    A limit only falls: when a broker refuses a record, the topic's settings are read again, and if they do not explain
    it the limits are lowered by a step. So a batch is refused a bounded number of times.
    """

    def __init__(
        self, most: Mapping[str, int], client_bytes: int, read_settings: ReadSettings, *, dead_letters: str
    ) -> None:
        """`most` is the largest record of each topic, by --max-record-bytes; `client_bytes` is `message.max.bytes` of
        librdkafka; `dead_letters` is the topic that must accept LEAST_BYTES."""
        self._most = most
        self._read_settings = read_settings
        self._dead_letters = dead_letters
        self._topics = dict.fromkeys(most, TopicLimits(client_bytes))

    def of(self, topic: str) -> TopicLimits:
        """Return the limits of this topic."""
        limits, most = self._topics[topic], self._most[topic]
        return limits if limits.record_bytes <= most else replace(limits, record_bytes=most)

    @property
    def batch_bytes(self) -> int:
        """The largest batch that every output topic accepts."""
        return max(LEAST_RESULT_BYTES, min(limits.record_bytes for limits in self._topics.values()))

    def load(self) -> None:
        """Read the topics' settings. Raise WorkerError when dead letters do not fit."""
        self._update(list(self._topics))

    def lower(self, error: RecordsRefusedError) -> bool:
        """Lower the limits, so that the refused records are written in another form.

        Return whether producers must be replaced, for smaller batches. Raise WorkerError when no limit can be lowered.
        """
        before, batch_bytes = dict(self._topics), self.batch_bytes
        topics = list(dict.fromkeys(record.topic for record in error.records))
        readable = self._update(topics)
        for topic in topics:
            if self._topics[topic] == before[topic]:
                causes = {record.cause for record in error.records if record.topic == topic}
                least = LEAST_BYTES if topic == self._dead_letters else LEAST_RESULT_BYTES
                lowered = _lowered(before[topic], causes, least, readable=topic in readable)
                if lowered == before[topic]:
                    raise WorkerError(str(error) + _remedy(topic, causes)) from error
                self._topics[topic] = lowered
            _log.warning(
                "limits of an output topic lowered",
                extra={"topic": topic, "limits": asdict(self._topics[topic])},
            )
        return self.batch_bytes < batch_bytes

    def _update(self, topics: Sequence[str]) -> set[str]:
        """Apply the topics' settings; return the topics whose settings can be read."""
        readable = {topic: settings for topic, settings in self._read_settings(topics).items() if settings is not None}
        for topic, settings in readable.items():
            setting, size = size_limit(settings)
            if topic == self._dead_letters and size < LEAST_BYTES:
                raise WorkerError(
                    f"{setting} of topic {topic} is {size:,}, and a dead letter may need {LEAST_BYTES:,}: raise it"
                )
            self._topics[topic] = self._topics[topic].strictest(parse_limits(settings))
        return set(readable)


def _lowered(limits: TopicLimits, causes: AbstractSet[Rejection], least: int, *, readable: bool) -> TopicLimits:
    """Return lower limits for a refusal that the topic's settings do not explain; the same when there are none.

    `readable`: the topic's settings can be read.
    """
    if Rejection.SIZE in causes:
        return replace(limits, record_bytes=min(limits.record_bytes, max(least, limits.record_bytes // 2)))
    if not readable and not limits.requires_key and Rejection.NO_KEY in causes:
        return replace(limits, requires_key=True)
    # no report names the refused timestamp: first the limit ahead is lowered, then the limit of age
    if limits.ahead_ms > 0:
        return replace(limits, ahead_ms=_next_below(limits.ahead_ms, _AHEAD_MS))
    if limits.past_ms > 0 and not (readable and limits.any_past):
        return replace(limits, past_ms=_next_below(limits.past_ms, _PAST_MS))
    return limits


def _next_below(limit: int, steps: Sequence[int]) -> int:
    return next(step for step in steps if step < limit)


def _remedy(topic: str, causes: AbstractSet[Rejection]) -> str:
    """Return what to do about a topic that refuses every form."""
    if Rejection.SIZE in causes:
        return ""
    return (
        f": topic {topic} refuses even records dated now: this host's clock is ahead of the brokers', or behind: "
        "synchronise the clocks (NTP)"
    )
