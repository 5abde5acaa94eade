"""A schema as a registry has it, and the name by which a record refers to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

SchemaId = int | UUID
"""The id of a schema in its registry, or its GUID, which is the same in all registries."""


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """A schema, and by name those that it refers to, each behind those that it needs itself."""

    id: SchemaId
    type: str  # AVRO, JSON or PROTOBUF
    text: str
    references: Mapping[str, str] = field(default_factory=dict)
