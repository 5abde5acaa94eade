"""Batches of records, from a number: ordinary values, odd ones, or both, with keys, headers and dates of every kind."""

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Final, Literal

from consumer.records import Batch, Headers
from tests.equality.odd import OddEvents
from tests.equality.ordinary import OrdinaryEvents
from tests.equality.slow_pipeline import NOW

Kind = Literal["odd", "ordinary", "mixed", "cut", "long"]
_TOPICS: Final = ("sessions", "a", "t." * 124, "web_sessions-2026.eu-west")
_OFFSETS: Final = (0, 9, 10, 99_999_999, 100_000_000, 2**31 - 1, 2**31, 2**53, 10**18, 2**63 - 10_000)
_DATES: Final = (
    -1,
    0,
    1,
    86_399_999,
    951_782_400_000,
    NOW,
    NOW + 600_000,
    NOW + 600_001,
    253_402_300_799_999,
    253_402_300_800_000,
    2**63 - 1,
)
_HEADERS: Final[tuple[Headers, ...]] = (
    [("trace", b"\x00\xff")],
    [("model_version", b"forged"), ("trace", None)],
    [("source_timestamp", b"7"), ("source_timestamp", None)],
    [("dead_letter.code", b"forged"), ("original.dead_letter.code", b"twice"), ("dead_letter.attempts", b"3")],
)


def values_of(kind: Kind, seed: int) -> Iterator[list[bytes]]:
    """Return lists of values without end, the same ones for the same seed."""
    makers: dict[Kind, Callable[[int], Iterable[list[bytes]]]] = {
        "odd": OddEvents,
        "ordinary": OrdinaryEvents,
        "mixed": _mixed,
        "cut": _cut,
        "long": _long,
    }
    return iter(makers[kind](seed))


def _mixed(seed: int) -> Iterator[list[bytes]]:
    """Return odd values among ordinary ones: few, or many."""
    chance = Random(seed)
    for ordinary, odd in zip(OrdinaryEvents(seed), OddEvents(seed + 1), strict=True):
        values = [*ordinary, *odd[: chance.choice((1, 2, len(odd)))]]
        chance.shuffle(values)
        yield values


def _cut(seed: int) -> Iterator[list[bytes]]:
    """Return events cut at every byte: all beginnings in one batch, then in one each beginning before its end."""
    for values in _mixed(seed):
        event = values[0][:3000]
        yield [event[:at] for at in range(len(event) + 1)]
        yield [part for at in range(len(event) + 1) for part in (event[:at], event[at:])]


def _long(seed: int) -> Iterator[list[bytes]]:
    """Return a few events each, one of them with something in it of one byte to a megabyte."""
    chance = Random(seed)
    for values in _mixed(seed):
        size = int(10 ** (6 * chance.random()))
        for form in _LONG:
            repeated = chance.choice(_REPEATED)
            event = form % (repeated * size)[:size]
            yield [*values[: chance.choice((0, 1, 4))], event, *values[4 : chance.choice((4, 5, 8))]]


_LONG: Final = (
    *(b'{"user_id":"%b","session_id":1}', b'{"session_id":"a","user_id":"\\u00e9%b"}', b'{"user_id":%b}'),
    *(b"%b", b'{"%b":1}', b'{"geolocation_city":"%b"}', b'{"language":"\\n%b","user_id":7}', b'{%b"click_events":30}'),
    *(b'{"transaction_date":"2026-11-23%b"}', b'{"click_events":1.%b}', b'{"click_events":1%b}'),
    *(b'{"note":%b}', b'{"note":"%b"}', b'{"note":[%b]}'),
)
_REPEATED: Final = (
    *(b"9", b"0", b"a", b" ", b"\n", b"\xc3\xa9", b"\xf0\x9f\x98\x80", b'\\"', b"\\u0041"),
    *(b"[", b"1,", b'{"a":', b"\x00"),
)


def batches(kind: Kind, seed: int) -> Iterator[Batch]:
    """Return batches without end, the same ones for the same seed."""
    chance = Random(seed)
    for values in values_of(kind, seed):
        yield batch_of(chance, values)


def batch_of(chance: Random, values: list[bytes]) -> Batch:
    """Return a batch of these values, with all else drawn; in some, tombstones stand between them."""
    rows: list[bytes | None] = list(values)
    if chance.random() < 0.1:
        for _ in range(chance.randint(1, 3)):
            rows.insert(chance.randint(0, len(rows)), None)
    n = len(rows)
    plain = chance.random() < 0.5  # as most batches are: no headers, dates that can be carried
    first = chance.choice(_OFFSETS)
    when = chance.randrange(NOW)
    return Batch(
        topic=chance.choice(_TOPICS),
        partitions=[chance.choice((0, 1, 7, 10, 2**31 - 1)) for _ in range(n)],
        offsets=[first + 2 * i for i in range(n)],
        timestamps=[when + i if plain or chance.random() < 0.5 else chance.choice(_DATES) for i in range(n)],
        keys=[chance.choice((None, b"", b"user_1", b"\xff\x00")) for _ in range(n)],
        values=rows,
        headers=[[] if plain or chance.random() < 0.5 else list(chance.choice(_HEADERS)) for _ in range(n)],
    )
