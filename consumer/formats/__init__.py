"""Read the values of records as JSON, in the format that producers write them in."""

from consumer.formats.framing import frame_id
from consumer.formats.reader import value_reader
from consumer.formats.values import JsonValues, ReadValues, read_json

__all__ = ["JsonValues", "ReadValues", "frame_id", "read_json", "value_reader"]
