"""Events as producers write them: the training world's sessions, in the hands of many JSON libraries."""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from typing import Any, Final

import msgspec

from tests.support.oracle.reading import DATE, MODEL_FIELDS
from training.synthetic.dataset import events

Fields = dict[str, Any]
Style = Callable[[Random, bytes], bytes]
SIZES: Final = (1, 2, 10, 50, 200, 500, 1000)
_CITIES: Final = ("मुंबई", "São Paulo", "Zürich", "東京", "Санкт-Петербург", "Ναύπλιο", 'the "Big" \\ Apple', "C" * 200)
_EXTRA: Final[Fields] = {
    "label": 0,
    "referrer": "https://example.com/?q=a%20b",
    "tags": ["a", "b", []],
    "geo": {"lat": 19.07, "lon": 72.87, "ok": True},
    "agent": 'Mozilla/5.0 (X11; Linux x86_64) "quoted" \\ back',
    "price": 1e22,
    "id": 12345678901234567890,
    "none": None,
}


def _as_it_is(_: Random, event: bytes) -> bytes:
    return event


def _edited(edit: Callable[[Random, Fields], Fields]) -> Style:
    return lambda chance, event: _written(chance, edit(chance, msgspec.json.decode(event)))


def _written(chance: Random, fields: Fields) -> bytes:
    """Write the event as one of the usual libraries does: with or without blanks, ASCII alone or UTF-8."""
    if chance.random() < 0.5:
        return msgspec.json.encode(fields)
    return json.dumps(fields, ensure_ascii=chance.random() < 0.5).encode()


def _python(_: Random, event: bytes) -> bytes:
    return json.dumps(msgspec.json.decode(event)).encode()


def _indented(_: Random, event: bytes) -> bytes:
    return json.dumps(msgspec.json.decode(event), indent=2).encode()


def _shuffled(chance: Random, fields: Fields) -> Fields:
    return dict(chance.sample(list(fields.items()), len(fields)))


def _with_gaps(chance: Random, fields: Fields) -> Fields:
    for field in chance.sample(MODEL_FIELDS, 4):
        fields.pop(field, None)
    return fields | dict.fromkeys(chance.sample(MODEL_FIELDS, 2))


def _with_extra(chance: Random, fields: Fields) -> Fields:
    items = [*fields.items(), *chance.sample(list(_EXTRA.items()), chance.randint(1, len(_EXTRA)))]
    return dict(items if chance.random() < 0.5 else chance.sample(items, len(items)))


def _in_unicode(chance: Random, fields: Fields) -> Fields:
    return fields | {"geolocation_city": chance.choice(_CITIES), "user_id": f"पुष्पा-{chance.randint(0, 999)}"}


def _in_full_precision(chance: Random, fields: Fields) -> Fields:
    numbers = ("transaction_amount", "time_on_page", "device_motion", "timezone_offset")
    return fields | {name: chance.random() * 10 ** chance.randint(-9, 9) for name in numbers}


def _in_other_types(chance: Random, fields: Fields) -> Fields:
    """Counts as fractions of nothing, identities as integers, dates with fractions and offsets."""
    date = str(fields.get(DATE) or "2026-11-02T05:40:36")
    day = date[:10]
    dates = (date + ".123", date + "Z", date + "+05:30", date.replace("T", " "), date[:16], day, date + ".123456-0800")
    counts = {name: float(fields[name]) for name in ("click_events", "scroll_events") if fields.get(name) is not None}
    return (
        fields
        | counts
        | {DATE: chance.choice(dates), "user_id": chance.randrange(10**12), "session_id": chance.randrange(2**70)}
    )


STYLES: Final[tuple[Style, ...]] = (
    *((_as_it_is,) * 4), _python, _python, _indented,
    *map(_edited, (_shuffled, _with_gaps, _with_gaps, _with_extra, _in_unicode, _in_full_precision, _in_other_types)),
)  # fmt: skip


class OrdinaryEvents:
    """Draws batches of valid events: the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._events = events(seed)

    def __iter__(self) -> Iterator[list[bytes]]:
        """Return batches without end."""
        while True:
            yield self.batch(self._chance.choice(SIZES))

    def batch(self, size: int) -> list[bytes]:
        """Draw a batch, mostly of one producer, sometimes of several."""
        chance = self._chance
        styles = [chance.choice(STYLES)] if chance.random() < 0.7 else chance.sample(STYLES, 4)
        return [chance.choice(styles)(chance, event) for event in islice(self._events, size)]
