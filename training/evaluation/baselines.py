"""Score with the baselines of a forest: the reason rules alone, logistic regression, gradient boosting."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES
from scoring.model import FEATURES
from scoring.rules import RULES
from training import train_extra
from training.evaluation.ranking import Floats
from training.fitting import Features, Track, fit_preprocessing
from training.labelled_sessions import LabelledSessions
from training.splitting import Indices, assign_folds

with train_extra():
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
    from threadpoolctl import threadpool_limits

RULES_ALONE: Final = "reason rules"
FOREST: Final = "forest"
FOLDS: Final = 5
CLIP: Final = 10.0  # standard deviations: one extreme rate must not bend a linear model
MOST_CLASSES: Final = 30  # of a category: rarer ones count as one


@dataclass(frozen=True)
class BaselineScores:
    """The scores of n sessions by one baseline."""

    name: str
    scores: Floats
    is_share: bool = True  # scores lie in [0, 1]


def rules_alone(patterns: NDArray[np.int64]) -> BaselineScores:
    """Count the reason rules that hold, (n,) patterns -> (n,).

    The count ranks better than `obvious_anomaly_flag`, which has two values: average precision .056 against .055 on
    the 30,000 sessions of the test set that ships.
    """
    held = sum(((patterns >> rule) & 1).astype(np.float64) for rule in range(len(RULES)))
    return BaselineScores(RULES_ALONE, np.asarray(held, dtype=np.float64), is_share=False)


def fitted_on(training: LabelledSessions, data: LabelledSessions, seed: int, track: Track) -> list[BaselineScores]:
    """Fit both models on the training data and score `data`. Raises TrainingError when they cannot learn from it."""
    models = _models(seed)
    steps = zip(track(range(len(models)), "fitting baselines"), _scores(models, training, data), strict=True)
    return [BaselineScores(name, scores) for _, (name, scores) in steps]


def out_of_fold(data: LabelledSessions, groups: Indices, seed: int, track: Track) -> list[BaselineScores]:
    """Cross-validate both models in the file: a session is scored by a model that did not learn from its user.

    Raises TrainingError when there are too few users of a class.
    """
    fold = assign_folds(groups, data.label, FOLDS, seed)
    models = _models(seed)
    all_scores = {name: np.empty(len(data)) for name in models}
    for i in track(range(FOLDS), "fitting baselines"):
        rows = fold == i
        for name, scores in _scores(models, data.take(~rows), data.take(rows)):
            all_scores[name][rows] = scores
    return [BaselineScores(name, scores) for name, scores in all_scores.items()]


def _models(seed: int) -> dict[str, Any]:
    boosting = HistGradientBoostingClassifier(random_state=seed)
    return {"logistic regression": _logistic_regression(), "gradient boosting": boosting}


def _logistic_regression() -> Any:
    categories = [FEATURES.index(name) for name in CATEGORIES]
    classes = OneHotEncoder(max_categories=MOST_CLASSES, handle_unknown="infrequent_if_exist")
    others = FunctionTransformer(np.clip, kw_args={"a_min": -CLIP, "a_max": CLIP})
    return make_pipeline(
        make_column_transformer((classes, categories), remainder=others), LogisticRegression(max_iter=1_000)
    )


def _scores(models: dict[str, Any], training: LabelledSessions, data: LabelledSessions) -> Iterator[tuple[str, Floats]]:
    preprocessing = fit_preprocessing(training.columns)
    train, test = (_finite(preprocessing.features(columns)) for columns in (training.columns, data.columns))
    for name, model in models.items():
        yield name, _fit(model, train, training.label).predict_proba(test)[:, 1]


def _fit(model: Any, features: Features, label: NDArray[np.int64]) -> Any:
    # one thread: OpenMP's threads wait busily for one another; beside other work on two cores 27 s, this way 8 s
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning)  # nearly converged is good enough for a baseline
        return model.fit(features, label)


def _finite(features: Features) -> Features:
    return np.nan_to_num(features)  # a rate over almost no time is infinite
