"""Choose the reader of values for an input format."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from consumer.formats.framed import FramedValues, MakeReader, json_reader
from consumer.formats.values import ReadValues, read_json
from scoring.errors import needs_extra

TYPES: Final = {"json-schema": "JSON", "avro": "AVRO", "protobuf": "PROTOBUF"}
"""The registry's names of the formats."""

InputFormat = Literal["json", "json-schema", "avro", "protobuf"]


def value_reader(
    input_format: InputFormat,
    url: str | None,
    properties: Mapping[str, str],
    seconds: float,
    clock: Callable[[], float],
) -> ReadValues:
    """Return the reader of values in this format.

    `url` and `properties` are those of the schema registry, which may be away for `seconds`. Raises MissingExtra, and
    WorkerError for settings that the registry's client refuses.
    """
    if input_format == "json" or url is None:
        return read_json
    with needs_extra("schema-registry", f"--input-format {input_format}"):
        from consumer.formats.registry import Registry  # noqa: PLC0415 - an extra, and slow

        make_reader: MakeReader = json_reader
        if input_format == "avro":
            from consumer.formats.avro import avro_reader  # noqa: PLC0415 - as above

            make_reader = avro_reader
        elif input_format == "protobuf":
            from consumer.formats.protobuf import protobuf_reader  # noqa: PLC0415 - as above

            make_reader = protobuf_reader
    registry = Registry(url, properties, seconds, clock)
    return FramedValues(registry.schema, TYPES[input_format], make_reader, clock).read
