"""Scores session events with a Random Forest: validated, explained, traceable. No Kafka in here."""

from scoring.errors import ArtifactError, InvalidEvent, MissingExtra
from scoring.scorer import Scorer
from scoring.verdicts import Contribution, Verdict

__all__ = ["ArtifactError", "Contribution", "InvalidEvent", "MissingExtra", "Scorer", "Verdict"]
