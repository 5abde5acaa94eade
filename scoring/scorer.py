"""The public Scorer: decode, prepare, score, explain, in that order."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.artifacts import Artifacts, load
from scoring.columns import Columns
from scoring.contract import CATEGORIES
from scoring.decoding import Decoded, EventLike, compile_reader, decode, decode_any
from scoring.errors import ArtifactError, InvalidEvent
from scoring.forest import Forest
from scoring.kernels.compiled import compiled
from scoring.preprocessing import Preprocessor, unknown_features
from scoring.rules import HIGH
from scoring.verdicts import MOST_CONTRIBUTIONS, Contribution, Scored, Verdict, largest_contributions

if TYPE_CHECKING:
    import pandas as pd  # an extra: only score_frame needs it

logger: Final = logging.getLogger("scoring.scorer")
CHUNK: Final = 500  # events scored at once: their columns stay in the CPU's cache
EXACT: Final = 1e-12  # how far a golden score may be off


class Scorer:
    """Scores session events with one set of artifacts. Immutable: safe to share between threads and after fork."""

    def __init__(self, artifacts: Artifacts) -> None:
        self.compile()
        model = artifacts.model
        self.artifacts = artifacts
        self._forest = Forest(model.trees, model.mean, model.scale)
        self._preprocessor = Preprocessor(model.imputation, model.classes, model.feature_names)
        if strangers := unknown_features(model.feature_names):
            logger.warning("feature_cols.pkl names what is no feature and counts 0: %s", ", ".join(strangers))

    @classmethod
    def load(
        cls, path: str | Path | None = None, *, allow_unverified: bool = False, manifest_sha256: str | None = None
    ) -> "Scorer":
        """The set in `path`, or the one that ships: verified, and its golden vectors scored.

        `allow_unverified` takes a five-file set without a manifest; `manifest_sha256` pins the manifest.
        Raises ArtifactError when the set is missing, altered, or scores its golden vectors wrong.
        """
        return cls.from_artifacts(load(path, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256))

    @classmethod
    def from_artifacts(cls, artifacts: Artifacts, *, as_json: bool = False) -> "Scorer":
        """Return a scorer of the set once it has scored its golden vectors; `as_json` as a worker reads them.

        Raises ArtifactError when it scores them wrong.
        """
        scorer = cls(artifacts)
        scorer._check_golden(as_json=as_json)
        return scorer

    @staticmethod
    def compile() -> None:
        """Compile what scoring needs, or take it from the cache: once in a process, in some seconds without a cache.

        A scorer does so when it is made; this does it sooner.
        """
        compiled()
        compile_reader()

    @property
    def model_version(self) -> str:
        """The version of the artifact set, as every result names it."""
        return self.artifacts.version

    def score(self, event: EventLike) -> Verdict:
        """Score one event: a mapping, or JSON as bytes or text. Raises InvalidEvent."""
        (answer,) = self._score_chunk([event])
        if isinstance(answer, InvalidEvent):
            raise answer
        return answer

    def score_many(self, events: Iterable[EventLike]) -> list[Verdict | InvalidEvent]:
        """Score the events of any iterable; return a Verdict or an InvalidEvent for each, in order.

        Reads all of it before it returns, 500 events at a time. Never raises for an event; raises TypeError for one
        event or a table in the place of an iterable of events.
        """
        _refuse_no_collection(events)
        remaining = iter(events)
        answers: list[Verdict | InvalidEvent] = []
        while chunk := list(islice(remaining, CHUNK)):
            answers.extend(self._score_chunk(chunk))
        return answers

    def _score_chunk(self, events: Sequence[EventLike]) -> list[Verdict | InvalidEvent]:
        decoded = decode_any(events)
        scored = self.score_columns(decoded.columns)
        answers: dict[int, Verdict | InvalidEvent] = dict(decoded.invalid)
        answers.update((position, scored.verdict(row)) for row, position in enumerate(decoded.positions))
        return [answers[position] for position in sorted(answers)]

    def score_frame(self, frame: "pd.DataFrame", *, allow_missing: bool = False) -> "pd.DataFrame":
        """Verdict columns for a DataFrame of events, with its index.

        Invalid rows are null there, with `error_code` and `error_field`. Model fields without a column are imputed;
        they are logged as a warning, and so are categories of which half the values were never seen.
        `allow_missing` says that missing columns are meant, however many, and logs nothing of them.
        Raises TableError for a frame with columns but fewer than 8 of the 16 model fields, and for a field that is
        there twice; TypeError for what is no pandas DataFrame; MissingExtra without pandas.
        """
        from scoring.frames import score_frame  # noqa: PLC0415 - pandas is an extra

        return score_frame(self.score_columns, frame, allow_missing=allow_missing)

    def decode(self, values: Sequence[bytes]) -> Decoded:
        """Columns of the valid ones among `values`, one JSON object each, and what is wrong with the others."""
        return decode(values)

    def score_columns(self, columns: Columns) -> Scored:
        """The verdicts on n decoded events, as columns."""
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
            contributions=self._contributions(columns, prepared.raw, np.flatnonzero(levels == HIGH)),
            base_rate=self._forest.base_rate,
        )

    def _contributions(
        self, columns: Columns, raw: NDArray[np.float64], rows: NDArray[np.int64]
    ) -> dict[int, list[Contribution]]:
        """By row, the features that moved its score most."""
        if not len(rows):
            return {}

        def text(name: str, row: int) -> str:
            return self._preprocessor.category(name, columns.category(CATEGORIES.index(name), row))

        moved, largest = self._forest.contributions(raw, rows, MOST_CONTRIBUTIONS)
        return largest_contributions(self.artifacts.model.feature_names, raw, rows, moved, largest, text)

    def _check_golden(self, *, as_json: bool) -> None:
        manifest = self.artifacts.manifest
        if manifest is None:
            return
        events = [msgspec.json.encode(each.event) if as_json else each.event for each in manifest.golden]
        for golden, verdict in zip(manifest.golden, self.score_many(events), strict=True):
            if isinstance(verdict, InvalidEvent) or not abs(verdict.anomaly_score - golden.anomaly_score) <= EXACT:
                raise ArtifactError(
                    f"{self.artifacts.directory}/manifest.json: refused: a golden vector of it is scored wrong here; "
                    "train the set again with this version"
                )


def _refuse_no_collection(events: object) -> None:
    """Raise TypeError for what can be iterated, and is no iterable of events."""
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
