"""The values of a batch as JSON, whatever their format is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, cast

import orjson

from consumer.records import Batch
from scoring import InvalidEvent
from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.decoding import JoinedValues, join_values
from scoring.validation import validated


@dataclass(frozen=True, slots=True)
class JsonValues:
    """The values of n records as JSON."""

    joined: JoinedValues  # n; empty for a record with a fault
    faults: dict[int, InvalidEvent] = field(default_factory=dict)  # by row
    origins: Sequence[bytes] | None = None
    """n: the members of a result that describe the value which is not JSON itself: `,"event_schema_id":7,…`."""


ReadValues = Callable[[Batch], JsonValues]
"""Reads the values of a batch without tombstones. Raises UnavailableError, or WorkerError."""


def read_json(batch: Batch) -> JsonValues:
    """Return the values of plain JSON, which are as they should be."""
    return JsonValues(join_values(cast("list[bytes]", batch.values)))


def read_each(payloads: JoinedValues, read: Callable[[bytes], bytes]) -> JsonValues:
    """Return payloads as JSON, each by a function that raises InvalidEvent."""
    texts, faults = [b""] * len(payloads.ends), {}
    for row in range(len(texts)):
        try:
            texts[row] = read(payloads.value(row))
        except InvalidEvent as fault:
            faults[row] = fault
    return JsonValues(join_values(texts), faults)


def encode(value: Any) -> bytes:
    """Return a value as JSON. Raises InvalidEvent.

    NaN and infinity are null in fields that the contract does not know, and faults of the others.
    """
    if isinstance(value, Mapping):
        members = [(name, value[name]) for name in (*MODEL_FIELDS, *IDENTITIES) if name in value]
        if any(isinstance(member, float) and not isfinite(member) for _, member in members):
            for name, member in members:  # the first fault in the order of the contract, as of any event
                if not isinstance(member, orjson.Fragment):
                    validated(name, member)
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise too_deep() from None


def too_deep() -> InvalidEvent:
    """Return the fault of a value that is nested too deep."""
    return InvalidEvent("too_deep", None, "nested too deep to read safely")
