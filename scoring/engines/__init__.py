"""Score the data of engines that run many worker processes: Spark and Ray, each by its module and its extra.

The driver checks the columns, once. A worker process loads the artifact set at its first batch, and keeps it.
"""

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from scoring.errors import needs_extra
from scoring.scorer import Scorer
from scoring.tables import TABLE, check_columns, nested_path, require_single_fields

with needs_extra("files", "scoring Arrow tables"):
    import pyarrow as pa

    from scoring.arrow_tables import score_batch
    from scoring.tables.verdict_columns import OUTPUT

logger: Final = logging.getLogger("scoring.engines")
LoadScorer = Callable[[], Scorer]


@functools.cache
def load_scorer(path: str | Path | None, *, allow_unverified: bool, manifest_sha256: str | None) -> Scorer:
    """Load the set in `path`, once in a process."""
    return Scorer.load(path, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256)


def check_schema(names: Iterable[str], members: Mapping[str, Any], *, allow_missing: bool) -> None:
    """Log missing columns; `members` has the names inside structs. Raises TableError when too many are missing."""
    known = require_single_fields(names)
    if not allow_missing:
        for note in check_columns(known, nested_path(members), TABLE):
            logger.warning("columns of the table: %s", note)


def add_verdicts(load: LoadScorer, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the columns of a batch and then `OUTPUT`, which replaces columns of the same name."""
    own = [i for i, name in enumerate(batch.schema.names) if name not in OUTPUT.names]
    verdicts = score_batch(functools.partial(load().score_columns, contributions=False), batch)
    schema = pa.schema([*map(batch.schema.field, own), *OUTPUT])
    return pa.RecordBatch.from_arrays([*map(batch.column, own), *verdicts.columns], schema=schema)
