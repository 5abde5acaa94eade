"""Choose the reader of values for an input format."""

import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from consumer.errors import WorkerError
from consumer.formats import framed
from consumer.formats.framed import FramedValues, MakeReader
from consumer.formats.schema import RegisteredSchema, SchemaId
from consumer.formats.values import ReadValues, read_json
from scoring.errors import MissingExtra, needs_extra

TYPES: Final = {"json-schema": "JSON", "avro": "AVRO", "protobuf": "PROTOBUF"}
"""The formats as registries name them."""
FieldKinds = Callable[[RegisteredSchema], Mapping[str, AbstractSet[str]]]


def value_reader(
    input_format: str, url: str | None, properties: Mapping[str, str], seconds: float, clock: Callable[[], float]
) -> ReadValues:
    """Return the reader of values in the format of this setting.

    `url` and `properties` are those of the schema registry, which may be away for `seconds`. Raises WorkerError when
    the extra is not installed, or for settings that the registry's client refuses.
    """
    if input_format == "json" or url is None:
        return read_json
    with _needs_extra(input_format):
        from consumer.formats.registry import Registry  # noqa: PLC0415 - an extra, and slow

        make_reader, _ = _functions(input_format)
    registry = Registry(url, properties, seconds, clock)
    return FramedValues(registry.schema, TYPES[input_format], make_reader, clock).read


@dataclass(frozen=True, slots=True)
class LatestSchema:
    """The latest schema of a subject."""

    id: SchemaId
    type: str
    kinds: Mapping[str, AbstractSet[str]]
    """The kinds of JSON values that each field can have: number, string, boolean, object, array, null."""


def latest_schema(input_format: str, url: str, properties: Mapping[str, str], subject: str) -> LatestSchema | None:
    """Return the latest schema of a subject, or None. It has no kinds if it is not of this format.

    Raises WorkerError when the registry does not answer, or when no event of the schema can be scored.
    """
    with _needs_extra(input_format):
        from consumer.formats.registry import Registry  # noqa: PLC0415 - an extra, and slow

        _, field_kinds = _functions(input_format)
    with closing(Registry(url, properties, 0, time.monotonic)) as registry:
        schema = registry.latest(subject)
    if schema is None:
        return None
    try:
        return LatestSchema(schema.id, schema.type, field_kinds(schema) if schema.type == TYPES[input_format] else {})
    except ValueError as error:
        raise WorkerError(f"schema {schema.id} cannot be used, its events become dead letters: {error}") from error


@contextmanager
def _needs_extra(input_format: str) -> Iterator[None]:
    """Import packages of the extra inside the block. Raises WorkerError if they are not installed."""
    try:
        with needs_extra("schema-registry", f"--input-format {input_format}"):
            yield
    except MissingExtra as error:
        raise WorkerError(str(error)) from None


def _functions(input_format: str) -> tuple[MakeReader, FieldKinds]:
    """Return what makes the reader of a schema in this format, and what lists its fields."""
    if input_format == "avro":
        from consumer.formats import avro  # noqa: PLC0415 - needs an extra

        return avro.avro_reader, avro.field_kinds
    if input_format == "protobuf":
        from consumer.formats import protobuf  # noqa: PLC0415 - needs an extra

        return protobuf.protobuf_reader, protobuf.field_kinds
    return framed.json_reader, framed.field_kinds
