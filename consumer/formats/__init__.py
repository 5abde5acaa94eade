"""Read the values of records as JSON, in the format that producers write them in."""

from consumer.formats.framing import frame_id
from consumer.formats.reader import TYPES, LatestSchema, latest_schema, value_reader
from consumer.formats.values import JsonValues, ReadValues, read_json

__all__ = [
    "TYPES",
    "JsonValues",
    "LatestSchema",
    "ReadValues",
    "frame_id",
    "latest_schema",
    "read_json",
    "value_reader",
]
