"""Broken events: what each kind must be refused with, said by hand and checked against the decoder."""

from itertools import islice

from scoring.decoding import decode
from tests.support.oracle import scoring
from training.synthetic.invalid_events import BREAKAGES, Broken, broken


def take(n: int, seed: int = 1) -> list[Broken]:
    return list(islice(broken(seed), n))


def test_every_kind_comes_once_in_each_round_and_there_are_at_least_twelve() -> None:
    kinds = [each.kind for each in take(len(BREAKAGES))]
    assert len(set(kinds)) == len(kinds) >= 12


def test_the_decoder_refuses_each_with_its_code_and_field() -> None:
    events = take(3 * len(BREAKAGES))
    invalid = decode([event.value for event in events]).invalid
    assert len(invalid) == len(events)
    said = [(event.kind, invalid[i].code, invalid[i].field) for i, event in enumerate(events)]
    assert said == [(event.kind, event.code, event.field) for event in events]


def test_the_contract_read_event_by_event_refuses_each_likewise(model: scoring.Model) -> None:
    for event in take(len(BREAKAGES)):
        assert scoring.judge(model, event.value) == (event.code, event.field), event.kind


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert take(100) == take(100)
    assert take(100) != take(100, seed=2)


def test_no_two_events_are_alike_but_the_empty_ones() -> None:
    values = [event.value for event in take(10 * len(BREAKAGES)) if event.kind != "empty"]
    assert len(set(values)) == len(values)
