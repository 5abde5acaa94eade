"""Draw people and their habits: devices, places, times, movements and spending."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Texts = NDArray[np.object_]
Rng = np.random.Generator
Odds = dict[str, float]  # value -> weight; weights need not sum to 1

DEVICES: Odds = {"Mobile": 62, "PC": 33, "Tablet": 5}
BROWSERS: dict[str, Odds] = {
    "Mobile": {"Chrome": 61, "Safari": 25, "Samsung Internet": 8, "Firefox": 4, "Edge": 2},
    "PC": {"Chrome": 60, "Edge": 20, "Firefox": 12, "Safari": 8},
    "Tablet": {"Safari": 62, "Chrome": 38},
}
SCREENS: dict[str, Odds] = {
    "Mobile": {"360x640": 42, "414x896": 45, "390x844": 13},
    "PC": {"1366x768": 40, "1920x1080": 38, "1440x900": 22},
    "Tablet": {"820x1180": 60, "1440x900": 40},
}
CITIES: Odds = {
    "Mumbai": 24,
    "Delhi": 20,
    "Bangalore": 18,
    "Kolkata": 11,
    "Chennai": 9,
    "Indore": 6,
    "Pune": 6,
    "Unknown": 6,
}
LANGUAGES: Odds = {"english": 46, "hindi": 41, "foreign": 13}
TIMEZONES: Odds = {"330": 90, "0": 3, "60": 2, "240": 2, "480": 2, "-300": 1}
ABROAD: Odds = {"0": 25, "60": 20, "180": 15, "240": 15, "480": 15, "-300": 10}  # on a journey, or behind a VPN


@dataclass(frozen=True)
class Habits:
    """The habits of n people, as arrays of shape (n,). `habits[i]` with an index array takes rows."""

    device: Texts
    browser: Texts
    screen: Texts
    city: Texts
    language: Texts
    timezone: Floats  # minutes
    peak_hour: Floats  # local hour around which this person is online
    spread: Floats  # hours
    pace: Floats  # log of the seconds a usual session takes
    clicking: Floats  # events per minute, as in the next four
    scrolling: Floats
    touching: Floats
    typing: Floats
    mousing: Floats
    motion: Floats  # usual magnitude of the motion sensor
    spending: Floats  # log of a usual amount
    spending_spread: Floats
    private: Flags  # browser set to resist fingerprinting
    shares_motion: Flags
    shares_location: Flags
    sends_nulls: Flags  # the client writes null for a gap; others leave the key out
    old_client: Flags  # an app version with additional gaps

    def __getitem__(self, rows: NDArray[np.integer]) -> "Habits":
        return Habits(**{name: column[rows] for name, column in vars(self).items()})


def pick(rng: Rng, odds: Odds, n: int) -> Texts:
    """Draw n values by their weights, shape (n,)."""
    names = np.array(list(odds), dtype=object)
    edges = np.cumsum(list(odds.values()))
    drawn: Texts = names[np.searchsorted(edges, rng.random(n) * edges[-1], side="right")]
    return drawn


def pick_by(rng: Rng, device: Texts, odds: dict[str, Odds]) -> Texts:
    """Draw one value per device, by that device's weights."""
    out = np.empty(len(device), dtype=object)
    for name, weights in odds.items():
        rows = device == name
        out[rows] = pick(rng, weights, int(rows.sum()))
    return out


def draw_habits(rng: Rng, n: int) -> Habits:
    """Draw the habits of n people."""
    device = pick(rng, DEVICES, n)
    browser = pick_by(rng, device, BROWSERS)
    language = pick(rng, LANGUAGES, n)
    zone = pick(rng, TIMEZONES, n).astype(np.float64)
    night_owl = rng.random(n) < 0.06
    evening = rng.random(n) < 0.55
    usual = np.where(evening, rng.normal(20.0, 1.6, n), rng.normal(12.5, 2.5, n))
    return Habits(
        device=device,
        browser=browser,
        screen=pick_by(rng, device, SCREENS),
        city=pick(rng, CITIES, n),
        language=language,
        timezone=np.where(language == "foreign", zone, 330.0),
        peak_hour=np.where(night_owl, rng.normal(25.0, 1.2, n), usual),
        spread=rng.uniform(1.2, 3.2, n),
        pace=rng.normal(4.55, 0.45, n),
        clicking=rng.lognormal(1.25, 0.40, n),
        scrolling=rng.lognormal(1.45, 0.45, n),
        touching=rng.lognormal(1.45, 0.40, n),
        typing=rng.lognormal(1.50, 0.55, n),
        mousing=rng.lognormal(5.10, 0.50, n),
        motion=rng.lognormal(-0.25, 0.45, n),
        spending=rng.normal(6.7, 0.85, n),
        spending_spread=rng.uniform(0.5, 1.1, n),
        private=rng.random(n) < np.where(browser == "Firefox", 0.35, 0.03),
        shares_motion=rng.random(n) < np.where(browser == "Safari", 0.35, 0.95),
        shares_location=rng.random(n) < np.where(device == "PC", 0.80, 0.92),
        sends_nulls=rng.random(n) < 0.4,
        old_client=rng.random(n) < np.where(device == "Mobile", 0.05, 0.0),
    )
