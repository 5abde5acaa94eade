"""The time that a batch takes is linear in its bytes, whatever they are; and every line of the kernels is tested."""

from collections.abc import Iterable, Sequence
from itertools import islice
from random import Random
from time import process_time
from types import CodeType

import pytest

from scoring import Scorer
from scoring.kernels import Kernel
from scoring.kernels.compiler import functions_of
from tests.equality.batches import Kind, batch_of, batches
from tests.equality.builds import using
from tests.equality.comparison import Comparison
from tests.equality.crafted import CRAFTED, colliding_cities, hashes
from tests.equality.tracing import count_lines, lines_of
from tests.support.artifacts import hand_computed

SLACK = 1.25
"""Tables grow by powers of two, and so may what is done once a batch."""


def codes_of(kernels: Iterable[Kernel]) -> set[CodeType]:
    """Return the code of kernels and of what they call."""
    return {function.__code__ for function in functions_of(list(kernels))}


def steps(values: list[bytes]) -> int:
    """Return how many lines of the kernels run, as plain Python, to decode and score these values."""
    with using("python") as kernels:
        scorer = hand_computed.scorer()
        scorer.score_columns(scorer.decode(values).columns)  # compiles what is compiled at its first use
        counts = count_lines(codes_of(kernels), lambda: scorer.score_columns(scorer.decode(values).columns))
    return counts.total()


@pytest.mark.parametrize("name", CRAFTED)
def test_twice_the_bytes_take_twice_the_steps(name: str) -> None:
    few, many = CRAFTED[name](1000), CRAFTED[name](2000)
    growth = sum(map(len, many)) / sum(map(len, few))

    assert steps(many) < SLACK * growth * steps(few)


@pytest.mark.parametrize("name", CRAFTED)
def test_four_times_the_bytes_take_at_most_ten_times_the_time(shipped: Scorer, name: str) -> None:
    size = 5_000 if name == "cities of one hash" else 20_000  # they are tedious to find
    few, many = CRAFTED[name](size), CRAFTED[name](4 * size)

    assert fastest(shipped, many) < 10 * fastest(shipped, few) + 0.02


def fastest(scorer: Scorer, values: list[bytes]) -> float:
    """Return the CPU seconds of the fastest of three."""
    times = []
    for _ in range(3):
        start = process_time()
        scorer.decode(values)
        times.append(process_time() - start)
    return min(times)


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_batches_match_the_slow_pipeline(comparison: Comparison, name: str) -> None:
    comparison.compare(batch_of(Random(1), CRAFTED[name](3000)))


def test_cities_of_one_hash_are_of_one_hash() -> None:
    cities = [event[len(b'{"geolocation_city":"') : -2] for event in colliding_cities(50)]

    assert len(set(cities)) == 50
    assert len(hashes(cities)) == 1


ODD = (
    *(b'{"user\\u005fid":1}', b'{"user_id":"\\x"}', b'{"user_id":"\\u12"}'),
    *(b'{"note":01}', b'{"note":1.}', b'{"note":1e}', b'{"note":[true,false,null]}'),
    *(b'{"note":{1:2}}', b'{"note":{"a" 1}}', b'{"note":[1 2]}'),
    *(b'{"note":{"a":1,2}}', b'{"note":{"a":1,"b":2}}'),
    *(b'{"transaction_date":"2026-11-23T1000"}', b'{"transaction_date":"2026-11-23T24:00"}'),
    *(b'{"user_id":"\\udc00"}', b'{"click_events":-1}', b'{"click_events":01}', b'{"transaction_amount":2e12}'),
    *(b'{"transaction_date":"2026-13-23"}', b'{"transaction_date":"2026/11/23"}', b'{"transaction_date":"2026-04-31"}'),
    *(b'{"transaction_date":"2026-11-23T10:00:60"}', b'{"transaction_date":"2026-11-23T10:00:00."}'),
)


def test_every_line_of_the_kernels_runs_in_these_tests() -> None:
    """As plain Python, in some hundreds of events, drawn, crafted and written by hand."""
    kinds: tuple[Kind, ...] = ("odd", "ordinary", "cut")
    drawn = [batch.values[:50] for kind in kinds for batch in islice(batches(kind, 1), 8)]
    crafted = [CRAFTED[name](1000 if name == "cities of one hash" else 100) for name in CRAFTED]
    lists: list[Sequence[bytes | None]] = [*drawn, *crafted, ODD]
    with using("python") as kernels:
        comparison = Comparison(hand_computed.scorer())

        def compare() -> None:
            for values in lists:
                comparison.compare(batch_of(Random(1), [value for value in values if value is not None]))

        counts = count_lines(codes_of(kernels), compare)
        codes = codes_of(kernels)

    missed = {(code.co_name, line) for code in codes for _, line in lines_of(code) if (code, line) not in counts}
    assert len(codes) > 20
    assert missed == set()
