"""Score session events with a Random Forest: validate them, and explain and trace their scores. Knows no Kafka."""

from scoring.artifacts import Artifacts
from scoring.artifacts import load as load_artifacts
from scoring.decoding import Decoded, EventLike
from scoring.errors import ArtifactError, ErrorCode, InvalidEvent, MissingExtra, TableError
from scoring.rules import LEVELS, Explanation, ReasonCode, RiskLevel, explain
from scoring.schemas import json_schemas
from scoring.scorer import Scorer
from scoring.verdicts import Contribution, Scored, Verdict, imputed_fields

__all__ = [
    "LEVELS",
    "ArtifactError",
    "Artifacts",
    "Contribution",
    "Decoded",
    "ErrorCode",
    "EventLike",
    "Explanation",
    "InvalidEvent",
    "MissingExtra",
    "ReasonCode",
    "RiskLevel",
    "Scored",
    "Scorer",
    "TableError",
    "Verdict",
    "explain",
    "imputed_fields",
    "json_schemas",
    "load_artifacts",
]
