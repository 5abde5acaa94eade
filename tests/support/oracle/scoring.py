"""The scoring contract, slow and plain: one event at a time, in nothing but the standard library.

Written from the contract alone, so that where it and `scoring` disagree one of the two is wrong. Nothing here is
shared with `scoring`: no table, no regular expression, no array.
"""

import math
import struct
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.support.oracle.reading import (
    CATEGORIES,
    COUNTS,
    DATE,
    MODEL_FIELDS,
    Invalid,
    InvalidEventError,
    checked_hour,
    read,
)


class Node(NamedTuple):
    """A node of a tree: `left` and `right` are positions in the tree's list, -1 in a leaf; `p` is P(class 1) there."""

    feature: int
    threshold: float
    left: int
    right: int
    p: float


@dataclass(frozen=True)
class Model:
    """What the five files say, as plain lists. `imputation` has the model's fields, the date as an event writes it."""

    feature_cols: list[str]
    classes: dict[str, list[str]]
    means: list[float]
    scales: list[float]
    imputation: dict[str, Any]
    trees: list[list[Node]] = field(repr=False)  # too long to read in a failing test
    label: float = 0.5
    medium: float = 0.45
    high: float = 0.75


class Contribution(NamedTuple):
    feature: str
    value: float | str
    contribution: float


@dataclass(frozen=True)
class Verdict:
    predicted_label: int
    anomaly_score: float
    risk_level: str
    risk_reason: str
    reason_codes: list[str]
    imputed_fields: list[str]
    unseen_fields: list[str]
    identities: dict[str, str]  # as written: the digits of an integer, the characters of a string
    contributions: list[Contribution]  # the five largest
    all_contributions: list[Contribution]  # one a feature, in feature_cols order
    base_rate: float


def judge(model: Model, event: bytes | dict[str, Any]) -> Verdict | Invalid:
    """What the contract says of one event."""
    try:
        return _verdict(model, *read(event))
    except InvalidEventError as invalid:
        return invalid.verdict


def columns(model: Model, event: bytes | dict[str, Any]) -> list[float]:
    """The features of a valid event in the order of `feature_cols`, not yet scaled."""
    raw = _with_imputed(model, read(event)[0])
    return [_column(model, name, raw | _derived(raw)) for name in model.feature_cols]


def _verdict(model: Model, given: dict[str, Any], identities: dict[str, str]) -> Verdict:
    raw = _with_imputed(model, given)
    everything = raw | _derived(raw)
    score, moved, base_rate = _forest(model, [_column(model, name, everything) for name in model.feature_cols])
    contributions = [
        Contribution(name, everything.get(name, 0.0), moved[position])
        for position, name in enumerate(model.feature_cols)
    ]
    level = "Low" if score < model.medium else "Medium" if score < model.high else "High"
    codes = _reason_codes(raw, level)
    return Verdict(
        predicted_label=1 if score >= model.label else 0,
        anomaly_score=score,
        risk_level=level,
        risk_reason="; ".join(code.replace("_", " ") for code in codes),
        reason_codes=codes,
        imputed_fields=[field for field in MODEL_FIELDS if field not in given],
        unseen_fields=[field for field in CATEGORIES if raw[field] not in model.classes[field]],
        identities=identities,
        contributions=sorted(contributions, key=lambda each: -abs(each.contribution))[:5],  # sorted() is stable
        all_contributions=contributions,
        base_rate=base_rate,
    )


def _with_imputed(model: Model, given: dict[str, Any]) -> dict[str, Any]:
    return {field: given[field] if field in given else _imputed(model, field) for field in MODEL_FIELDS}


def _imputed(model: Model, field: str) -> float | str:
    value = model.imputation[field]
    if field == DATE:
        return checked_hour(value)
    return str(value) if field in CATEGORIES else float(value)


def _column(model: Model, name: str, everything: dict[str, Any]) -> float:
    if name in CATEGORIES:
        classes = model.classes[name]
        seen = everything[name] if everything[name] in classes else "unknown"
        return float(classes.index(seen))
    return float(everything[name]) if name in everything and name != DATE else 0.0


def _is_large(raw: dict[str, Any]) -> bool:
    return bool(raw["transaction_amount"] > 10000)


def _is_odd_hour(raw: dict[str, Any]) -> bool:
    return raw[DATE] in (1, 2, 3)


def _derived(raw: dict[str, Any]) -> dict[str, float]:
    clicks, scrolls, touches, keys, mouse = main = [raw[name] for name in COUNTS]
    motion, time, amount, screen = (
        raw[name] for name in ("device_motion", "time_on_page", "transaction_amount", "screen_size")
    )
    seconds = 1.0 if time == 0 else time
    large = _is_large(raw)
    values: dict[str, Any] = {
        "obvious_anomaly_flag": any(holds for _, holds in _rules(raw)[:7]),
        "clicks_per_sec": clicks / seconds,
        "scrolls_per_sec": scrolls / seconds,
        "touches_per_sec": touches / seconds,
        "keyboard_per_sec": keys / seconds,
        "interaction_score": 0.3 * clicks + 0.2 * scrolls + 0.2 * touches + 0.2 * keys + 0.1 * mouse + 0.1 * motion,
        "is_odd_hour": _is_odd_hour(raw),
        "is_large_transaction": large,
        "is_short_session": time < 30,
        "interaction_diversity": sum(value > 0 for value in (*main, motion)),
        "behavioural_consistency": min(main) / (max(main) + 1e-6),
        "input_to_navigation_ratio": (keys + touches) / (clicks + scrolls + 1),
        "active_to_passive_ratio": (clicks + keys + touches) / (time + 1),
        "session_complexity": sum(value > 5 for value in (*main, motion)),
        "transaction_per_min": amount / (time / 60 + 1),
        "is_high_value_short_session": large and time < 60,
        "is_small_screen": screen in ("360x640", "414x896"),
        "is_large_screen": screen in ("1920x1080", "1440x900"),
    }
    return {name: float(value) for name, value in values.items()}


def _rules(raw: dict[str, Any]) -> list[tuple[str, bool]]:
    mobile, amount = raw["device_type"] == "Mobile", raw["transaction_amount"]
    return [
        ("large_amount_odd_hour", _is_large(raw) and _is_odd_hour(raw)),
        ("very_many_clicks", raw["click_events"] >= 30),
        ("extreme_mouse_movement", raw["mouse_movement"] >= 1500),
        ("many_touches_mobile", mobile and raw["touch_events"] >= 20),
        ("motion_spike_mobile", mobile and raw["device_motion"] >= 3.0),
        ("unusual_time_on_page", raw["time_on_page"] in (10, 600)),
        ("no_keys_large_amount", raw["keyboard_events"] == 0 and amount > 5000),
        ("very_large_amount", _is_large(raw)),
        ("no_clicks", raw["click_events"] == 0),
        ("no_touches_mobile", mobile and raw["touch_events"] == 0),
    ]


def _reason_codes(raw: dict[str, Any], level: str) -> list[str]:
    if level == "Low":
        return []
    holding = [code for code, holds in _rules(raw) if holds]
    if level == "Medium":
        return holding[:1] or ["moderately_unusual"]
    return holding[:3] or ["multiple_signals"]


def _forest(model: Model, unscaled: list[float]) -> tuple[float, list[float], float]:
    """The score, what each feature moved it by, and the score of the roots alone."""
    scaled = [
        _float32((value - mean) / scale) for value, mean, scale in zip(unscaled, model.means, model.scales, strict=True)
    ]
    total, roots, moved = 0.0, 0.0, [0.0] * len(unscaled)
    for tree in model.trees:
        node = tree[0]
        roots += node.p
        while node.left != -1:
            child = tree[node.left if scaled[node.feature] <= node.threshold else node.right]
            moved[node.feature] += child.p - node.p
            node = child
        total += node.p
    number = len(model.trees)
    return total / number, [value / number for value in moved], roots / number


def _float32(value: float) -> float:
    try:
        rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return rounded
