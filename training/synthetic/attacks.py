"""Draw six kinds of attack, as a few changes to honest sessions.

An attacker's *cunning* is the chance of every measurement to be copied from honest people instead: at 1 the session
equals an honest one. So every kind overlaps with normal behaviour, and no rule separates them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.synthetic.behaviour import IDLE_SECONDS, Numbers
from training.synthetic.people import Floats, Odds, Rng

Attack = Callable[[Rng, int, Numbers], Numbers]
"""Draws the changed numbers of n sessions, from the honest ones."""


@dataclass(frozen=True)
class Kind:
    """A kind of attack: frequency, cunning, devices, changes and time."""

    share: float  # of all attacking sessions
    cunning: tuple[float, float]  # the two parameters of a beta distribution
    devices: Odds
    change: Attack
    night: float = 0.0  # share of sessions in the small hours, local time
    hides_location: float = 0.2
    always_sends_motion: bool = False


def scripted_clicking(rng: Rng, n: int, _honest: Numbers) -> Numbers:
    """Click by script: sleeps of round seconds, a pointer that jumps or races, hardly a key."""
    seconds = rng.choice([10.0, 5.0, 15.0, 20.0, 30.0, 45.0, 60.0], n, p=[0.30, 0.1, 0.1, 0.15, 0.15, 0.1, 0.1])
    return {
        "time_on_page": seconds,
        "click_events": rng.poisson(6 + 22 * rng.gamma(2.0, 0.5, n)).astype(np.float64),
        "scroll_events": rng.poisson(1.5, n).astype(np.float64),
        "keyboard_events": rng.poisson(1.0, n).astype(np.float64),
        "mouse_movement": np.where(rng.random(n) < 0.5, 0.0, np.rint(rng.gamma(4.0, 320.0, n))),
    }


def replayed_motion(rng: Rng, n: int, _honest: Numbers) -> Numbers:
    """Replay touches and motion recorded on a real phone, slightly amplified."""
    return {
        "device_motion": np.round(rng.gamma(9.0, 2.7 / 9.0, n), 2),
        "touch_events": rng.poisson(14 * rng.gamma(8.0, 1 / 8.0, n)).astype(np.float64),
        "scroll_events": rng.poisson(4.0, n).astype(np.float64),
        "mouse_movement": np.zeros(n),
    }


def account_takeover(rng: Rng, n: int, honest: Numbers) -> Numbers:
    """Use a stranger's account, at night, from another device: straight to the payment."""
    return {
        "time_on_page": np.clip(np.rint(honest["time_on_page"] * rng.uniform(0.2, 0.7, n)), 4, IDLE_SECONDS),
        "scroll_events": rng.poisson(2.0, n).astype(np.float64),
        "keyboard_events": rng.poisson(2.5, n).astype(np.float64),  # passwords are pasted
        "timezone_offset": rng.choice([330.0, 0.0, 60.0, 180.0, 480.0, -300.0], n, p=[0.4, 0.15, 0.15, 0.1, 0.1, 0.1]),
        "transaction_amount": np.round(np.exp(rng.normal(9.0, 0.7, n)), 2),
    }


def card_testing(rng: Rng, n: int, _honest: Numbers) -> Numbers:
    """Try stolen card numbers with small amounts, through the shortest form."""
    return {
        "transaction_amount": np.round(rng.gamma(2.0, 14.0, n) + 1.0, 2),
        "time_on_page": np.rint(rng.gamma(5.0, 5.0, n)) + 3.0,
        "click_events": rng.poisson(3.5, n).astype(np.float64),
        "scroll_events": rng.poisson(0.6, n).astype(np.float64),
        "keyboard_events": rng.poisson(2.0, n).astype(np.float64),
    }


def slow_bot(rng: Rng, n: int, honest: Numbers) -> Numbers:
    """Imitate average people slowly: only the variance is too small."""
    seconds = np.rint(rng.normal(150.0, 25.0, n)).clip(60.0, IDLE_SECONDS)
    return {
        "time_on_page": seconds,
        "click_events": np.rint(rng.normal(9.0, 1.2, n)).clip(0),
        "scroll_events": np.rint(rng.normal(10.0, 1.5, n)).clip(0),
        "keyboard_events": np.rint(rng.normal(9.0, 2.0, n)).clip(0),
        "mouse_movement": np.where(honest["mouse_movement"] > 0, np.rint(rng.normal(420.0, 40.0, n)), 0.0),
    }


def mule_payout(rng: Rng, n: int, _honest: Numbers) -> Numbers:
    """Pass money on as a paid person: amounts just under round limits, otherwise normal."""
    limit = rng.choice([5_000.0, 10_000.0, 20_000.0], n, p=[0.3, 0.5, 0.2])
    return {
        "transaction_amount": np.round(limit * rng.uniform(0.90, 0.999, n), 0),
        "scroll_events": rng.poisson(3.0, n).astype(np.float64),
    }


PHONES: Odds = {"Mobile": 90, "Tablet": 10}
MIXED: Odds = {"Mobile": 55, "PC": 42, "Tablet": 3}
KINDS: dict[str, Kind] = {
    "scripted_clicking": Kind(0.24, (1.2, 5.0), {"PC": 75, "Mobile": 25}, scripted_clicking, hides_location=0.4),
    "replayed_motion": Kind(0.14, (1.2, 6.0), PHONES, replayed_motion, always_sends_motion=True),
    "account_takeover": Kind(0.20, (1.2, 6.0), MIXED, account_takeover, night=0.7, hides_location=0.5),
    "card_testing": Kind(0.20, (1.2, 5.0), MIXED, card_testing, night=0.3, hides_location=0.3),
    "slow_bot": Kind(0.12, (1.4, 5.0), {"PC": 70, "Mobile": 30}, slow_bot),
    "mule_payout": Kind(0.10, (1.2, 5.0), {"Mobile": 70, "PC": 30}, mule_payout, hides_location=0.0),
}


def disguise(rng: Rng, kind: Kind, honest: Numbers, cunning: Floats) -> Numbers:
    """Return the attack's numbers, replaced by honest ones with `cunning`, (n,), as the chance."""
    changed = kind.change(rng, len(cunning), honest)
    return {name: np.where(rng.random(len(column)) < cunning, honest[name], column) for name, column in changed.items()}
