"""Does a verdict say what the oracle says? Scores to 1e-12, everything else exactly."""

from collections.abc import Sequence
from typing import Any

from scoring import EventLike, InvalidEvent, Scorer, Verdict
from tests.support.oracle import scoring
from tests.support.oracle.reading import Invalid

TOLERANCE = 1e-12
REMEDY = (
    "tests/support/oracle/ says otherwise: scoring.py and reading.py have the contract once more, in plain Python; "
    "change them by hand if the contract has changed, and run python -m tools.make_golden"
)


def assert_agrees(said: Any, expected: scoring.Verdict | Invalid, *, with_contributions: bool = True) -> None:
    """`said` is what Scorer returned for an event: a Verdict or an InvalidEvent."""
    if isinstance(expected, Invalid):
        assert isinstance(said, InvalidEvent), f"scored, but the oracle says {expected}"
        assert (said.code, said.field) == expected, REMEDY
        return
    assert not isinstance(said, InvalidEvent), f"refused with {said.code} ({said.field}), but the oracle scores it"
    assert abs(said.anomaly_score - expected.anomaly_score) <= TOLERANCE
    assert 0 <= said.anomaly_score <= 1
    for name in ("predicted_label", "risk_level", "risk_reason"):
        assert getattr(said, name) == getattr(expected, name), f"{name}: {REMEDY}"
    for name in ("reason_codes", "imputed_fields"):
        assert list(getattr(said, name)) == getattr(expected, name), f"{name}: {REMEDY}"
    if with_contributions and expected.risk_level == "High":
        assert abs(said.base_rate - expected.base_rate) <= TOLERANCE
        assert_contributions_agree(said.contributions, expected)


def assert_contributions_agree(said: Any, expected: scoring.Verdict) -> None:
    """The five largest. Two that differ by less than the tolerance may stand in either order, equal ones may not."""
    ours = {each.feature: each for each in expected.all_contributions}
    assert len(said) == len(expected.contributions)
    assert len({each.feature for each in said}) == len(said)
    for each, there in zip(said, expected.contributions, strict=True):
        same = ours[each.feature]
        assert abs(each.contribution - same.contribution) <= TOLERANCE
        assert each.value == same.value
        assert type(each.value) is (str if isinstance(same.value, str) else float)
        assert abs(abs(each.contribution) - abs(there.contribution)) <= TOLERANCE
        if there.contribution == 0:
            assert each.feature == there.feature


def verdicts(scorer: Scorer, events: Sequence[EventLike]) -> list[Verdict]:
    """The verdicts on events that are valid, all of them."""
    said = [each for each in scorer.score_many(events) if isinstance(each, Verdict)]
    assert len(said) == len(events)
    return said
