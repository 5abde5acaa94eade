"""Score Ray Datasets, batch by batch, by map_batches (the extra `ray`)."""

from functools import partial
from pathlib import Path
from typing import Any

from scoring.errors import needs_extra

with needs_extra("ray", "scoring Ray Datasets"):
    import pyarrow as pa
    from ray.data import Dataset

    from scoring.engines import LoadScorer, add_verdicts, check_schema, load_scorer
    from scoring.tables import CHUNK_ROWS
    from scoring.tables.arrow import struct_members


def score_dataset(
    dataset: Dataset,
    artifacts: str | Path | None = None,
    *,
    allow_missing: bool = False,
    allow_unverified: bool = False,
    manifest_sha256: str | None = None,
    **map_options: Any,
) -> Dataset:
    """Return the columns of a Dataset of events and then the verdict's, which replace columns of the same name.

    Lazy, as Ray is. Invalid rows are null but for `error_code` and `error_field`. `artifacts` is a path on the workers,
    or None for the set that ships; the other options are those of Scorer.load and score_table, and `map_options` those
    of map_batches, such as `num_cpus` and `concurrency`.
    Raises TableError for too few columns, here and not on a worker; for that Ray may read the first rows.
    """
    if schema := dataset.schema():  # None: no rows, no columns
        types = zip(schema.names, schema.types, strict=True)
        fields = [pa.field(name, kind) for name, kind in types if isinstance(kind, pa.DataType)]
        check_schema(schema.names, struct_members(fields), allow_missing=allow_missing)
    load = partial(load_scorer, artifacts, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256)
    options = {"batch_size": CHUNK_ROWS, **map_options}
    return dataset.map_batches(partial(_score_table, load), batch_format="pyarrow", **options)


def _score_table(load: LoadScorer, table: pa.Table) -> pa.Table:
    batches = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
    return pa.Table.from_batches([add_verdicts(load, batch) for batch in batches])
