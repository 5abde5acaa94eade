"""Simulate people and attackers day by day.

A session's label depends on who made it, never on its features.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract import DATE
from training.synthetic.attacks import KINDS, disguise
from training.synthetic.behaviour import Numbers, borrow_devices, describe, draw_gaps, local_hours, measure
from training.synthetic.people import BROWSERS, SCREENS, Floats, Habits, Rng, Texts, draw_habits, pick, pick_by
from training.synthetic.sessions import Sessions

PERSON: Final = "person"
"""The `Sessions.kind` of honest people."""


@dataclass(frozen=True)
class World:
    """Settings of a simulation. Equal settings give equal bytes."""

    seed: int = 42
    start: str = "2026-08-03"  # the first day
    people: int = 600  # few enough that most accounts are attacked at some time: see docs/data-card.md
    attackers: int = 300
    first_user: int = 1  # number in the first user_id: worlds that share no users start apart
    sessions_per_day: int = 1_000
    prevalence: float = 0.035  # share of sessions that attackers make
    label_noise: float = 0.0  # share of attacks labelled honest; as many honest sessions are labelled attacks
    drift: float = 0.0  # growth of attackers' cunning and of prices in 30 days


@dataclass(frozen=True)
class _Population:
    """All people of a world, then all attackers, who have no accounts of their own."""

    habits: Habits  # (people + attackers,)
    ids: Texts  # (people,)
    activity: Floats  # (people,) cumulative share of the honest sessions
    kind: Texts  # (attackers,)
    cunning: Floats  # (attackers,)


@dataclass
class _Day:
    """The sessions of one day, not yet in order."""

    who: NDArray[np.int64]  # row of the population
    account: NDArray[np.int64]  # the person whose user_id the session carries
    kind: Texts
    habits: Habits
    hour: Floats  # local time of day
    numbers: Numbers = field(default_factory=dict)
    categories: dict[str, Texts] = field(default_factory=dict)


def live(world: World) -> Iterator[Sessions]:
    """Yield endless days in order of time, with a separate random stream per day."""
    population = _draw_population(np.random.default_rng([world.seed, 0]), world)
    number = 0
    while True:
        yield _draw_day(np.random.default_rng([world.seed, 1, number]), world, population, number)
        number += 1


def _draw_population(rng: Rng, world: World) -> _Population:
    n = world.people + world.attackers
    activity = np.cumsum(rng.lognormal(0.0, 1.0, world.people))
    kind = pick(rng, {name: kind.share for name, kind in KINDS.items()}, world.attackers)
    habits = draw_habits(rng, n)
    device = habits.device.copy()
    cunning = np.zeros(world.attackers)
    shares_motion = habits.shares_motion.copy()
    for name, traits in KINDS.items():
        rows = np.flatnonzero(kind == name)
        device[rows + world.people] = pick(rng, traits.devices, len(rows))
        shares_motion[rows + world.people] |= traits.always_sends_motion
        cunning[rows] = rng.beta(*traits.cunning, len(rows))
    browser, screen = pick_by(rng, device, BROWSERS), pick_by(rng, device, SCREENS)
    return _Population(
        habits=replace(
            habits,
            device=device,
            shares_motion=shares_motion,
            browser=np.where(device == habits.device, habits.browser, browser),
            screen=np.where(device == habits.device, habits.screen, screen),
        ),
        ids=np.array([f"user_{world.first_user + number}" for number in range(world.people)], dtype=object),
        activity=activity / activity[-1],
        kind=kind,
        cunning=cunning,
    )


def _draw_day(rng: Rng, world: World, population: _Population, number: int) -> Sessions:
    day = _draw_visits(rng, world, population, number)
    day.numbers = measure(rng, day.habits)
    day.categories = describe(rng, day.habits)
    months = number / 30.0
    day.numbers["transaction_amount"] = np.round(day.numbers["transaction_amount"] * (1 + world.drift * months), 2)
    for name, kind in KINDS.items():
        rows = np.flatnonzero(day.kind == name)
        cunning = 1 - (1 - population.cunning[day.who[rows] - world.people]) * max(0.0, 1 - world.drift * months)
        honest = {field: column[rows] for field, column in day.numbers.items()}
        for field_name, column in disguise(rng, kind, honest, cunning).items():
            day.numbers[field_name][rows] = column
        hidden = rng.random(len(rows)) < kind.hides_location * (1 - cunning)
        day.categories["geolocation_city"][rows[hidden]] = "Unknown"
        night = rng.random(len(rows)) < kind.night * (1 - cunning)
        day.hour[rows[night]] = rng.uniform(0.0, 5.0, int(night.sum()))
    return _finish(rng, world, population, number, day)


def _draw_visits(rng: Rng, world: World, population: _Population, number: int) -> _Day:
    n = world.sessions_per_day
    attack = rng.random(n) < world.prevalence
    person = np.searchsorted(population.activity, rng.random(n), side="right")
    # attackers come in campaigns: some of them this week, others the next
    campaign = (number * 7 + rng.integers(0, 40, n)) % world.attackers
    who = np.where(attack, campaign + world.people, person)
    kind = np.where(attack, population.kind[campaign], PERSON)
    habits = borrow_devices(rng, population.habits[who], ~attack)
    return _Day(
        who=who,
        account=person,  # attackers come in accounts taken over, bought or rented, a busy one more often
        kind=kind,
        habits=habits,
        hour=local_hours(rng, habits),
    )


def _finish(rng: Rng, world: World, population: _Population, number: int, day: _Day) -> Sessions:
    """Sort the day by time, name its sessions, remove fields that clients do not report."""
    seconds = (day.hour * 3600).astype(np.int64)
    zone = day.habits.timezone.astype(np.int64) * 60
    instant = np.mod(seconds - zone, 86_400)
    order = np.argsort(instant, kind="stable")
    midnight = np.datetime64(world.start, "s") + np.timedelta64(number * 86_400, "s")
    date = midnight + (instant + zone).astype("timedelta64[s]")
    gaps = draw_gaps(rng, day.habits)
    date[gaps[DATE]] = np.datetime64("NaT", "s")
    for name, texts in day.categories.items():
        texts[gaps[name]] = None
    first = number * world.sessions_per_day + 1
    return Sessions(
        numbers={name: np.where(gaps[name], np.nan, column)[order] for name, column in day.numbers.items()},
        categories={name: column[order] for name, column in day.categories.items()},
        date=date[order],
        user_id=population.ids[day.account[order]],
        session_id=np.array([f"session_{world.first_user}_{first + i}" for i in range(len(order))], dtype=object),
        label=_label(rng, world, day.kind[order]),
        kind=day.kind[order],
        sends_nulls=day.habits.sends_nulls[order],
    )


def _label(rng: Rng, world: World, kind: Texts) -> NDArray[np.int8]:
    attack = np.asarray(kind != PERSON)
    missed = attack & (rng.random(len(kind)) < world.label_noise)
    blamed = ~attack & (rng.random(len(kind)) < world.label_noise * world.prevalence)
    return ((attack & ~missed) | blamed).astype(np.int8)
