"""No event affects its neighbour, whatever both are; the rows of a batch keep their order; threads share a scorer."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, product
from random import Random
from typing import Final

from consumer.records import Batch
from scoring import Scorer
from tests.equality.batches import batch_of, batches, values_of
from tests.equality.comparison import Comparison, compare_columns, compare_decoded

WHOLE: Final = b'{"user_id":"u","click_events":30,"geolocation_city":"Delhi","transaction_date":"2026-11-23T03:00:00"}'
UNFINISHED: Final = (
    *(
        b"",
        b"{",
        b'{"',
        b'{"user_id',
        b'{"user_id"',
        b'{"user_id":',
        b'{"user_id":"',
        b'{"user_id":"a',
        b'{"user_id":"a\\',
    ),
    *(b'{"user_id":"a\\u00', b'{"user_id":"a\\ud83d', b'{"user_id":"\xf0\x9f'),
    *(b'{"user_id":"a"', b'{"user_id":"a",'),
    *(
        b'{"click_events":',
        b'{"click_events":-',
        b'{"click_events":3',
        b'{"click_events":3.',
        b'{"click_events":3e',
        b'{"x":nul',
    ),
    *(
        b'{"transaction_date":"2026-11-2',
        b'{"geolocation_city":"Del',
        b'{"note":[',
        b'{"note":{"a":1',
        b"   ",
        b'{"a":1}  ',
        b"{}{",
    ),
)
"""Beginnings of events: what stands behind them must not end them."""
ENDS: Final = (
    *(
        b"}",
        b'"}',
        b'":1}',
        b'a"}',
        b"1}",
        b"null}",
        b'"a"}',
        b":1}",
        b',"click_events":30}',
        b"]}",
        b"}}",
        b"l}",
        b"  {}",
        b"0",
    ),
    *(
        b'00b5"}',
        b'\\ude00"}',
        b'\x98\x80"}',
        b'3T03:00:00"}',
        b'hi"}',
        b" ",
        b"\x00",
        b"9",
        b"e5}",
        b".5}",
        b'{"user_id":1}',
    ),
)


def test_no_beginning_is_ended_by_what_stands_behind_it(comparison: Comparison) -> None:
    """Every pair, in one batch and alone."""
    chance = Random(1)
    pairs = list(product(UNFINISHED, (*ENDS, WHOLE, *UNFINISHED)))

    comparison.compare(batch_of(chance, [value for pair in pairs for value in pair]))
    for first, second in pairs[:: len(pairs) // 200]:
        comparison.compare(batch_of(chance, [first, second]))
        comparison.compare(batch_of(chance, [WHOLE, first, second, WHOLE]))


def test_an_event_reads_the_same_in_every_neighbourhood(shipped: Scorer, seed: int) -> None:
    """Each of some values, odd ones among them, first, last and between all the others."""
    values = list(islice((value for values in values_of("mixed", seed) for value in values), 60))
    alone = [shipped.decode([value]) for value in values]
    chance = Random(seed)
    for _ in range(40):
        order = chance.sample(range(len(values)), len(values))
        decoded = shipped.decode([values[place] for place in order])
        for row, position in enumerate(decoded.positions):
            place = order[position]
            compare_columns([values[place]], decoded.columns.take([row]), alone[place].columns)
        assert {order[position] for position in decoded.invalid} == {
            place for place, each in enumerate(alone) if each.invalid
        }


def test_rows_keep_their_order(shipped: Scorer, seed: int) -> None:
    batch = next(values for values in values_of("mixed", seed) if len(values) > 200)

    decoded = shipped.decode(batch)

    compare_decoded(batch, decoded)
    backwards = shipped.decode(batch[::-1])
    assert list(backwards.positions) == [len(batch) - 1 - position for position in list(decoded.positions)[::-1]]


def test_what_was_decoded_stays_as_it_is(shipped: Scorer, seed: int) -> None:
    """The columns of a batch own their memory, or share it with nothing that changes."""
    kept = [(values, shipped.decode(values)) for values in islice(values_of("mixed", seed), 20)]

    for values, decoded in kept:
        compare_decoded(values, decoded)


def test_eight_threads_that_share_a_scorer_get_what_one_gets(shipped: Scorer, seed: int) -> None:
    some: list[Batch] = list(islice((batch for batch in batches("mixed", seed) if len(batch) > 100), 8))
    some += list(islice(batches("odd", seed), 8))
    together = threading.Barrier(8)

    def compare(first: int) -> int:
        """Compare each batch, every thread with a pipeline of its own, as workers have."""
        own = Comparison(shipped)
        together.wait(30)
        for turn in range(len(some)):
            own.compare(some[(first + turn) % len(some)])
        return own.totals.batches

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(compare, range(0, 16, 2))) == [len(some)] * 8
