"""Hypothesis strategies for session events: valid, near every threshold, invalid, and JSON written in odd ways."""

import json
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.support.artifacts.sets import CLASSES, random_event
from tests.support.edge_values import EDGES, NEAR_MISSES, NO_DATES, OFFSETS
from tests.support.oracle.reading import CATEGORIES, DATE, IDENTITIES, LARGEST, MODEL_FIELDS, NEVER_NEGATIVE, NUMBERS

Event = dict[str, Any]
Pairs = list[tuple[str, Any]]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)  # Cs: surrogates, which are no text


@st.composite
def dates(draw: st.DrawFn) -> str:
    """A legal `transaction_date` in any of its forms."""
    day = draw(st.dates()).isoformat()
    offset = draw(st.sampled_from(OFFSETS))
    if draw(st.booleans()):
        return day + offset
    hour, time = draw(st.sampled_from((0, 1, 2, 3, 4, 23))), draw(st.times())
    seconds = draw(st.sampled_from(("", f":{time.second:02}", f":{time.second:02}.{time.microsecond:06}000"[:13])))
    return f"{day}{draw(st.sampled_from('T '))}{hour:02}:{time.minute:02}{seconds}{offset}"


def numbers(field: str) -> st.SearchStrategy[Any]:
    """Legal values of a numeric field: everyday ones, the edges, and the extremes."""
    least = 0 if field in NEVER_NEGATIVE else -LARGEST
    return st.one_of(
        st.integers(0, 60),
        st.sampled_from(EDGES.get(field, (0, 1, 5, 6))),
        st.floats(least, LARGEST).filter(lambda x: x == 0 or abs(x) > 1e-6),
        st.integers(int(least), int(LARGEST)),
    )


def categories(field: str) -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(CLASSES[field]), st.sampled_from(NEAR_MISSES), TEXTS)


def identities() -> st.SearchStrategy[Any]:
    return st.one_of(TEXTS, st.integers(), st.just("007"), st.just(10**40), st.none())


def ignored() -> st.SearchStrategy[Any]:
    """Any JSON at all: what fields hold that the model ignores."""
    leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
    )


def ignored_fields() -> st.SearchStrategy[Event]:
    names = st.one_of(st.sampled_from(("label", "referrer", "Click_events", "click_events ")), TEXTS)
    known = {*MODEL_FIELDS, *IDENTITIES}
    return st.dictionaries(names.filter(lambda name: name not in known), ignored(), max_size=2)


def values(field: str) -> st.SearchStrategy[Any]:
    if field in NUMBERS:
        return numbers(field)
    return dates() if field == DATE else categories(field)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """A valid event: one of 10,000 ordinary ones, a few fields of it drawn anew, a few left out or null."""
    event = random_event(np.random.default_rng(draw(st.integers(0, 9999))))
    for field in draw(_some(MODEL_FIELDS)):
        event[field] = draw(values(field))
    for field in draw(_some(IDENTITIES)):
        event[field] = draw(identities())
    for field in draw(_some(MODEL_FIELDS)):
        event[field] = None
    for field in draw(_some(MODEL_FIELDS)):
        del event[field]
    return event | draw(ignored_fields())


def _some(fields: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(fields), max_size=3, unique=True)


@st.composite
def near_threshold_events(draw: st.DrawFn) -> Event:
    """A valid event with every number on or beside one of the contract's thresholds."""
    event: Event = {field: draw(st.sampled_from(EDGES.get(field, (0, 5, 6)))) for field in NUMBERS}
    event |= {field: draw(st.sampled_from((*CLASSES[field], "Mobile"))) for field in CATEGORIES}
    return event | {DATE: f"2025-04-18T{draw(st.sampled_from((0, 1, 2, 3, 4))):02}:00"}


def bad_values(field: str) -> st.SearchStrategy[Any]:
    """Values that make an event invalid in this field. JSON values only: they go through bytes and dicts alike."""
    structures = st.sampled_from((True, False, [], {}, [1], {"a": 1}))
    if field in NUMBERS:
        huge = st.sampled_from((1.0000000000001e12, -1e13, 10**13, 10**400, -(10**400), 1e300))
        below = st.sampled_from((-1, -0.5, -1e-300, -(10**12)))
        wrong = st.one_of(structures, st.sampled_from(("", "7", "NaN", "1e3")), TEXTS)
        return st.one_of(wrong, huge, below) if field in NEVER_NEGATIVE else st.one_of(wrong, huge)
    number = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
    if field == DATE:
        return st.one_of(structures, number, st.sampled_from(NO_DATES))
    if field in IDENTITIES:
        return st.one_of(structures, st.sampled_from((1.0, 0.5, -0.0, 1e5, 1e300)))
    return st.one_of(structures, number)


@st.composite
def invalid_events(draw: st.DrawFn) -> Event:
    """An event with one to three fields gone wrong."""
    event = draw(events())
    for field in draw(st.lists(st.sampled_from((*MODEL_FIELDS, *IDENTITIES)), min_size=1, max_size=3, unique=True)):
        event[field] = draw(bad_values(field))
    return event


def any_events() -> st.SearchStrategy[Event]:
    return st.one_of(events(), near_threshold_events(), invalid_events())


@st.composite
def encoded(draw: st.DrawFn, source: st.SearchStrategy[Event] | None = None) -> bytes:
    """An event as the plain JSON that a producer would write, in either spelling of what is not ASCII."""
    return json.dumps(draw(any_events() if source is None else source), ensure_ascii=draw(st.booleans())).encode()


@st.composite
def oddly_written(draw: st.DrawFn) -> bytes:
    """JSON of the same syntax but an unusual hand: blanks, escaped keys, repeated keys, numbers spelled otherwise."""
    pairs: Pairs = list(draw(any_events()).items())
    for field in draw(st.lists(st.sampled_from((*MODEL_FIELDS, *IDENTITIES)), max_size=3)):
        again = draw(st.one_of(st.none(), values(field) if field in MODEL_FIELDS else identities(), bad_values(field)))
        pairs.insert(draw(st.integers(0, len(pairs))), (field, again))
    blanks = st.sampled_from(("", "", " ", "\t", "\r\n", "  \n"))
    members = [
        f"{draw(blanks)}{_key(draw, key)}{draw(blanks)}:{draw(blanks)}{_value(draw, value)}{draw(blanks)}"
        for key, value in pairs
    ]
    return f"{draw(blanks)}{{{','.join(members)}}}{draw(blanks)}".encode()


def _key(draw: st.DrawFn, key: str) -> str:
    if not key or not draw(st.booleans()):
        return json.dumps(key)
    place = draw(st.integers(0, len(key) - 1))
    escaped = "".join(f"\\u{unit:04x}" for unit in _utf16(key[place]))
    return f'"{_inside(key[:place])}{escaped}{_inside(key[place + 1 :])}"'


def _inside(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _utf16(character: str) -> list[int]:
    units = character.encode("utf-16-be")
    return [int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2)]


def _value(draw: st.DrawFn, value: Any) -> str:
    """A number in another spelling of the same double, now and then; all else as `json` writes it."""
    plain = json.dumps(value, ensure_ascii=draw(st.booleans()))
    if type(value) is float:
        return draw(st.sampled_from((plain, f"{value:.17e}", f"{value:.17E}", f"{value:.25f}")))
    if type(value) is int and value and draw(st.booleans()):
        return f"{plain}{draw(st.sampled_from(('.0', 'e0', 'E+00', '.000e-0')))}"
    return plain


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid event's bytes, then a few of them flipped, inserted, deleted or moved."""
    raw = bytearray(draw(encoded(events())))
    pieces = (b"\xed\xa0\x80", b"\xc0\xaf", b"\xff", b"\xef\xbb\xbf", b"\0", b'\\ud800"', b"NaN", b"-Infinity", b"01",
              b",", b"{", b"}", b"]", b'"', b"\\", b"1e400", b"null", b"\x1f", b"\x7f", b"-", b".", b"e")  # fmt: skip
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(raw)))
        what = draw(st.sampled_from(("flip", "insert", "delete", "cut")))
        if what == "insert":
            raw[place:place] = draw(st.sampled_from(pieces))
        elif what == "cut":
            del raw[place : place + draw(st.integers(1, 20))]
        elif place < len(raw):
            raw[place : place + 1] = b"" if what == "delete" else bytes([raw[place] ^ draw(st.integers(1, 255))])
    return bytes(raw)


def any_bytes() -> st.SearchStrategy[bytes]:
    """Everything that may stand in a record's value."""
    return st.one_of(encoded(), oddly_written(), mutated(), st.binary(max_size=40))
