"""Scores session events with a Random Forest: validated, explained, traceable. No Kafka in here."""

from scoring.decoding import Decoded
from scoring.errors import ArtifactError, InvalidEvent, MissingExtra
from scoring.preprocessing import imputed_fields
from scoring.reasons import LEVELS, Explanation, explain
from scoring.scorer import Scorer
from scoring.verdicts import Contribution, Scored, Verdict

__all__ = [
    "LEVELS",
    "ArtifactError",
    "Contribution",
    "Decoded",
    "Explanation",
    "InvalidEvent",
    "MissingExtra",
    "Scored",
    "Scorer",
    "Verdict",
    "explain",
    "imputed_fields",
]
