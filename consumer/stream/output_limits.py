"""What each output topic takes: sizes, dates, records without a key. Asked at the start, learned from refusals."""

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
"""The last form of a dead letter fits a topic that takes this much."""
LEAST_RESULT_BYTES: Final = 256
"""No result or alert is as small as this: where a topic takes no more, all are too large."""
_NO_LIMIT: Final = 2**63 - 1
_SLACK_MS: Final = 10_000  # for what passes between scoring and the broker's answer, and for its clock; at most a tenth
_GROWTH: Final = 64  # where a topic compresses anew, what cannot be compressed grows by less than one part in so many

_AHEAD_MS: Final = (60_000, 0)  # what is tried where the limits of dates are not known
_PAST_MS: Final = (86_400_000, 3_600_000, 60_000, 0)

TopicSettings = Mapping[str, str]
Ask = Callable[[Sequence[str]], Mapping[str, TopicSettings | None]]
"""Returns the settings of each topic, None where they cannot be seen."""


@dataclass(frozen=True, slots=True)
class TopicLimits:
    """What one topic takes."""

    record_bytes: int  # of a batch of one record, by record_size.record_bytes
    requires_key: bool = False
    past_ms: int = _NO_LIMIT  # how long ago a record may be dated
    ahead_ms: int = MOST_AHEAD_MS

    @property
    def any_past(self) -> bool:
        """Whether it takes every date in the past."""
        return self.past_ms == _NO_LIMIT

    @property
    def any_date(self) -> bool:
        """Whether it takes every date that a result may carry."""
        return self.any_past and self.ahead_ms >= MOST_AHEAD_MS

    def takes_date(self, timestamps: NDArray[np.int64], now: int) -> NDArray[np.bool_]:
        """Return which of these dates it takes, all in ms since the epoch."""
        ahead = timestamps - now
        return (ahead <= self.ahead_ms) & (ahead >= -self.past_ms)

    def same_dates_and_keys(self, other: "TopicLimits") -> bool:
        """Return whether all but the sizes are equal."""
        mine = self.requires_key, self.past_ms, self.ahead_ms
        return mine == (other.requires_key, other.past_ms, other.ahead_ms)

    def strictest(self, other: "TopicLimits") -> "TopicLimits":
        """Return the lower of each limit."""
        return TopicLimits(
            min(self.record_bytes, other.record_bytes),
            self.requires_key or other.requires_key,
            min(self.past_ms, other.past_ms),
            min(self.ahead_ms, other.ahead_ms),
        )


def parse_limits(settings: TopicSettings) -> TopicLimits:
    """Return the limits that a topic's settings set."""
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
    """Return the setting that bounds the size of a batch, and its value, before the topic compresses it anew."""
    sizes = [(name, _number(settings, name, _NO_LIMIT)) for name in ("max.message.bytes", "segment.bytes")]
    return min(sizes, key=itemgetter(1))


def _number(settings: TopicSettings, name: str, otherwise: int) -> int:
    text = settings.get(name, "")
    return int(text) if text.isdecimal() else otherwise


def _with_slack(milliseconds: int) -> int:
    return milliseconds if milliseconds == _NO_LIMIT else milliseconds - min(milliseconds // 10, _SLACK_MS)


class OutputLimits:
    """What the output topics are known to take.

    A limit only falls: when a broker refuses a record, the topic is asked again, and where that explains nothing its
    limits are lowered by steps. So the rounds in which a batch is refused are bounded.
    """

    def __init__(self, most: Mapping[str, int], client_bytes: int, ask: Ask, *, dead_letters: str) -> None:
        """`most` is the largest record that may be written to each topic, by --max-record-bytes; `client_bytes` is
        librdkafka's `message.max.bytes`; `dead_letters` is the topic that must take LEAST_BYTES."""
        self._most = most
        self._ask = ask
        self._dead_letters = dead_letters
        self._topics = dict.fromkeys(most, TopicLimits(client_bytes))

    def of(self, topic: str) -> TopicLimits:
        """Return what may be written to this topic."""
        limits, most = self._topics[topic], self._most[topic]
        return limits if limits.record_bytes <= most else replace(limits, record_bytes=most)

    @property
    def batch_bytes(self) -> int:
        """The largest batch of several records that every topic takes which is written to."""
        return max(LEAST_RESULT_BYTES, min(limits.record_bytes for limits in self._topics.values()))

    def ask(self) -> None:
        """Ask the brokers for the topics' settings. Raises WorkerError when dead letters do not fit."""
        self._update(list(self._topics))

    def lower(self, error: RecordsRefusedError) -> bool:
        """Lower the limits so that the records refused go out in another form.

        Return whether producers must be made again, for smaller batches. Raises WorkerError when nothing can be
        lowered.
        """
        before, batch_bytes = dict(self._topics), self.batch_bytes
        topics = list(dict.fromkeys(record.topic for record in error.records))
        known = self._update(topics)
        for topic in topics:
            if self._topics[topic] == before[topic]:
                causes = {record.cause for record in error.records if record.topic == topic}
                least = LEAST_BYTES if topic == self._dead_letters else LEAST_RESULT_BYTES
                lowered = _lowered(before[topic], causes, least, known=topic in known)
                if lowered == before[topic]:
                    raise WorkerError(str(error) + _remedy(topic, causes)) from error
                self._topics[topic] = lowered
            _log.warning(
                "limits of an output topic lowered",
                extra={"topic": topic, "limits": asdict(self._topics[topic])},
            )
        return self.batch_bytes < batch_bytes

    def _update(self, topics: Sequence[str]) -> set[str]:
        """Apply the topics' settings; return the topics whose settings can be seen."""
        found = {topic: settings for topic, settings in self._ask(topics).items() if settings is not None}
        for topic, settings in found.items():
            setting, size = size_limit(settings)
            if topic == self._dead_letters and size < LEAST_BYTES:
                raise WorkerError(
                    f"{setting} of topic {topic} is {size:,}, and a dead letter may need {LEAST_BYTES:,}: raise it"
                )
            self._topics[topic] = self._topics[topic].strictest(parse_limits(settings))
        return set(found)


def _lowered(limits: TopicLimits, causes: AbstractSet[Rejection], least: int, *, known: bool) -> TopicLimits:
    """Return lower limits where the topic's settings do not explain a refusal; the same when there are none.

    `known`: the topic's settings can be seen.
    """
    if Rejection.SIZE in causes:
        return replace(limits, record_bytes=min(limits.record_bytes, max(least, limits.record_bytes // 2)))
    if not known and not limits.requires_key and Rejection.NO_KEY in causes:
        return replace(limits, requires_key=True)
    # no report tells the date that was refused: first what is ahead, then what is old is dated now
    if limits.ahead_ms > 0:
        return replace(limits, ahead_ms=_next_below(limits.ahead_ms, _AHEAD_MS))
    if limits.past_ms > 0 and not (known and limits.any_past):
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
