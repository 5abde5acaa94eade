"""Score Spark DataFrames, partition by partition, by mapInArrow (the extra `spark`)."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from scoring.errors import needs_extra

with needs_extra("spark", "scoring Spark DataFrames"):
    import pyarrow as pa
    from pyspark.sql import DataFrame
    from pyspark.sql.pandas.types import from_arrow_schema
    from pyspark.sql.types import ArrayType, StructType

    from scoring.engines import LoadScorer, add_verdicts, check_schema, load_scorer
    from scoring.tables.verdict_columns import OUTPUT


def score_dataframe(
    dataframe: DataFrame,
    artifacts: str | Path | None = None,
    *,
    allow_missing: bool = False,
    allow_unverified: bool = False,
    manifest_sha256: str | None = None,
) -> DataFrame:
    """Return the columns of a DataFrame of events and then the verdict's, which replace columns of the same name.

    Lazy, as Spark is; batch or streaming. Invalid rows are null but for `error_code` and `error_field`. `artifacts` is
    a path on the workers, or None for the set that ships; the other options are those of Scorer.load and score_table.
    Raises TableError for too few columns, here and not on a worker.
    """
    check_schema(dataframe.columns, _members(dataframe.schema) or {}, allow_missing=allow_missing)
    load = partial(load_scorer, artifacts, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256)
    own = dataframe.drop(*OUTPUT.names)  # by Spark's own comparison of names, which ignores case unless told otherwise
    schema = StructType([*own.schema, *from_arrow_schema(OUTPUT)])
    return own.mapInArrow(partial(_score_partition, load), schema)


def _score_partition(load: LoadScorer, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return (add_verdicts(load, batch) for batch in batches)


def _members(kind: Any) -> dict[str, Any] | None:
    """Return the names in a struct, or in an array of structs, with those inside; None for other types."""
    if isinstance(kind, ArrayType):
        return _members(kind.elementType)
    return {field.name: _members(field.dataType) for field in kind} if isinstance(kind, StructType) else None
