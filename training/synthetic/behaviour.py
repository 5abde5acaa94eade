"""Draw sessions of honest people from their habits: measurements, categories, time of day and gaps."""

from dataclasses import replace

import numpy as np

from training.synthetic.people import (
    ABROAD,
    BROWSERS,
    CITIES,
    SCREENS,
    Flags,
    Floats,
    Habits,
    Rng,
    Texts,
    pick,
    pick_by,
)

Numbers = dict[str, Floats]
IDLE_SECONDS = 600  # clients stop their clock here: a tab left open has exactly this


def measure(rng: Rng, habits: Habits) -> Numbers:
    """Draw the nine numbers of one session per row of `habits`, without gaps."""
    n = len(habits.device)
    mood = rng.choice([0.35, 1.0, 2.2], n, p=[0.16, 0.66, 0.18])  # a quick look, a usual visit, a long read
    seconds = np.clip(np.rint(np.exp(rng.normal(habits.pace, 0.5)) * mood), 2, IDLE_SECONDS)
    # people slow down in long sessions, so counts grow with less than their length
    effort = rng.gamma(4.0, 0.25, n) * (seconds / 60.0) ** 0.75
    touch = habits.device != "PC"
    mouse = habits.device == "PC"

    def events(rate: Floats, start: float) -> Floats:
        return np.asarray(rng.poisson(start + rate * effort * rng.gamma(6.0, 1 / 6.0, n)), dtype=np.float64)

    typed = events(habits.typing, 1.5) * (rng.random(n) > 0.08)  # wallets and one-click buyers type nothing
    return {
        "click_events": events(habits.clicking, 1.5),
        "scroll_events": events(habits.scrolling, 1.0),
        "touch_events": np.where(touch, events(habits.touching, 1.0), 0.0),
        "keyboard_events": typed,
        "device_motion": np.where(touch, np.round(rng.gamma(3.0, habits.motion / 3.0), 2), 0.0),
        "time_on_page": seconds,
        "timezone_offset": np.where(rng.random(n) < 0.015, pick(rng, ABROAD, n).astype(np.float64), habits.timezone),
        "transaction_amount": _amounts(rng, habits),
        "mouse_movement": np.where(mouse, events(habits.mousing, 5.0), 0.0),
    }


def _amounts(rng: Rng, habits: Habits) -> Floats:
    n = len(habits.device)
    amount = np.exp(rng.normal(habits.spending, habits.spending_spread))
    big = np.where(rng.random(n) < 0.012, rng.uniform(5.0, 14.0, n), 1.0)  # rent, a phone, a flight
    priced = np.where(rng.random(n) < 0.02, rng.gamma(1.5, 12.0, n) + 1.0, amount * big)  # parking, a tip, an app
    priced = np.round(priced, 2)
    return np.where(rng.random(n) < 0.3, np.maximum(np.rint(priced / 10) * 10, 10.0), priced)


def local_hours(rng: Rng, habits: Habits) -> Floats:
    """Draw the local time of day, in hours in [0, 24), at which people come online."""
    return np.mod(rng.normal(habits.peak_hour, habits.spread), 24.0)


def describe(rng: Rng, habits: Habits) -> dict[str, Texts]:
    """Draw the six categories of one session per row; some sessions come from another town."""
    n = len(habits.device)
    orientation = np.where(rng.random(n) < 0.86, "portrait", "landscape").astype(object)
    orientation[habits.device == "PC"] = "none"
    town = np.where(rng.random(n) < 0.04, pick(rng, CITIES, n), habits.city)
    return {
        "device_type": habits.device.copy(),  # copies: gaps are written into them
        "screen_size": habits.screen.copy(),
        "browser_info": habits.browser.copy(),
        "language": habits.language.copy(),
        "device_orientation": orientation,
        "geolocation_city": town,
    }


def borrow_devices(rng: Rng, habits: Habits, honest: Flags) -> Habits:
    """Move one honest session in twelve to another device than usual."""
    other = honest & (rng.random(len(honest)) < 0.08)
    device = np.where(other, np.where(habits.device == "PC", "Mobile", "PC").astype(object), habits.device)
    browser = np.where(other, pick_by(rng, device, BROWSERS), habits.browser)
    return replace(
        habits, device=device, browser=browser, screen=np.where(other, pick_by(rng, device, SCREENS), habits.screen)
    )


def draw_gaps(rng: Rng, habits: Habits) -> dict[str, Flags]:
    """Return field -> the sessions, (n,), whose client does not report it.

    Gaps depend on device, browser, permission and app version, not on chance alone.
    """
    n = len(habits.device)
    desktop = habits.device == "PC"
    safari = habits.browser == "Safari"
    android = ~desktop & ~safari

    def lost(chance: float | np.ndarray) -> Flags:
        return np.asarray(rng.random(n) < chance)

    return {
        "device_motion": desktop | ~habits.shares_motion,  # iOS asks first, and many decline
        "touch_events": desktop & (lost(0.9)),  # a laptop with a touch screen reports them
        "mouse_movement": ~desktop & ~habits.old_client,  # old apps send a 0
        "keyboard_events": android & lost(0.09),  # some on-screen keyboards send no key events
        "scroll_events": habits.old_client & lost(0.5),
        "click_events": habits.old_client & lost(0.1),
        "time_on_page": lost(np.where(safari, 0.04, 0.008)),  # the last beacon, lost as the page closes
        "transaction_amount": lost(0.025),  # left before paying
        "language": habits.private,
        "timezone_offset": habits.private & lost(0.5),
        "screen_size": (habits.private & lost(0.5)) | (habits.old_client & lost(0.6)),
        "device_orientation": ~desktop & safari & ~habits.shares_motion & lost(0.5),
        "browser_info": habits.old_client & lost(0.8),  # an app, not a browser
        "geolocation_city": ~habits.shares_location,
        "device_type": lost(0.001),
        "transaction_date": habits.old_client & lost(0.3),  # a clock that was never set
    }
