"""How good a model is on sessions that it has not seen."""

import numpy as np

from scoring.errors import MissingExtra
from scoring.reasons import HIGH, LOW
from scoring.scorer import Scorer
from training.sessions import Sessions

try:
    from sklearn.metrics import average_precision_score, roc_auc_score
except ImportError:
    raise MissingExtra("training", "train") from None

CHUNK = 10_000  # sessions scored at once: bounds the memory


def measure(scorer: Scorer, sessions: Sessions) -> dict[str, float]:
    """Average precision, ROC AUC, precision and recall of label 1, and the shares of attacks, Medium and High."""
    scored = [
        scorer.score_columns(scorer.decode(list(sessions[at : at + CHUNK].events())).columns)
        for at in range(0, len(sessions), CHUNK)
    ]
    scores = np.concatenate([each.scores for each in scored])
    called = np.concatenate([each.labels for each in scored]) == 1
    levels = np.concatenate([each.levels for each in scored])
    attacks = sessions.label == 1
    found = float((called & attacks).sum())
    measured = {
        "sessions": float(len(sessions)),
        "prevalence": float(attacks.mean()),
        "average_precision": float(average_precision_score(attacks, scores)),
        "roc_auc": float(roc_auc_score(attacks, scores)),
        "precision": found / max(float(called.sum()), 1.0),
        "recall": found / float(attacks.sum()),
        "share_medium": float(((levels > LOW) & (levels < HIGH)).mean()),
        "share_high": float((levels == HIGH).mean()),
    }
    # six digits: what stands in a manifest must not depend on the order in which a CPU adds
    return {name: round(value, 6) for name, value in measured.items()}
