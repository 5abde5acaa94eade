"""Invalid events: code and field of every kind, checked against the decoder."""

from itertools import islice

from scoring.decoding import decode
from tests.support.oracle import scoring
from training.synthetic.invalid_events import BREAKAGES, InvalidSample, invalid_samples


def take(n: int, seed: int = 1) -> list[InvalidSample]:
    return list(islice(invalid_samples(seed), n))


def test_every_round_has_every_kind_once() -> None:
    kinds = [each.kind for each in take(len(BREAKAGES))]
    assert len(set(kinds)) == len(kinds) >= 12


def test_the_decoder_returns_the_code_and_field() -> None:
    events = take(3 * len(BREAKAGES))
    invalid = decode([event.value for event in events]).invalid
    assert len(invalid) == len(events)
    said = [(event.kind, invalid[i].code, invalid[i].field) for i, event in enumerate(events)]
    assert said == [(event.kind, event.code, event.field) for event in events]


def test_the_oracle_returns_the_code_and_field(model: scoring.Model) -> None:
    for event in take(len(BREAKAGES)):
        assert scoring.judge(model, event.value) == (event.code, event.field), event.kind


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert take(100) == take(100)
    assert take(100) != take(100, seed=2)


def test_events_are_distinct_except_empty_ones() -> None:
    values = [event.value for event in take(10 * len(BREAKAGES)) if event.kind != "empty"]
    assert len(set(values)) == len(values)
