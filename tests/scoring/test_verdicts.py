"""A verdict as one number: no part of it runs into another, however many rules there are, and no field is left out."""

from copy import deepcopy

import numpy as np
import pytest

from scoring.contract import MODEL_FIELDS
from scoring.rules import HIGH, REASON_CODES, RULES, WHEN_NONE_HOLDS
from scoring.verdicts import WIRE_FIELDS, Packing, Scored, SharedFields, unpack_verdict

FIELDS = len(MODEL_FIELDS)


@pytest.mark.parametrize("rules", [1, 10, 13, 14, 44])
def test_each_part_comes_back_whatever_the_number_of_rules(rules: int) -> None:
    packing = Packing(rules)
    parts = [((1 << FIELDS) - 1, 0, 0, 0), (0, (1 << rules) - 1, 0, 0), (0, 0, HIGH, 0), (0, 0, 0, 1), (5, 1, 1, 1)]
    columns = np.array(parts, dtype=np.int64).T
    numbers = packing.pack(*columns)
    assert min(numbers) >= 0
    assert list(map(packing.unpack, numbers)) == parts


def test_more_rules_than_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="too many rules"):
        Packing(45)


def test_the_last_rule_reports_no_imputed_field() -> None:
    last = np.array([1 << len(RULES) - 1])
    nothing = np.zeros(1, np.int64)
    scored = Scored(np.ones(1), nothing, nothing + HIGH, last, nothing, nothing, {}, 0.5)
    (number,) = scored.meanings()
    assert unpack_verdict(number).reason_codes == [RULES[-1]]
    assert unpack_verdict(number).imputed_fields == []
    assert REASON_CODES[len(RULES) - 1] == RULES[-1]
    assert len(REASON_CODES) == len(RULES) + len(WHEN_NONE_HOLDS)


def test_a_verdict_has_lists_of_its_own() -> None:
    one, nothing = np.ones(1, np.int64), np.zeros(1, np.int64)
    scored = Scored(np.ones(1), one, one * HIGH, one, one, nothing, {}, 0.5)
    changed, expected = scored.verdict(0), deepcopy(scored.verdict(0))
    for name in (name for name, kind in WIRE_FIELDS.items() if kind is list):
        assert getattr(changed, name), name
        getattr(changed, name).clear()
    assert scored.verdict(0) == expected


def test_a_packed_verdict_and_a_score_are_all_output_fields() -> None:
    label, *others = SharedFields._fields
    assert [label, "anomaly_score", *others] == list(WIRE_FIELDS)
