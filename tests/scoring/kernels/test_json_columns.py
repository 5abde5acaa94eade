"""The loop that reads a batch into columns agrees with the contract's decoder, or says what it leaves."""

import json
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from itertools import count, islice, permutations, product
from random import Random

import numpy as np
import pytest

from scoring.columns import from_events
from scoring.contract import CATEGORIES
from scoring.decoding import JsonBatch, decode, join_values, parse, read_text
from scoring.errors import InvalidEvent
from scoring.kernels import Function
from scoring.kernels.compiler import compile_kernels
from scoring.kernels.json_columns import KERNEL
from scoring.kernels.json_keys import MOST_KEYS
from scoring.kernels.json_text import FALLBACK_REASONS
from scoring.kernels.string_codes import MOST_SLOTS_TRIED, hash_bytes
from scoring.local_time import hour_as_written, is_local_time
from tests.scoring.conftest import quiet
from tests.support.columns import assert_same
from tests.support.edge_values import NO_DATES, OFFSETS


def _plain() -> Function:
    return np.errstate(over="ignore")(KERNEL.function)  # words wrap around


BUILDS: dict[str, Callable[[], Function]] = {
    "plain": _plain,
    "compiled": lambda: compile_kernels([KERNEL])[0],
    "checked": lambda: compile_kernels([KERNEL], checked=True)[0],
}
GOOD = json.dumps(quiet()).encode()
DATED = b'{"transaction_date":"%b"}'


@pytest.fixture(scope="module", params=["plain", "compiled"])
def read(request: pytest.FixtureRequest) -> Function:
    return BUILDS[request.param]()


@pytest.fixture(scope="module")
def fast() -> Function:
    return BUILDS["compiled"]()


def reasons(batch: JsonBatch) -> list[str]:
    return [FALLBACK_REASONS[reason] for reason in batch.fallbacks]


def assert_read(values: Sequence[bytes], read: Function) -> None:
    """All values are read, as the contract's decoder reads them."""
    batch = read_text(*join_values(values), read)
    assert reasons(batch) == [""] * len(values)
    assert_same(batch.columns, from_events([parse(value) for value in values]))
    assert all(len(set(strings)) == len(strings) for strings in batch.columns.strings)


READ = [
    b"{}",
    b" \t\r\n{ \t\r\n} \t\r\n",
    GOOD,
    json.dumps(quiet(), indent=4).encode(),
    json.dumps(dict.fromkeys(quiet())).encode(),  # all null
    b'{"geolocation_city":"","device_type":"eight by","language":"nine byte","browser_info":"%b"}' % (b"x" * 200),
    '{"geolocation_city":"मुंबई","device_type":"é😀","screen_size":"\x7f","note":"ह"}'.encode(),
    rb'{"geolocation_city":"\"\\\/\b\f\n\r\t\u00e9\uD83d\ude00","language":"\u006f","note":"\u0000 \ud83d\ude00"}',
    b'{"user_id":"u","session_id":""}',
    rb'{"user_id":"\/\u00e9\ud83d\ude00\u007f\"\\\n\u0001","session_id":-0}',
    b'{"user_id":12345678901234567890123,"session_id":-1}',
    b'{"user_id":0,"session_id":%b}' % (b"9" * 4300),
    '{"user_id":"ü","session_id":"\x7f\u2028"}'.encode(),
    b'{"click_events":0,"scroll_events":-0,"touch_events":-0.0,"keyboard_events":0.0,"mouse_movement":1e3}',
    b'{"timezone_offset":-330,"transaction_amount":-0.01,"device_motion":0.1,"time_on_page":0.10000000000000001}',
    b'{"timezone_offset":-1e12,"transaction_amount":1000000000000.000,"click_events":9007199254740993e-4}',
    b'{"timezone_offset":-1000000000000,"click_events":9007199254.740993,"device_motion":0.0000000000000000001}',
    b'{"time_on_page":1E-400,"device_motion":1%b.5e-300,"touch_events":0.%b}' % (b"0" * 300, b"1" * 500),
    b'{"transaction_date":"2026-11-23"}',
    b'{"x":true,"y":false,"z":null,"n":-1.5E+10,"o":{},"a":[],"b":[ [] , {"c" : [1 , "]}"] } ], "":{"":{}}}',
    b'{"x":' + b'[{"y":' * 50 + b"1e999" + b"}]" * 50 + b"}",
    b'{"user_idx":1,"user_i":[2],"User_id":3,"click_event":"x","click_eventz":"x","device_orientatiom":4}',
    '{"é":1,"日本":2}'.encode(),
    b'{"a":1,"a":2}',
]
LEFT = {
    "unusual_form": [
        *(b"", b" ", b"{", b"}", b"[]", b"1", b"null", b"\xef\xbb\xbf{}", b"{}x", b"{}{}", b"{}\0", b"{,}", b'{"a"}'),
        *(b'{"a":}', b'{"a":1,}', b'{"a":1,,"b":2}', b'{"a" 1}', b"{'a':1}", b"{a:1}", b'{"a":1 "b":2}', b'{"a":1]'),
        *(b'{"a":nul}', b'{"a":nulll}', b'{"a":truE}', b'{"a":NaN}', b'{"a":-}', b'{"a":01}', b'{"a":1.}', b'{"a":.1}'),
        *(
            b'{"a":1e}',
            b'{"a":1e+}',
            b'{"a":+1}',
            b'{"a":[1,]}',
            b'{"a":{"b":1,}}',
            b'{"a":{"b"}}',
            b'{"a":[}',
            b'{"a":[1',
        ),
        *(b'{"a":"\x01"}', b'{"a":"\n"}', b'{"a":"\\x"}', b'{"a":"\\u12g4"}', b'{"a":"\\ud83d"}', b'{"a":"\\ude00"}'),
        *(
            b'{"a":"\\ud83d\\u0041"}',
            b'{"a":"\xff"}',
            b'{"a":"\xc0\x80"}',
            b'{"a":"\xe0\x80\x80"}',
            b'{"a":"\xed\xa0\x80"}',
        ),
        *(
            b'{"a":"\xf4\x90\x80\x80"}',
            b'{"a":"\xf0\x80\x80\x80"}',
            b'{"a":"\xe0\xa4"}',
            b'{"a":"\x80"}',
            b'{"\xff":1}',
        ),
        *(b'{"click_events":-1}', b'{"click_events":"1"}', b'{"click_events":true}', b'{"click_events":[]}'),
        *(b'{"click_events":1e13}', b'{"click_events":01}', b'{"click_events":1.}', b'{"click_events":1.2.3}'),
        *(b'{"click_events":-}', b'{"click_events":1e400}', b'{"transaction_amount":-1000000000000.1}'),
        *(b'{"click_events":000000000000000000000}', b'{"click_events":1.e5}', b'{"click_events":1000000000001}'),
        *(b'{"device_type":1}', b'{"device_type":"a}', b'{"device_type":"\xff"}', b'{"device_type":{}}'),
        *(
            b'{"user_id":1.0}',
            b'{"user_id":1e3}',
            b'{"user_id":true}',
            b'{"user_id":01}',
            b'{"user_id":-%b}' % (b"1" * 4300),
        ),
        *(b'{"user_id":"\\q"}', b'{"user_id":"a', b'{"user_id":%b}' % (b"1" * 4301), b'{"user_id":{}}'),
        *(DATED % text.encode() for text in NO_DATES if text.isprintable()),
        rb'{"transaction_date":"2026\u002d11-23"}',  # valid: only the decoder knows
        b'{"transaction_date":20261123}',
    ],
    "escaped_key": [rb'{"user\u005fid":1}', rb'{"\"":1}', '{"é\\n":1}'.encode()],
    "repeated_key": [b'{"user_id":1,"user_id":1}', b'{"click_events":null,"a":1,"click_events":2}'],
    "too_deep": [b'{"a":' + b"[" * 101 + b"1" + b"]" * 101 + b"}"],
}


def test_what_is_plain_is_read_as_the_decoder_reads_it(read: Function) -> None:
    assert_read(READ, read)
    for value in READ:
        assert_read([value], read)


@pytest.mark.parametrize("reason", LEFT)
def test_other_events_are_left_with_a_reason(read: Function, reason: str) -> None:
    values = [each for value in LEFT[reason] for each in (value, GOOD)]
    batch = read_text(*join_values(values), read)
    assert reasons(batch) == [reason, ""] * len(LEFT[reason])
    assert_same(batch.columns.take(range(1, len(values), 2)), from_events([parse(GOOD)] * len(LEFT[reason])))


@pytest.mark.parametrize("build", BUILDS)
def test_an_event_that_is_cut_ends_at_the_cut(build: str) -> None:
    read = BUILDS[build]()
    for whole in (READ[6] + READ[7] + GOOD, *READ[6:15], READ[19]):
        step = 1 if build == "compiled" else 7
        cuts = [part for i in range(0, len(whole), step) for part in (whole[:i], whole[i:])]
        batch = read_text(*join_values(cuts), read)
        for cut, reason in zip(cuts, batch.fallbacks, strict=True):
            assert reason or is_whole(cut)
        assert reasons(batch)[::2] == ["unusual_form" if not is_whole(cut) else "" for cut in cuts[::2]]


def is_whole(value: bytes) -> bool:
    try:
        parse(value)
    except InvalidEvent:
        return False
    return True


def test_keys_are_read_in_any_order_and_writing(read: Function) -> None:
    members = [b'"click_events":1', b'"user_id" : "a"', b'"note":2', b'"language":"x"', b'"touch_events":\t3']
    values = [b"{" + b",".join(order[:size]) + b"}" for order in permutations(members) for size in (5, 3)]
    assert_read(values, read)


def test_more_keys_than_the_list_holds_are_read(read: Function) -> None:
    many = {f"key {i}": i for i in range(3 * MOST_KEYS)}
    values = [json.dumps({**many, **quiet(), "z": 1}).encode(), json.dumps({**quiet(), **many}).encode(), GOOD]
    assert_read(values * 2, read)


def test_a_string_of_several_writings_has_one_code(read: Function) -> None:
    values = [
        b'{"geolocation_city":"%b"}' % text for text in (b"Ulm", rb"\u0055lm", rb"U\u006cm", b"Bonn", rb"\u0042onn")
    ]
    batch = read_text(*join_values(values), read)
    assert batch.columns.strings[5] == ["Ulm", "Bonn"]
    assert batch.columns.codes[5].tolist() == [0, 0, 0, 1, 1]


def test_strings_whose_slots_are_taken_are_left(read: Function) -> None:
    rows = 2 * MOST_SLOTS_TRIED
    with np.errstate(over="ignore"):
        names = (b"%08d" % i for i in count())
        crowd = [name for name in islice(names, 10_000) if hash_bytes(padded(name), 0, 8) % (2 * rows) == 5][:rows]
    values = [b'{"geolocation_city":"%b","click_events":%d}' % (name, i) for i, name in enumerate(crowd)]
    batch = read_text(*join_values(values), read)
    assert reasons(batch) == [""] * MOST_SLOTS_TRIED + ["crowded_strings"] * (rows - MOST_SLOTS_TRIED)
    decoded = decode(values)
    assert decoded.left == {"crowded_strings": rows - MOST_SLOTS_TRIED}
    assert_same(decoded.columns, from_events([parse(value) for value in values]))


def padded(text: bytes) -> "np.typing.NDArray[np.uint8]":
    return np.frombuffer(text + bytes(8), np.uint8)


def test_ten_thousand_long_names_are_read(fast: Function) -> None:
    names = [f"{'x' * 190}{i:010}" for i in range(10_000)]
    values = [b'{"geolocation_city":"%b"}' % name.encode() for name in names]
    batch = read_text(*join_values(values + values[::-1]), fast)
    assert not batch.fallbacks.any()
    assert batch.columns.category_column(5) == names + names[::-1]
    assert len(batch.columns.strings[5]) == len(names)


def test_every_day_of_the_calendar_is_a_date_and_no_other(fast: Function) -> None:
    years = [1, 4, 100, 400, 1900, 1999, 2000, 2023, 2024, 2100, 9999]
    texts = [f"{year:04}-{month:02}-{day:02}" for year, month, day in product([0, *years], range(14), range(33))]
    batch = read_text(*join_values([DATED % text.encode() for text in texts]), fast)
    days = {str(date(year, 1, 1) + timedelta(n)) for year in years for n in range(366) if year < 9999 or n < 365}
    assert [text for text, left in zip(texts, batch.fallbacks, strict=True) if not left] == sorted(days & set(texts))


TIMES = [
    "",
    *(f"{t}{clock}" for t, clock in product("T ", ["00:00", "23:59", "10:15:04", "09:00:59.1", "01:02:03.123456789"])),
]


def test_hours_are_those_written(read: Function) -> None:
    texts = [f"2024-02-29{clock}{offset}" for clock, offset in product(TIMES, OFFSETS)]
    broken = [text[:i] + letter + text[i + 1 :] for text in texts[::5] for i in range(len(text)) for letter in "0:9 -"]
    texts += broken[::7]
    batch = read_text(*join_values([DATED % text.encode() for text in texts]), read)
    for text, hour, reason in zip(texts, batch.columns.hours, batch.fallbacks, strict=True):
        assert (not reason) == is_local_time(text), text
        assert reason or hour == hour_as_written(text)


def test_numbers_are_rounded_once(fast: Function) -> None:
    chance = Random(1)
    texts = [f"{chance.random() * 10 ** chance.randrange(13):.{chance.randrange(1, 20)}f}" for _ in range(20_000)]
    texts += [repr(chance.random() * 10 ** chance.randrange(-20, 12)) for _ in range(20_000)]
    texts += [f"{(2**53 + offset) / 10**power:.{power}f}" for offset in range(-3, 4) for power in range(5, 19)]
    batch = read_text(*join_values([b'{"time_on_page":%b}' % text.encode() for text in texts]), fast)
    assert not batch.fallbacks.any()
    assert batch.columns.numbers[6].tolist() == [float(text) for text in texts]


def test_left_events_stand_in_their_rows_and_are_counted() -> None:
    left = {reason: values[:2] for reason, values in LEFT.items()}
    kinds = [("", GOOD), *((reason, value) for reason, values in left.items() for value in values), ("", READ[7])] * 3
    kinds.append(("unusual_form", rb'{"transaction_date":"2026\u002d11-23","geolocation_city":"%b"}' % b"Ulm"))
    values = [value for _, value in kinds]
    valid = [position for position, value in enumerate(values) if is_whole(value)]

    decoded = decode(values)

    assert list(decoded.positions) == valid
    assert list(decoded.invalid) == [position for position in range(len(values)) if position not in valid]
    assert_same(decoded.columns, from_events([parse(values[position]) for position in valid]))
    assert decoded.left == {"invalid": 6, "escaped_key": 6, "repeated_key": 6, "too_deep": 3, "unusual_form": 1}


def test_the_text_begins_with_the_joined_values() -> None:
    values = [GOOD, b"{", READ[9], rb'{"user\u005fid":"a"}', READ[10]]
    decoded = decode(values)
    assert decoded.columns.text.tobytes().startswith(b"".join(values))


def test_columns_of_no_event_are_empty() -> None:
    decoded = decode([])
    assert len(decoded.columns) == 0
    assert decoded.columns.codes.shape == (len(CATEGORIES), 0)
