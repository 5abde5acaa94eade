"""Batches made to take long: each grows with a number, and so should the time, no faster."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import numpy as np

from scoring.kernels.string_codes import MULTIPLIER, hash_bytes
from tests.equality.odd import OddEvents

Crafted = Callable[[int], list[bytes]]
_PLAIN: Final = b'{"user_id":"u","click_events":3,"geolocation_city":"Delhi"}'


def colliding_cities(n: int) -> list[bytes]:
    """Return n events whose cities have the same hash, of 62 bits: any first word has a second that makes it so."""
    with np.errstate(over="ignore"):
        words = np.random.default_rng(1).integers(0x21, 0x7F, (40_000 * n // 10 + 1, 8), dtype=np.uint8)
        words[(words == ord('"')) | (words == ord("\\"))] = ord("x")
        first = words.view("<u8").ravel()
        state = (np.uint64(16) * MULTIPLIER ^ first) * MULTIPLIER
        state ^= state >> np.uint64(32)
        second = state ^ np.uint64(0x1234567812345678)
    letters = second.view(np.uint8).reshape(-1, 8)
    usable = ((letters >= 0x20) & (letters < 0x7F) & (letters != ord('"')) & (letters != ord("\\"))).all(axis=1)
    rows = np.flatnonzero(usable)[:n]
    assert len(rows) == n, "more first words are needed"
    cities = [words[row].tobytes() + letters[row].tobytes() for row in rows]
    return [b'{"geolocation_city":"%b"}' % city for city in cities]


def hashes(cities: Sequence[bytes]) -> set[int]:
    """Return the hashes that the loop gives these."""
    with np.errstate(over="ignore"):
        return {hash_bytes(np.frombuffer(city + bytes(8), np.uint8), 0, len(city)) for city in cities}


def _one(event: Callable[[int], bytes]) -> Crafted:
    """Return what makes batches of plain events, in the middle of which such an event stands."""
    return lambda n: [*[_PLAIN] * 20, event(n), *[_PLAIN] * 20]


def _of_keys(n: int) -> list[bytes]:
    """Return events of new keys alone, which begin as those before did."""
    chance = Random(1)
    return [b"{%b}" % b",".join(b'"%016d":1' % chance.randrange(10**6) for _ in range(40)) for _ in range(n // 40)]


CRAFTED: Final[dict[str, Crafted]] = {
    "cities of one hash": lambda n: colliding_cities(n // 20),
    "cities": lambda n: [b'{"geolocation_city":"%d","language":"%0200d"}' % (i, i) for i in range(n // 10)],
    "blanks": _one(lambda n: b'{"user_id"' + b" " * n + b":" + b"\n" * n + b"1" + b"\t" * n + b"}" + b" " * n),
    "blanks behind no object": _one(lambda n: b" " * n),
    "an open string": _one(lambda n: b'{"user_id":"' + b"a" * n),
    "many open strings": lambda n: [b'{"note":"' + b"a" * 30] * (n // 40),
    "an open escape": _one(lambda n: b'{"note":"' + b"\\" * (2 * n + 1)),
    "escapes": _one(lambda n: b'{"user_id":"' + b"\\u00e9" * n + b'"}'),
    "characters beyond ASCII": _one(lambda n: b'{"geolocation_city":"' + "é".encode() * n + b'"}'),
    "nesting": _one(lambda n: b'{"note":' + b"[" * n + b"]" * n + b"}"),
    "open nesting": _one(lambda n: b'{"note":' + b'{"a":[' * n),
    "empty objects": _one(lambda n: b'{"note":[' + b"{}," * n + b"[]]}"),
    "numbers": _one(lambda n: b'{"note":[' + b"1," * n + b"0]}"),
    "digits": _one(lambda n: b'{"click_events":0.' + b"1" * n + b',"user_id":' + b"7" * n + b"}"),
    "a fraction of a second": _one(lambda n: b'{"transaction_date":"2026-11-23T10:00:00.' + b"1" * n + b'"}'),
    "keys": _of_keys,
    "long keys": lambda n: [b'{"' + b"k" * 200 + b'%06d":1}' % i for i in range(n // 100)],
    "keys of blanks": lambda n: [b'{"k"' + b" " * 200 + b"%b:1}" % (b" " * (i % 7)) for i in range(n // 100)],
    "the same key": _one(lambda n: b"{" + b'"note":1,' * n + b'"a":1}'),
    "one key twice": _one(lambda n: b"{" + b'"user_id":1,' * n + b'"a":1}'),
    "odd events": lambda n: OddEvents(1).batch(n // 10),
}
