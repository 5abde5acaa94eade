"""The reasons and the derived features, each by hand at the edges that the contract names."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from scoring import Scorer
from tests.scoring.conftest import FeatureSeen, quiet
from tests.support.artifacts.sets import CLASSES, encoder, small_set
from tests.support.oracle.reading import DATE

THREE = pd.Timestamp("2025-06-15 03:00:00")
MOBILE = {"device_type": "Mobile"}
REASONS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["multiple_signals"]),
    ({"click_events": 30}, ["very_many_clicks"]),
    ({"click_events": 29.99}, ["multiple_signals"]),
    ({"click_events": 0}, ["no_clicks"]),
    ({"click_events": 0.001}, ["multiple_signals"]),
    ({"mouse_movement": 1500}, ["extreme_mouse_movement"]),
    ({"mouse_movement": 1499.99}, ["multiple_signals"]),
    ({"touch_events": 20}, ["multiple_signals"]),
    (MOBILE | {"touch_events": 20}, ["many_touches_mobile"]),
    (MOBILE | {"touch_events": 19.9}, ["multiple_signals"]),
    (MOBILE | {"touch_events": 0}, ["no_touches_mobile"]),
    ({"device_motion": 3}, ["multiple_signals"]),
    (MOBILE | {"device_motion": 3}, ["motion_spike_mobile"]),
    (MOBILE | {"device_motion": 2.9999999999999996}, ["multiple_signals"]),
    ({"time_on_page": 10}, ["unusual_time_on_page"]),
    ({"time_on_page": 600.0}, ["unusual_time_on_page"]),
    ({"time_on_page": 10.000001}, ["multiple_signals"]),
    ({"time_on_page": 599.9999}, ["multiple_signals"]),
    ({"keyboard_events": 0, "transaction_amount": 5000.01}, ["no_keys_large_amount"]),
    ({"keyboard_events": 0, "transaction_amount": 5000}, ["multiple_signals"]),
    ({"keyboard_events": 0.5, "transaction_amount": 9000}, ["multiple_signals"]),
    ({"transaction_amount": 10000}, ["multiple_signals"]),
    ({"transaction_amount": 10000.01}, ["very_large_amount"]),
    ({"transaction_amount": 10000.01, DATE: "2025-04-18T00:59:59"}, ["very_large_amount"]),
    ({"transaction_amount": 10000.01, DATE: "2025-04-18T01:00"}, ["large_amount_odd_hour", "very_large_amount"]),
    ({"transaction_amount": 10000.01, DATE: "2025-04-18T03:59:59"}, ["large_amount_odd_hour", "very_large_amount"]),
    ({"transaction_amount": 10000.01, DATE: "2025-04-18T04:00"}, ["very_large_amount"]),
    ({"transaction_amount": 10000, DATE: "2025-04-18T02:00"}, ["multiple_signals"]),
    (
        MOBILE | {"click_events": 31, "mouse_movement": 1500, "touch_events": 25, "device_motion": 4},
        ["very_many_clicks", "extreme_mouse_movement", "many_touches_mobile"],
    ),
    (
        MOBILE | {"click_events": 0, "touch_events": 0, "time_on_page": 10},
        ["unusual_time_on_page", "no_clicks", "no_touches_mobile"],
    ),
]


@pytest.mark.parametrize(("changes", "codes"), REASONS, ids=str)
def test_the_reasons_of_a_high_event_stand_in_their_order(
    all_high: Scorer, changes: dict[str, Any], codes: list[str]
) -> None:
    verdict = all_high.score(quiet(**changes))

    assert (verdict.risk_level, verdict.predicted_label) == ("High", 1)
    assert verdict.reason_codes == codes
    assert verdict.risk_reason == "; ".join(code.replace("_", " ") for code in codes)


@pytest.mark.parametrize(("changes", "codes"), REASONS, ids=str)
def test_a_medium_event_has_the_first_of_them(all_medium: Scorer, changes: dict[str, Any], codes: list[str]) -> None:
    verdict = all_medium.score(quiet(**changes))

    assert verdict.risk_level == "Medium"
    assert verdict.reason_codes == (["moderately_unusual"] if codes == ["multiple_signals"] else codes[:1])
    assert verdict.risk_reason == verdict.reason_codes[0].replace("_", " ")


@pytest.mark.parametrize(("changes", "_codes"), REASONS, ids=str)
def test_a_low_event_has_none(all_low: Scorer, changes: dict[str, Any], _codes: list[str]) -> None:
    verdict = all_low.score(quiet(**changes))

    assert (verdict.risk_level, verdict.predicted_label) == ("Low", 0)
    assert (verdict.risk_reason, verdict.reason_codes, verdict.contributions) == ("", [], [])


def test_a_reason_holds_for_a_category_that_the_encoder_has_never_seen(feature_seen: FeatureSeen) -> None:
    encoders = {field: encoder((*CLASSES[field], "no Mobile")) for field in CLASSES}
    encoders["device_type"] = encoder(("PC", "unknown"))
    imputed = small_set().imputation_values | {"device_type": "PC"}

    event = quiet(device_type="Mobile", touch_events=25)
    _, verdict = feature_seen(event, "device_type", label_encoders=encoders, imputation_values=imputed)

    assert verdict.reason_codes == ["many_touches_mobile"]


# --- derived features, by hand ----------------------------------------------------------------------------------------

BUSY = quiet(click_events=6, scroll_events=4, touch_events=8, keyboard_events=10, mouse_movement=200, device_motion=1.5)
DERIVED: list[tuple[str, dict[str, Any], float]] = [
    ("clicks_per_sec", BUSY | {"time_on_page": 4}, 1.5),
    ("scrolls_per_sec", BUSY | {"time_on_page": 4}, 1.0),
    ("touches_per_sec", BUSY | {"time_on_page": 0.5}, 16.0),
    ("keyboard_per_sec", BUSY | {"time_on_page": 4}, 2.5),
    ("clicks_per_sec", BUSY | {"time_on_page": 0}, 6.0),  # no seconds count as one
    ("keyboard_per_sec", BUSY | {"time_on_page": -0.0}, 10.0),
    ("interaction_score", BUSY, 0.3 * 6 + 0.2 * 4 + 0.2 * 8 + 0.2 * 10 + 0.1 * 200 + 0.1 * 1.5),
    ("is_odd_hour", BUSY | {DATE: "2025-04-18T01:00"}, 1),
    ("is_odd_hour", BUSY | {DATE: "2025-04-18T04:00"}, 0),
    ("is_odd_hour", BUSY | {DATE: "2025-04-18"}, 0),
    ("is_large_transaction", BUSY | {"transaction_amount": 10000}, 0),
    ("is_large_transaction", BUSY | {"transaction_amount": 10000.01}, 1),
    ("is_short_session", BUSY | {"time_on_page": 29.999}, 1),
    ("is_short_session", BUSY | {"time_on_page": 30}, 0),
    ("is_short_session", BUSY | {"time_on_page": 0}, 1),
    ("interaction_diversity", BUSY, 6),
    ("interaction_diversity", BUSY | {"device_motion": 0, "click_events": 0.0, "touch_events": 0.1}, 4),
    ("behavioural_consistency", BUSY, 4 / (200 + 1e-6)),  # device motion is none of the main five
    ("behavioural_consistency", BUSY | {"scroll_events": 0}, 0),
    ("input_to_navigation_ratio", BUSY, (10 + 8) / (6 + 4 + 1)),
    ("active_to_passive_ratio", BUSY | {"time_on_page": 5}, (6 + 10 + 8) / 6),
    ("active_to_passive_ratio", BUSY | {"time_on_page": 0}, 24),
    ("session_complexity", BUSY, 4),
    ("session_complexity", BUSY | {"device_motion": 5.01, "click_events": 5}, 4),
    ("transaction_per_min", BUSY | {"time_on_page": 60, "transaction_amount": 50}, 25),
    ("transaction_per_min", BUSY | {"time_on_page": 0, "transaction_amount": -50}, -50),
    ("is_high_value_short_session", BUSY | {"transaction_amount": 10001, "time_on_page": 59.9}, 1),
    ("is_high_value_short_session", BUSY | {"transaction_amount": 10001, "time_on_page": 60}, 0),
    ("is_high_value_short_session", BUSY | {"transaction_amount": 10000, "time_on_page": 59}, 0),
    ("is_small_screen", BUSY | {"screen_size": "360x640"}, 1),
    ("is_small_screen", BUSY | {"screen_size": "414x896"}, 1),
    ("is_small_screen", BUSY | {"screen_size": "1366x768"}, 0),
    ("is_large_screen", BUSY | {"screen_size": "1920x1080"}, 1),
    ("is_large_screen", BUSY | {"screen_size": "1440x900"}, 1),
    ("is_large_screen", BUSY | {"screen_size": "360x640"}, 0),
    ("obvious_anomaly_flag", BUSY, 0),
    ("obvious_anomaly_flag", BUSY | {"transaction_amount": 10001}, 0),
    ("obvious_anomaly_flag", BUSY | {"transaction_amount": 10001, DATE: "2025-04-18 03:00"}, 1),
    ("obvious_anomaly_flag", BUSY | {"click_events": 30}, 1),
    ("obvious_anomaly_flag", BUSY | {"click_events": 0}, 0),
    ("obvious_anomaly_flag", BUSY | {"mouse_movement": 1500}, 1),
    ("obvious_anomaly_flag", BUSY | {"touch_events": 20}, 0),
    ("obvious_anomaly_flag", BUSY | MOBILE | {"touch_events": 20}, 1),
    ("obvious_anomaly_flag", BUSY | MOBILE | {"touch_events": 0}, 0),
    ("obvious_anomaly_flag", BUSY | MOBILE | {"device_motion": 3}, 1),
    ("obvious_anomaly_flag", BUSY | {"time_on_page": 10}, 1),
    ("obvious_anomaly_flag", BUSY | {"time_on_page": 600}, 1),
    ("obvious_anomaly_flag", BUSY | {"keyboard_events": 0, "transaction_amount": 5000}, 0),
    ("obvious_anomaly_flag", BUSY | {"keyboard_events": 0, "transaction_amount": 5001}, 1),
    ("no_such_column", BUSY, 0),
    ("label", BUSY | {"label": 1}, 0),  # neither raw nor derived, whatever the event says
    ("click_events", BUSY, 6),
]


@pytest.mark.parametrize(("name", "event", "value"), DERIVED)
def test_a_feature_is_what_the_contract_says(
    feature_seen: FeatureSeen, name: str, event: dict[str, Any], value: float
) -> None:
    assert feature_seen(event, name)[0] == pytest.approx(value, rel=1e-15, abs=0)


def imputing(**values: Any) -> dict[str, Any]:
    return {"imputation_values": small_set().imputation_values | values}


def test_features_are_made_of_imputed_values(feature_seen: FeatureSeen) -> None:
    event = {key: value for key, value in BUSY.items() if key not in ("click_events", "time_on_page", "screen_size")}
    imputed = imputing(click_events=7, time_on_page=2.0, screen_size=np.str_("414x896"))

    assert feature_seen(event, "clicks_per_sec", **imputed)[0] == 3.5
    assert feature_seen(event, "is_small_screen", **imputed)[0] == 1


def test_reasons_are_made_of_imputed_values(feature_seen: FeatureSeen) -> None:
    imputed = imputing(click_events=30, time_on_page=600.0, device_type="Mobile", transaction_date=THREE)

    assert feature_seen({"touch_events": 1, "transaction_amount": 10001}, "label", **imputed)[1].reason_codes == [
        "large_amount_odd_hour", "very_many_clicks", "unusual_time_on_page",
    ]  # fmt: skip


@pytest.mark.parametrize("date", ["2025-06-15 03:30:00", "2025-06-15T01:00", THREE], ids=repr)
def test_an_imputed_date_may_be_a_timestamp_or_text(feature_seen: FeatureSeen, date: Any) -> None:
    assert feature_seen({}, "is_odd_hour", **imputing(transaction_date=date))[0] == 1


def test_a_category_contributes_by_its_string_seen_imputed_or_not(feature_seen: FeatureSeen) -> None:
    gap = {key: value for key, value in BUSY.items() if key != "language"}

    assert feature_seen(BUSY, "language")[0] == "english"
    assert feature_seen(BUSY | {"language": "toki pona"}, "language")[0] == "toki pona"
    assert feature_seen(gap, "language", **imputing(language="हिन्दी"))[0] == "हिन्दी"
