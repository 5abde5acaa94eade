"""Which fields a session lacks: a matter of device, browser, permission and app version, not of chance alone."""

import numpy as np

from training.synthetic.people import Flags, Habits, Rng


def draw_gaps(rng: Rng, habits: Habits) -> dict[str, Flags]:
    """For each field that can be missing, the sessions (shape (n,)) whose client does not report it."""
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
        "geolocation_city": ~habits.shares_place,
        "device_type": lost(0.001),
        "transaction_date": habits.old_client & lost(0.3),  # a clock that was never set
    }
