"""What a forest must beat: the reason rules alone, a straight line, boosted trees."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES
from scoring.errors import MissingExtra
from scoring.features import FEATURES
from scoring.rules import RULES
from training.evaluation.ranking import Floats
from training.fitting import Features, Track, learn
from training.reading import Labelled
from training.splitting import folds_of

try:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
    from threadpoolctl import threadpool_limits
except ImportError:
    raise MissingExtra("training", "train") from None

RULES_ALONE: Final = "reason rules"
FOREST: Final = "forest"
FOLDS: Final = 5
FARTHEST: Final = 10.0  # standard deviations: one wild rate must not bend a straight line
MOST_CLASSES: Final = 30  # of a category: the rarer ones count as one


@dataclass(frozen=True)
class Baseline:
    """A name and the scores of n sessions; whether these lie in [0, 1]."""

    name: str
    scores: Floats
    share: bool = True


def rules_alone(patterns: NDArray[np.int64]) -> Baseline:
    """How many of the ten reason rules hold, (n,) patterns -> (n,).

    The count orders better than `obvious_anomaly_flag`, which has two values: average precision .056 against .055 on
    the 30,000 sessions of the test set that ships.
    """
    held = sum(((patterns >> rule) & 1).astype(np.float64) for rule in range(len(RULES)))
    return Baseline(RULES_ALONE, np.asarray(held, dtype=np.float64), share=False)


def fitted_on(training: Labelled, data: Labelled, seed: int, track: Track) -> list[Baseline]:
    """Both models fitted on the training data. Raises TrainingError when they cannot learn from it."""
    models = _models(seed)
    found = dict.fromkeys(models, np.empty(0))
    steps = track(range(len(models)), "fitting baselines")
    for _, (name, scores) in zip(steps, _scores(models, training, data), strict=True):
        found[name] = scores
    return [Baseline(name, scores) for name, scores in found.items()]


def out_of_fold(data: Labelled, groups: NDArray[np.int64], seed: int, track: Track) -> list[Baseline]:
    """Both models by cross-validation inside the file: a session's score is by a model that never saw its user.

    Raises TrainingError when there are too few users of a class.
    """
    fold = folds_of(groups, data.label, FOLDS, seed)
    models = _models(seed)
    found = {name: np.empty(len(data)) for name in models}
    for part in track(range(FOLDS), "fitting baselines"):
        here = fold == part
        for name, scores in _scores(models, data.take(~here), data.take(here)):
            found[name][here] = scores
    return [Baseline(name, scores) for name, scores in found.items()]


def _models(seed: int) -> dict[str, Any]:
    boosting = HistGradientBoostingClassifier(random_state=seed)
    return {"logistic regression": _straight_line(), "gradient boosting": boosting}


def _straight_line() -> Any:
    categories = [FEATURES.index(name) for name in CATEGORIES]
    classes = OneHotEncoder(max_categories=MOST_CLASSES, handle_unknown="infrequent_if_exist")
    others = FunctionTransformer(np.clip, kw_args={"a_min": -FARTHEST, "a_max": FARTHEST})
    return make_pipeline(
        make_column_transformer((classes, categories), remainder=others), LogisticRegression(max_iter=1_000)
    )


def _scores(models: dict[str, Any], training: Labelled, data: Labelled) -> Iterator[tuple[str, Floats]]:
    learned = learn(training.columns)
    seen, judged = learned.features(training.columns), learned.features(data.columns)
    for name, model in models.items():
        yield name, _fitted(model, _finite(seen), training).predict_proba(_finite(judged))[:, 1]


def _fitted(model: Any, features: Features, training: Labelled) -> Any:
    # one thread: OpenMP's threads wait for each other busily; with other work on two cores that took 27 s, so 8 s
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning)  # not quite settled is a baseline all the same
        return model.fit(features, training.label)


def _finite(features: Features) -> Features:
    return np.nan_to_num(features)  # a rate over next to no time is infinite
