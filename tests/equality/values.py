"""JSON values, right and wrong, as bytes: a grammar with every kind of fault, drawn from a seeded source of chance.

Whether a value is right is not promised here: most of what `good_*` returns is valid, most of what `bad_*` returns is
not, and the contract's decoder is asked which.
"""

import json
import math
import struct
from collections.abc import Callable
from random import Random
from typing import Final

from tests.support.edge_values import EDGES, NEAR_MISSES, NO_DATES, OFFSETS
from tests.support.oracle.reading import CATEGORIES, DATE, IDENTITIES, NEVER_NEGATIVE, NUMBERS

FIELDS: Final = (*NUMBERS, *CATEGORIES, DATE, *IDENTITIES)
LENGTHS: Final = (*range(10), 15, 16, 17, 23, 24, 25, 31, 32, 33, 40)
"""Of strings: around multiples of the eight bytes that a loop may read at once."""
LONG_LENGTHS: Final = (63, 64, 65, 200, 255, 256, 257, 1000)

CLASSES: Final = {
    "device_type": ("Mobile", "PC", "Tablet", "unknown"),
    "screen_size": ("360x640", "414x896", "1920x1080", "1440x900", "800x600"),
    "browser_info": ("Chrome", "Safari", "Samsung Internet", "Firefox"),
    "language": ("english", "hindi", "हिन्दी"),
    "device_orientation": ("none", "portrait", "landscape"),
    "geolocation_city": ("Delhi", "Mumbai", "Bangalore", "Indore", "Atlantis"),
}
_ASCII: Final = bytes(c for c in range(0x20, 0x80) if c not in b'"\\')
_CHARACTERS: Final = "\x80é\u07ff\u0800€\u2028\ud7ff\ue000\ufffe\uffff\U00010000😀\U0010ffff"
GOOD_ESCAPES: Final = (
    *(b"\\" + bytes([c]) for c in b'"\\/bfnrt'),
    *(b"\\u0000", b"\\u001f", b"\\u0041", b"\\u00e9", b"\\u20AC"),
    *(b"\\uFFFF", b"\\ud7ff", b"\\uE000", b"\\u0022", b"\\u005c"),
    *(b"\\ud83d\\ude00", b"\\uD800\\uDC00", b"\\udbff\\uDFFF", b"\\\\ud800"),
)
BAD_ESCAPES: Final = (
    *(b"\\" + bytes([c]) for c in b"x0'aU \x00\xc3"),
    *(b"\\u", b"\\u1", b"\\u12", b"\\u123", b"\\uZZZZ"),
    *(b"\\u12G4", b"\\u 123", b"\\u+123", b"\\u0x1f", b"\\u00\xc3\xa9"),
    *(b"\\ud800", b"\\uDBFF", b"\\udc00", b"\\uDFFF"),
    *(b"\\udc00\\ud800", b"\\ud800\\u0041", b"\\ud800\\ud800", b"\\ud800x"),
    *(b"\\ud800\\n", b"\\ud83d\\\\ude00", b"\\ud83d\\ude0", b"\\ud83d\\ue000"),
)
BAD_UTF8: Final = (
    *(b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80"),
    *(b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80"),
    *(b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80"),
    *(b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\x80"),
    *(b"\xbf", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"),
    *(b"\xe2\x28\xa1", b"\xc3\x28", b"\xf0\x9f\x98\x28", b"\xe2\x82\xc3\xa9"),
)
CONTROLS: Final = tuple(bytes([c]) for c in range(0x20))
GOOD_PIECES: Final = (
    *(bytes([c]) for c in _ASCII),
    *(character.encode() for character in _CHARACTERS * 4),
    *GOOD_ESCAPES,
)
BAD_PIECES: Final = (*BAD_ESCAPES, *BAD_UTF8, *CONTROLS, b'"', b"\\")
LITERALS: Final = (b"null", b"true", b"false")
NO_LITERALS: Final = (
    *(b"nul", b"nulll", b"Null", b"NULL", b"n", b"nu"),
    *(b"tru", b"truE", b"truex", b"fals", b"falsey", b"undefined", b"None"),
    *(b"NaN", b"-NaN", b"nan", b"Infinity", b"-Infinity", b"inf", b"null1"),
    *(b"null\x00", b"", b"-", b"--1", b"+1", b".5", b"1."),
    *(b"-.5", b"01", b"-01", b"00", b"1e", b"1e+", b"1E-"),
    *(b"1.e5", b"1.5.2", b"0x10", b"1_000", b"1,5", b"1e5.5", b"'a'", b"`a`"),
    *(b"1 2", b'"a" "b"', b"\xe2\x80\x9ca\xe2\x80\x9d", b"\xd9\xa7", b"0e", b"-e1", b"1-", b"9" * 5000 + b"x"),
)
GOOD_BLANKS: Final = (*((b"",) * 12), b" ", b"\t", b"\n", b"\r\n", b"  ", b" " * 7, b" " * 8, b"\t \r\n" * 4, b" " * 65)
BAD_BLANKS: Final = (
    *(b"\x0b", b"\x0c", b"\x00", b"\xa0", b"\xc2\xa0", b"\xe2\x80\x83", b"\xef\xbb\xbf", b"\x1f", b"\x7f"),
    *(b"/**/", b"//\n"),
)
STRUCTURES: Final = (
    *(b"[]", b"{}", b"[1]", b'{"a":1}', b"[[]]", b'["Mobile"]', b'{"click_events":1}', b"[null]", b"true", b"false"),
)


def good_text(chance: Random) -> bytes:
    """Return the inside of a JSON string."""
    length = chance.choice(LENGTHS) if chance.random() < 0.97 else chance.choice(LONG_LENGTHS)
    if chance.random() < 0.5:
        return bytes(chance.choices(_ASCII, k=length))
    return b"".join(chance.choices(GOOD_PIECES, k=length))


def bad_text(chance: Random) -> bytes:
    """Return the inside of a string with a fault at its beginning, within it or at its end."""
    pieces = chance.choices(GOOD_PIECES, k=chance.choice(LENGTHS))
    pieces.insert(chance.choice((0, len(pieces), chance.randint(0, len(pieces)))), chance.choice(BAD_PIECES))
    return b"".join(pieces)


def quoted(text: bytes) -> bytes:
    return b'"%b"' % text


def good_number(chance: Random, field: str) -> bytes:
    """Return a number that `field` takes."""
    text = chance.choice(_NUMBERS)(chance, field)
    return b"-" + text if field not in NEVER_NEGATIVE and chance.random() < 0.3 else text


def _small(chance: Random, _: str) -> bytes:
    return b"%d" % chance.randint(0, 700)


def _short_decimal(chance: Random, _: str) -> bytes:
    places = chance.randint(1, 6)
    return b"%d.%0*d" % (chance.randint(0, 99_999), places, chance.randrange(10**places))


def _many_digits(chance: Random, _: str) -> bytes:
    """A decimal of up to 40 digits, around the 15 to 19 that a double or an int64 holds exactly."""
    count = chance.choice((14, 15, 16, 17, 18, 19, 20, 21, 30, 40))
    digits = b"%0*d" % (count, chance.choice((chance.randrange(10**count), 10**count - 1, 10 ** (count - 1))))
    whole = chance.randint(1, min(12, count - 1))
    return (digits[:whole].lstrip(b"0") or b"0") + b"." + digits[whole:]


def _any_double(chance: Random, _: str) -> bytes:
    """A double of any exponent, in one of its spellings."""
    value = abs(struct.unpack("<d", chance.randbytes(8))[0])
    if not value <= 1e12:
        value = chance.random() * 10 ** chance.randint(-320, 12)
    return chance.choice((b"%r", b"%.17e", b"%.16E", b"%.25f", b"%.3e")).decode().__mod__(value).encode()


def _exponent(chance: Random, _: str) -> bytes:
    mantissa = b"%d%b" % (chance.randint(0, 999), chance.choice((b"", b".5", b".000", b".25")))
    exponent = chance.choice((0, 1, 2, 5, 9, 22, 23, 300, 400)) if chance.random() < 0.3 else chance.randint(0, 9)
    return b"%b%b%d" % (mantissa, chance.choice((b"e", b"E", b"e+", b"E-", b"e-", b"e0", b"e-0")), exponent)


def _halfway(chance: Random, _: str) -> bytes:
    """A number close to the middle of two doubles, where only exact arithmetic rounds right."""
    low = chance.random() * 10 ** chance.randint(-3, 11)
    exact = (low + math.nextafter(low, math.inf)) / 2
    numerator, denominator = exact.as_integer_ratio()
    places = min(denominator.bit_length() - 1, 60)
    digits = str(numerator * 10**places // denominator + chance.choice((-1, 0, 0, 1))).rjust(places + 1, "0")
    return (digits[: len(digits) - places] + ("." + digits[len(digits) - places :] if places else "")).encode()


_EXTREMES: Final = (
    *(b"0", b"-0", b"0.0", b"-0.0", b"-0e0"),
    *(b"0e5", b"0E-400", b"1e-400", b"5e-324", b"2.2250738585072011e-308", b"1e12"),
    *(b"1000000000000", b"1000000000000.0", b"1.0e12"),
    *(b"999999999999.9999", b"0.1e13", b"9007199254740991e-4", b"1E+12"),
    *(b"9007199254740993e-5", b"9007199254740992.5e-6"),
    *(b"0." + b"0" * 30 + b"1234", b"30." + b"0" * 400, b"3" + b"0" * 30 + b"e-29"),
    *(b"0." + b"9" * 40, b"1" + b"0" * 400 + b"e-400"),
    *(b"184467440737.09551616", b"922337203685.4775808", b"922337203685.477580700000"),
    *(b"1." + b"0" * 22 + b"1", b"0.000000000000000000000001", b"4503599627370496.5e-5", b"0." + b"1" * 1000),
)


def _extreme(chance: Random, field: str) -> bytes:
    edges = EDGES.get(field)
    return json.dumps(chance.choice(edges)).encode() if edges and chance.random() < 0.5 else chance.choice(_EXTREMES)


_NUMBERS: Final[tuple[Callable[[Random, str], bytes], ...]] = (
    *((_small,) * 4),
    *((_short_decimal,) * 2),
    *((_extreme,) * 2),
    _many_digits,
    _any_double,
    _exponent,
    _halfway,
)
_OUT_OF_RANGE: Final = (
    *(b"1000000000001", b"1000000000000.0001", b"1e13", b"1e309"),
    *(b"1e400", b"-1e400", b"-1000000000000.5", b"1" + b"0" * 400),
    *(b"-" + b"9" * 400, b"10000000000000000000", b"18446744073709551616"),
    *(b"9223372036854775808", b"1e99999", b"0.1e14"),
)
_NEGATIVE: Final = (b"-1", b"-0.5", b"-1e-300", b"-5e-324", b"-0.0000001", b"-1000000000000")


def bad_number(chance: Random, field: str) -> bytes:
    """Return what `field`, a number, does not take."""
    kind = chance.randrange(5)
    if kind == 0:
        return chance.choice(_OUT_OF_RANGE if field not in NEVER_NEGATIVE else (*_OUT_OF_RANGE, *_NEGATIVE))
    if kind == 1:
        return quoted(good_number(chance, field))
    if kind == 2:  # a right one with something in it that no number has
        number = good_number(chance, field)
        at = chance.randint(0, len(number))
        return (
            number[:at]
            + chance.choice((b"-", b"+", b".", b"e", b"0", b"_", b"x", b" ", b"\x00", b"\xc3\xa9", b":"))
            + number[at:]
        )
    return chance.choice(STRUCTURES) if kind == 3 else chance.choice(NO_LITERALS)


def good_date(chance: Random) -> bytes:
    """Return the text of a date in any of the contract's forms."""
    if chance.random() < 0.1:
        day = chance.choice(
            ("2024-02-29", "2000-02-29", "0004-02-29", "0001-01-01", "9999-12-31", "1900-02-28", "2026-04-30")
        )
    else:
        day = f"{chance.randint(1, 9999):04}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    offset = chance.choice(OFFSETS)
    if chance.random() < 0.2:
        return (day + offset).encode()
    seconds = chance.choice(
        ("", ":00", ":59", f":{chance.randint(0, 59):02}", ":07.1", ":30.123456789", f":01.{chance.randint(0, 999999)}")
    )
    return (
        f"{day}{chance.choice('TTT ')}{chance.randint(0, 23):02}:{chance.randint(0, 59):02}{seconds}{offset}".encode()
    )


_SWAPPED: Final = b"0123456789-:TtZz .+\x00\n/e"
_ODD_DAYS: Final = (
    *(
        "2025-02-29",
        "1900-02-29",
        "2100-02-29",
        "0000-02-29",
        "0000-01-01",
        "2025-04-31",
        "2025-00-10",
        "2025-13-01",
        "2025-01-00",
    ),
    *(
        "2025-01-32",
        "2025-06-31",
        "2025-09-31",
        "2025-11-31",
        "2024-02-30",
        "10000-01-01",
        "-001-01-01",
        "999-01-01",
        "2025-02-29T10:00",
    ),
)


def bad_date(chance: Random) -> bytes:
    """Return the text of what is nearly a date."""
    kind = chance.randrange(4)
    if kind == 0:
        return json.dumps(chance.choice(NO_DATES), ensure_ascii=chance.random() < 0.5)[1:-1].encode()
    if kind == 1:
        return (chance.choice(_ODD_DAYS) + chance.choice(("", "T10:00", " 03:00:00", "T01:02:03Z"))).encode()
    text = bytearray(good_date(chance))
    at = chance.randrange(len(text))
    text[at : at + chance.choice((0, 1, 1, 1))] = bytes([chance.choice(_SWAPPED)]) * chance.choice((0, 1, 1, 1))
    return bytes(text)


def escaped(chance: Random, text: bytes) -> bytes:
    """Spell one ASCII letter of a text by its number; the text stays the same."""
    if not text:
        return text
    at = chance.randrange(len(text))
    if text[at] >= 0x80 or b"\\" in text:
        return text
    return text[:at] + chance.choice((b"\\u%04x", b"\\u%04X")) % text[at] + text[at + 1 :]


def good_category(chance: Random, field: str) -> bytes:
    kind = chance.random()
    if kind < 0.6:
        return quoted(chance.choice(CLASSES[field]).encode())
    if kind < 0.75:
        return json.dumps(chance.choice(NEAR_MISSES), ensure_ascii=chance.random() < 0.5).encode()
    if kind < 0.8:
        return quoted(escaped(chance, chance.choice(CLASSES[field]).encode()))
    return quoted(good_text(chance))


def good_identity(chance: Random) -> bytes:
    """Return a string of any kind, or an integer of up to 4300 digits."""
    kind = chance.random()
    if kind < 0.35:
        return b'"user_%d"' % chance.randint(0, 10**6)
    if kind < 0.7:
        return quoted(good_text(chance))
    if kind < 0.71:
        return chance.choice((b"", b"-")) + b"9" * chance.choice((4299, 4300))
    if kind < 0.75:
        return chance.choice((b"-0", b"0", b"9223372036854775807", b"-9223372036854775808", b"18446744073709551615"))
    return chance.choice((b"", b"", b"-")) + b"%d" % chance.randrange(10 ** chance.choice((1, 2, 5, 18, 19, 20, 40)))


_NO_IDENTITIES: Final = (
    b"1.0",
    b"1e5",
    b"-0.0",
    b"0.5",
    b"1e300",
    b"9" * 4301,
    b"-" + b"9" * 4301,
    b"9" * 6000,
    b"007",
    b"1E2",
)


def ignored(chance: Random, depth: int = 3) -> bytes:
    """Return any JSON value."""
    kind = chance.randrange(6 if depth else 4)
    if kind == 0:
        return quoted(good_text(chance))
    if kind == 1:
        return chance.choice(LITERALS)
    if kind in {2, 3}:
        return chance.choice((good_number(chance, "timezone_offset"), b"1e400", b"9" * 30, b"-1.5E+300", b"9" * 400))
    blank = chance.choice(GOOD_BLANKS)
    inner = [ignored(chance, depth - 1) for _ in range(chance.choice((0, 1, 2, 3)))]
    if kind == 4:
        return b"[" + blank + (blank + b"," + blank).join(inner) + blank + b"]"
    names = [quoted(good_text(chance)) if chance.random() < 0.5 else b'"click_events"' for _ in inner]
    members = [name + blank + b":" + blank + value for name, value in zip(names, inner, strict=True)]
    return b"{" + blank + (b"," + blank).join(members) + blank + b"}"


_DEPTHS: Final = (2, 3, 5, 30, 31, 32, 33, 62, 63, 64, 65, 97, 98, 99, 100, 101, 102, 127, 128, 129)


def deep(chance: Random) -> bytes:
    """Return arrays and objects within one another, about as many as are always taken; seldom far more."""
    depth = chance.choice(_DEPTHS) if chance.random() < 0.9 else chance.choice((498, 499, 500, 501, 1024, 3000))
    kinds = [chance.random() < 0.5 for _ in range(depth)]
    opened = b"".join(b"[" if kind else b'{"a":' for kind in kinds)
    return (
        opened + chance.choice((b"1", b"null", b'""', b"[]")) + b"".join(b"]" if kind else b"}" for kind in kinds[::-1])
    )


def bad_ignored(chance: Random) -> bytes:
    """Return what is no JSON value, mostly by one byte too few, too many or other than it should be."""
    if chance.random() < 0.3:
        return chance.choice((*NO_LITERALS, quoted(bad_text(chance))))
    value = bytearray(deep(chance) if chance.random() < 0.2 else ignored(chance))
    at = chance.randrange(len(value))
    value[at : at + chance.choice((0, 1, 1))] = chance.choice(
        (b"", b"", b",", b":", b"]", b"}", b"[", b"{", b'"', b"\\", b"\x00", b"\xff")
    )
    return bytes(value)


def good_value(chance: Random, field: str) -> bytes:
    """Return JSON that `field` takes, null included; of a name that is no field's, any JSON."""
    if field in FIELDS and chance.random() < 0.05:
        return b"null"
    if field in NUMBERS:
        return good_number(chance, field)
    if field in CATEGORIES:
        return good_category(chance, field)
    if field in IDENTITIES:
        return good_identity(chance)
    if field == DATE:
        date = good_date(chance)
        return quoted(escaped(chance, date) if chance.random() < 0.05 else date)
    return deep(chance) if chance.random() < 0.03 else ignored(chance)


def bad_value(chance: Random, field: str) -> bytes:
    """Return what `field` does not take, or what is no JSON at all."""
    if field in NUMBERS:
        return bad_number(chance, field)
    if field not in FIELDS:
        return bad_ignored(chance)
    kind = chance.choice((0, 1, 2, *((3,) * 9))) if field == DATE else chance.randrange(4)
    if kind == 0:
        return chance.choice(STRUCTURES if field not in IDENTITIES else (*STRUCTURES, *_NO_IDENTITIES))
    if kind == 1:
        return chance.choice(NO_LITERALS)
    if kind == 2 and field not in IDENTITIES:
        return good_number(chance, "timezone_offset")
    return quoted(bad_date(chance) if field == DATE else bad_text(chance))
