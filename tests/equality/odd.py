"""Events as hardly anybody writes them: batches of JSON, right and wrong, each from a number."""

from collections.abc import Iterator
from random import Random
from typing import Final

from tests.equality.values import (
    BAD_BLANKS,
    BAD_PIECES,
    FIELDS,
    GOOD_BLANKS,
    bad_text,
    bad_value,
    deep,
    escaped,
    good_text,
    good_value,
    quoted,
)
from tests.support.oracle.reading import DATE

SIZES: Final = (1, 1, 2, 3, 5, 8, 30, 100, 300, 500)
_POOL: Final = 24  # values of each field at a time
_FRESH: Final = 4  # of them new in each batch
_OTHERS: Final = (
    *("note", "", "a", "label", "referrer", "device", "user", "Click_events", "click_event", "click_events_"),
    *("click_events ", "transaction_dat", "transaction_date2", "session_i", "TIMEZONE_OFFSET", "timezone-offset"),
    *("x" * 7, "x" * 8, "x" * 9, "x" * 16, "x" * 24, "x" * 33, "मुंबई", "a" * 300),
)
"""Names that are no field's, many of them nearly."""
_ESCAPED: Final = ("session_id\\u0000", "user_id\\t", "keyboard_event\\u0073", "\\ud83d\\ude00", "a\\/b", '\\"')
_NO_KEYS: Final = (
    b"click_events",
    b"'click_events'",
    b"1",
    b"null",
    b"",
    b"[]",
    b'"click_events',
    b'click_events"',
    b'""""',
    b"{}",
)
_MARKS: Final = (
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\",
    b"0",
    b"-",
    b".",
    b"e",
    b" ",
    b"\n",
    b"\x00",
    b"\x1f",
    b"\x7f",
    b"n",
)


class OddEvents:
    """Draws batches of odd events: the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        names = (*FIELDS, *_OTHERS, *_ESCAPED)
        self._good = {name: [self._member(name) for _ in range(_POOL)] for name in names}
        self._bad = {name: [self._bad_member(name) for _ in range(_POOL)] for name in names}
        self._order = list(FIELDS)

    def __iter__(self) -> Iterator[list[bytes]]:
        """Return batches without end."""
        while True:
            yield self.batch(self._chance.choice(SIZES))

    def batch(self, size: int) -> list[bytes]:
        """Draw a batch; in some, the text of one event goes on in the next."""
        self._renew()
        events = [self._event() for _ in range(size)]
        while size > 1 and self._chance.random() < 0.3:
            at = self._chance.randrange(size - 1)
            events[at : at + 2] = _divided(self._chance, events[at])
        return events

    def _renew(self) -> None:
        """Exchange some of the members that events are made of; now and then the order of the keys."""
        for pools, draw in ((self._good, self._member), (self._bad, self._bad_member)):
            for name in self._chance.sample(list(pools), 8):
                for _ in range(_FRESH):
                    pools[name][self._chance.randrange(_POOL)] = draw(name)
        if self._chance.random() < 0.3:
            names = _OTHERS if self._chance.random() < 0.9 else _ESCAPED
            self._order = [*FIELDS, *self._chance.sample(names, self._chance.randint(0, 4))]
            self._chance.shuffle(self._order)

    def _event(self) -> bytes:
        chance = self._chance
        draw = chance.random
        if draw() < 0.03:
            return _no_event(chance)
        leave_out = draw() * 0.3
        names = [name for name in self._order if draw() >= leave_out]
        if draw() < 0.1:
            chance.shuffle(names)
        if draw() < 0.1:
            names.insert(chance.randint(0, len(names)), chance.choice((*FIELDS, *_OTHERS)))
        members = [self._good[name][int(draw() * _POOL)] for name in names]
        kind = draw()
        if kind < 0.2 and names:
            at = chance.randrange(len(names)) if kind > 0.03 or DATE not in names else names.index(DATE)
            members[at] = self._bad[names[at]][int(draw() * _POOL)]
        comma = b"," if draw() < 0.7 else chance.choice((b", ", b" ,", b"\n,\n  "))
        event = b"{" + comma.join(members) + b"}"
        if draw() < 0.1:
            event = chance.choice(GOOD_BLANKS) + event + chance.choice(GOOD_BLANKS)
        return broken(chance, event) if 0.2 <= kind < 0.33 else event

    def _member(self, name: str) -> bytes:
        chance = self._chance
        key = name.encode()
        if chance.random() < 0.002:
            key = escaped(chance, key)
        return self._joined(quoted(key), good_value(chance, name))

    def _bad_member(self, name: str) -> bytes:
        """Draw a member with a fault in its key, between key and value, or, mostly, in its value."""
        chance = self._chance
        kind = chance.randrange(10)
        if kind == 0:
            key = chance.choice((*_NO_KEYS, quoted(bad_text(chance)), quoted(good_text(chance) + name.encode())))
            return self._joined(key, good_value(chance, name))
        if kind == 1:
            between = chance.choice((b"", b"::", b"=", b";", b",", b":,", *BAD_BLANKS))
            return quoted(name.encode()) + between + good_value(chance, name)
        return self._joined(quoted(name.encode()), bad_value(chance, name))

    def _joined(self, key: bytes, value: bytes) -> bytes:
        if self._chance.random() < 0.7:
            return key + b":" + value
        blanks = self._chance.choices(GOOD_BLANKS, k=4)
        return b"%b%b%b:%b%b%b" % (blanks[0], key, blanks[1], blanks[2], value, blanks[3])


def broken(chance: Random, event: bytes) -> bytes:
    """Return the event with one fault, at any place: bytes too many, too few, or others."""
    at = chance.randint(0, len(event))
    if chance.random() < 0.15:
        before, behind = chance.choice(_AROUND)
        return before + event + behind
    if chance.random() < 0.15:
        old, new = chance.choice(_INSTEAD)
        return event.replace(old, new, chance.choice((1, 2, -1)))
    if chance.random() < 0.15:
        return event[:at]
    left_out = chance.choice((0, 0, 1, 1, 2, 8, 20))
    repeated = event[max(at - chance.choice((1, 3, 30)), 0) : at]
    byte = bytes([chance.randrange(256)])
    put_in = chance.choice(
        (b"", byte, byte, chance.choice(_MARKS), chance.choice((*BAD_PIECES, *BAD_BLANKS)), repeated)
    )
    return event[:at] + put_in + event[at + left_out :]


_AROUND: Final = (
    *((b"\xef\xbb\xbf", b""), (b"", b"\x00"), (b"", b" x"), (b"[", b"]"), (b"", b"}"), (b"", b","), (b",", b"")),
    *((b"{}", b""), (b"", b"\n{}"), (b"{", b"}"), (b'"', b'"'), (b"", b"\x1a"), (b"", b"\n\xc3")),
    *((b"\x0c", b""), (b"(", b")")),
)
"""What stands before and behind an event."""
_INSTEAD: Final = (
    *((b'"', b"'"), (b":", b"="), (b",", b""), (b",", b",,"), (b"}", b""), (b"}", b",}"), (b"{", b"{,"), (b":", b"")),
    *((b'"', b""), (b'"', b'""'), (b":", b"::"), (b",", b";"), (b"_", b"\x00"), (b"e", b"\xc3\xa9"), (b"null", b"nil")),
)
"""What stands in an event, and what takes its place."""


def _no_event(chance: Random) -> bytes:
    """Return a value that is no object, or hardly one."""
    kind = chance.randrange(4)
    if kind == 0:
        return chance.choice(
            (b"", b" ", b"{", b"}", b"{}", b" {} ", b"[]", b"null", b"1", b'"', b'"{}"', b"{\x00}", b"{,}", b"{:}")
        )
    if kind == 1:
        return chance.randbytes(chance.choice((1, 2, 7, 8, 9, 40)))
    if kind == 2:
        return b"".join(chance.choices(_MARKS, k=chance.randint(1, 12)))
    return good_value(chance, "note") if chance.random() < 0.9 else deep(chance)


def _divided(chance: Random, event: bytes) -> list[bytes]:
    """Return the event cut in two: each half may look whole beside the other."""
    at = chance.randint(0, len(event))
    return [event[:at], event[at:]]
