"""Check that a registered schema has the fields of the contract."""

from collections.abc import Set as AbstractSet
from typing import Final

from consumer.check.finding import Finding, fail, ok, warn
from consumer.formats import TYPES, LatestSchema
from scoring.contract import CATEGORIES, DATE, IDENTITIES, MODEL_FIELDS, NUMERIC, expected
from scoring.tables.similarity import similar_columns

_FIELDS: Final = (*MODEL_FIELDS, *IDENTITIES)
_KINDS: Final = {
    **{field: {"number", "null"} for field in NUMERIC},
    **{field: {"string", "null"} for field in (*CATEGORIES, DATE)},
    **{field: {"string", "number", "null"} for field in IDENTITIES},
}


def registered(subject: str, schema: LatestSchema | None, input_format: str) -> Finding:
    """Compare the latest schema of a subject with the contract."""
    name = f"schema {subject}"
    if schema is None:
        return warn(name, "none is registered under this name: is it the right registry?")
    if schema.type != TYPES[input_format]:
        return fail(name, f"its type is {schema.type}, and --input-format {input_format} reads {TYPES[input_format]}")
    described = f"id {schema.id}, {schema.type}"
    if schema.type == "JSON" and not schema.kinds:
        return ok(name, f"{described}: it names no fields")
    wrong = [field for field in _FIELDS if not schema.kinds.get(field, set()) <= _KINDS[field]]
    if wrong:
        faults = (
            f"{field} can be {_words(schema.kinds[field] - _KINDS[field])}, not {expected(field)}" for field in wrong
        )
        return fail(name, f"{'; '.join(faults)}: such events become dead letters")
    missing = [field for field in _FIELDS if field not in schema.kinds]
    if missing:
        similar = similar_columns(missing, (field for field in schema.kinds if field not in _FIELDS))
        hints = "".join(f"; {column} looks like {field}" for field, column in similar.items())
        return warn(name, f"{described}: without {', '.join(missing)}, which are imputed{hints}")
    return ok(name, f"{described}: all {len(_FIELDS)} fields")


def _words(kinds: AbstractSet[str]) -> str:
    return " or ".join(sorted(kinds))
