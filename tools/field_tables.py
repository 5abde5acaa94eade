"""The fields of a JSON Schema as a Markdown table."""

from collections.abc import Container, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def field_table(schema: Schema, known: Container[str] = ()) -> str:
    """Return a table with a row for each field but those that are `known`, the fields of inner objects among them.

    An inner object that has a table of its own (it has no required field: a session event) is one row.
    """
    own = {name: each for name, each in schema["properties"].items() if name not in known}
    fields = _fields({**schema, "properties": own}, "")
    rows = [f"| `{name}` | {_type(each)} | {presence} | {_text(each)} |" for name, each, presence in fields]
    return "\n".join(["| field | type | present | what it is |", "| --- | --- | --- | --- |", *rows, ""])


def _fields(schema: Schema, prefix: str) -> Iterator[tuple[str, Schema, str]]:
    """Yield the full name, the schema and the presence of each field."""
    required = schema.get("required", ())
    for name, each in schema["properties"].items():
        yield prefix + name, each, "always" if name in required else "optional"
        if each.get("required"):
            yield from _fields(each, f"{prefix}{name}.")
        if "properties" in each.get("items", {}):
            yield from _fields(each["items"], f"{prefix}{name}[].")


def _type(schema: Schema) -> str:
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}s"
    types = schema.get("type") or [schema["then"]["type"], *_as_list(schema["else"]["type"])]
    return " or ".join(_as_list(types))


def _as_list(types: str | list[str]) -> list[str]:
    return [types] if isinstance(types, str) else types


def _text(schema: Schema) -> str:
    values = schema.get("enum") or schema.get("items", schema).get("examples")
    listed = f" {'One of' if 'enum' in schema else 'Known'}: {_codes(values)}." if values else ""
    return f"{schema['description']}{listed}".replace("|", "\\|")


def _codes(values: list[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)
