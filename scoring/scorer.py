"""The public Scorer: decode, prepare, score and explain events."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.artifacts import Artifacts, load
from scoring.columns import Columns
from scoring.contract import CATEGORIES
from scoring.decoding import Decoded, EventLike, compile_reader, decode, decode_any
from scoring.errors import ArtifactError, InvalidEvent, needs_extra
from scoring.forest import Forest
from scoring.kernels.compiled import compiled
from scoring.preprocessing import Preprocessor, unknown_features
from scoring.rules import HIGH, LOW
from scoring.verdicts import MOST_CONTRIBUTIONS, Contribution, Scored, Verdict, largest_contributions

if TYPE_CHECKING:  # extras: only score_frame and score_table need them
    import pandas as pd
    import pyarrow as pa

logger: Final = logging.getLogger("scoring.scorer")
CHUNK: Final = 500  # events scored at once: their columns stay in the CPU's cache
EXACT: Final = 1e-12  # tolerance of a golden score


class Scorer:
    """Score session events with one set of artifacts. Immutable: safe to share between threads and after fork."""

    def __init__(self, artifacts: Artifacts) -> None:
        self.compile()
        model = artifacts.model
        self.artifacts = artifacts
        self._forest = Forest(model.trees, model.mean, model.scale)
        self._preprocessor = Preprocessor(model.imputation, model.classes, model.feature_names)
        if unknown := unknown_features(model.feature_names):
            logger.warning("feature_cols.pkl names what is no feature and counts 0: %s", ", ".join(unknown))

    @classmethod
    def load(
        cls, path: str | Path | None = None, *, allow_unverified: bool = False, manifest_sha256: str | None = None
    ) -> "Scorer":
        """Return a scorer of the set in `path`, or of the one that ships, once it is verified and tested.

        The test scores the golden vectors. `allow_unverified` accepts a five-file set without a manifest;
        `manifest_sha256` pins the manifest. Raises ArtifactError when the set is missing, altered, or fails the test.
        """
        return cls.from_artifacts(load(path, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256))

    @classmethod
    def from_artifacts(cls, artifacts: Artifacts, *, as_json: bool = False) -> "Scorer":
        """Return a scorer of the set, once it has scored the golden vectors right; `as_json` scores them as JSON.

        Raises ArtifactError when it scores one wrong.
        """
        scorer = cls(artifacts)
        scorer._check_golden(as_json=as_json)
        return scorer

    @staticmethod
    def compile() -> None:
        """Compile the kernels or load them from the cache, once in a process; takes some seconds without a cache.

        Every new scorer calls this; call it to compile sooner.
        """
        compiled()
        compile_reader()

    @property
    def model_version(self) -> str:
        """The version of the artifact set, which every result carries."""
        return self.artifacts.version

    def score(self, event: EventLike) -> Verdict:
        """Score one event: a mapping, or JSON as bytes or text. Raises InvalidEvent."""
        return _single(self._score_chunk([event]))

    def explain(self, event: EventLike) -> Verdict:
        """Score one event as `score` does, with the contributions of all features, whatever its level.

        `base_rate` and these contributions add up to `anomaly_score`. Raises InvalidEvent.
        """
        return _single(self._score_chunk([event], explain=True))

    def score_many(self, events: Iterable[EventLike], *, explain: bool = False) -> list[Verdict | InvalidEvent]:
        """Score the events of any iterable; return a Verdict or an InvalidEvent for every event, in order.

        Reads all events before it returns, 500 at a time. `explain` gives each Verdict the contributions of all
        features, as the method `explain` does. Never raises for an event; raises TypeError for one event or a table
        instead of an iterable of events.
        """
        _require_collection(events)
        remaining = iter(events)
        verdicts: list[Verdict | InvalidEvent] = []
        while chunk := list(islice(remaining, CHUNK)):
            verdicts.extend(self._score_chunk(chunk, explain=explain))
        return verdicts

    def _score_chunk(self, events: Sequence[EventLike], *, explain: bool = False) -> list[Verdict | InvalidEvent]:
        decoded = decode_any(events)
        features = len(self.artifacts.model.feature_names)
        scored = self._score(decoded.columns, LOW, features) if explain else self.score_columns(decoded.columns)
        verdicts: dict[int, Verdict | InvalidEvent] = dict(decoded.invalid)
        verdicts.update((position, scored.verdict(row)) for row, position in enumerate(decoded.positions))
        return [verdicts[position] for position in sorted(verdicts)]

    def score_frame(self, frame: "pd.DataFrame", *, allow_missing: bool = False) -> "pd.DataFrame":
        """Return verdict columns for a DataFrame of events, with its index.

        Invalid rows are null, with `error_code` and `error_field`. Model fields without a column are imputed and logged
        as a warning, and so are categories of which half the values are unseen. `allow_missing` accepts any number of
        missing columns and does not log them.
        Raises TableError for a frame with columns but fewer than 8 of the 16 model fields, and for a repeated field;
        TypeError for anything but a pandas DataFrame; MissingExtra without pandas.
        """
        with needs_extra("frames", "scoring DataFrames"):
            from scoring.frames import score_frame  # noqa: PLC0415 - pandas is an extra
        return score_frame(partial(self.score_columns, contributions=False), frame, allow_missing=allow_missing)

    def score_table(self, data: Any, *, allow_missing: bool = False) -> "pa.Table | pa.RecordBatchReader":
        """Return verdict columns for a table of events, in its order.

        `data` is anything that speaks Arrow's PyCapsule interface: a pyarrow Table, RecordBatch or RecordBatchReader,
        a DataFrame of polars or pandas, a relation of duckdb. For a reader it returns a reader, which scores in bounded
        memory while it is read; for all else a pyarrow Table.
        Invalid rows are null, with `error_code` and `error_field`. Missing columns and categories are treated as
        score_frame does. Raises TableError as score_frame does, and for a time zone that is unknown here; TypeError
        for what is no table; MissingExtra without pyarrow.
        """
        score = partial(self.score_columns, contributions=False)
        if type(data).__module__.partition(".")[0] == "pandas":
            with needs_extra("frames", "scoring DataFrames"):
                from scoring.frames import score_as_table  # noqa: PLC0415 - pandas is an extra
            return score_as_table(score, data, allow_missing=allow_missing)
        with needs_extra("files", "scoring Arrow tables"):
            from scoring.arrow_tables import score_table  # noqa: PLC0415 - pyarrow is an extra
        return score_table(score, data, allow_missing=allow_missing)

    def decode(self, values: Sequence[bytes]) -> Decoded:
        """Decode the valid ones among `values`, one JSON object each; collect the faults of the others."""
        return decode(values)

    def score_columns(self, columns: Columns, *, contributions: bool = True) -> Scored:
        """Return the verdicts on n decoded events, as columns; with `contributions` of High rows if asked for."""
        return self._score(columns, HIGH if contributions else HIGH + 1, MOST_CONTRIBUTIONS)

    def _score(self, columns: Columns, least: int, most: int) -> Scored:
        """Return the verdicts, with the `most` largest contributions of rows from level `least` on."""
        prepared = self._preprocessor.prepare(columns)
        scores = self._forest.score(prepared.raw)
        limits = self.artifacts.thresholds
        levels = (scores >= limits.medium).astype(np.int64) + (scores >= limits.high)
        return Scored(
            scores=scores,
            labels=(scores >= limits.label).astype(np.int64),
            levels=levels,
            rules=prepared.patterns,
            gap_bits=prepared.gap_bits,
            unseen_bits=prepared.unseen_bits,
            contributions=self._contributions(columns, prepared.raw, np.flatnonzero(levels >= least), most),
            base_rate=self._forest.base_rate,
        )

    def _contributions(
        self, columns: Columns, raw: NDArray[np.float64], rows: NDArray[np.int64], most: int
    ) -> dict[int, list[Contribution]]:
        """Return by row the `most` features that moved its score most."""
        if not len(rows):
            return {}

        def text(name: str, row: int) -> str:
            return self._preprocessor.category(name, columns.category(CATEGORIES.index(name), row))

        moved, largest = self._forest.contributions(raw, rows, most)
        return largest_contributions(self.artifacts.model.feature_names, raw, rows, moved, largest, text)

    def _check_golden(self, *, as_json: bool) -> None:
        manifest = self.artifacts.manifest
        if manifest is None:
            return
        events = [msgspec.json.encode(golden.event) if as_json else golden.event for golden in manifest.golden]
        for golden, verdict in zip(manifest.golden, self.score_many(events), strict=True):
            if isinstance(verdict, InvalidEvent) or not abs(verdict.anomaly_score - golden.anomaly_score) <= EXACT:
                raise ArtifactError(
                    f"{self.artifacts.directory}/manifest.json: refused: a golden vector of it is scored wrong here; "
                    "train the set again with this version"
                )


def _single(verdicts: Sequence[Verdict | InvalidEvent]) -> Verdict:
    """Return the only verdict; raise it when it is an error."""
    (verdict,) = verdicts
    if isinstance(verdict, InvalidEvent):
        raise verdict
    return verdict


def _require_collection(events: object) -> None:
    """Raise TypeError for iterables that are not of events: one event, text or a table."""
    if isinstance(events, Mapping | bytes | bytearray | memoryview | str):
        raise TypeError(
            f"score_many: expected an iterable of events, got one {type(events).__name__}: "
            "use score, or put it in a list"
        )
    if hasattr(events, "columns"):
        raise TypeError(
            f"score_many: expected an iterable of events, got a {type(events).__name__}: "
            "use score_frame for a pandas DataFrame; of other tables pass the rows as dicts"
        )
