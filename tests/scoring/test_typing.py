"""The public types, as a type checker sees them and as they are. `make check` reads this file with mypy --strict.

Each `type: ignore` marks a mistake that a checker must find: mypy reports one that it does not need.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypedDict, assert_type, get_args, get_origin, get_type_hints

import pytest
from msgspec import Meta

import scoring
from consumer.records import DEAD_LETTER_CODES
from scoring import (
    LEVELS,
    Contribution,
    ErrorCode,
    EventLike,
    Explanation,
    InvalidEvent,
    ReasonCode,
    RiskLevel,
    Scorer,
    Verdict,
    explain,
)
from scoring.rules import HIGH, REASON_CODES
from scoring.verdicts import WIRE_FIELDS
from tests.scoring.conftest import quiet


class Session(TypedDict, total=False):
    """An event as a program may declare it."""

    user_id: str
    click_events: int


def test_every_form_of_an_event_is_accepted(pairs_scorer: Scorer) -> None:
    session: Session = {"user_id": "u-1", "click_events": 3}
    numbers: dict[str, int] = {"click_events": 3}
    frozen: Mapping[str, object] = numbers
    text = '{"click_events": 3}'
    events: list[EventLike] = [session, numbers, frozen, text, text.encode(), bytearray(text.encode())]
    events.append(memoryview(text.encode()))

    verdict = pairs_scorer.score(session)

    assert_type(verdict, Verdict)
    assert_type(pairs_scorer.explain(session), Verdict)
    assert [pairs_scorer.score(event) for event in events] == [verdict] * 7


def test_any_iterable_of_events_is_accepted(pairs_scorer: Scorer) -> None:
    def sessions() -> Iterator[Session]:
        yield {"click_events": 3}
        yield {"click_events": 4}

    answers = pairs_scorer.score_many(sessions())

    assert_type(answers, list[Verdict | InvalidEvent])
    assert answers == pairs_scorer.score_many(({"click_events": 3}, b'{"click_events": 4}'))


def test_the_parts_of_a_verdict_have_types(all_high: Scorer) -> None:
    verdict = all_high.score(quiet(click_events=31))
    if verdict.predicted_label == 0:
        raise AssertionError(verdict)
    label: int = verdict.predicted_label
    level: RiskLevel = verdict.risk_level
    codes: list[ReasonCode] = verdict.reason_codes
    moved: list[Contribution] = verdict.contributions
    first: float | str = moved[0].value
    numbers: tuple[float, float] = (verdict.anomaly_score, verdict.base_rate)
    as_dict = verdict.as_dict()
    assert_type(as_dict, dict[str, Any])
    assert (label, level, codes) == (1, "High", ["very_many_clicks"])
    assert all(isinstance(each, float) for each in numbers)
    assert isinstance(first, float | str)
    assert_type(all_high.model_version, str)


def test_the_code_of_an_invalid_event_has_a_type(pairs_scorer: Scorer) -> None:
    (answer,) = pairs_scorer.score_many([b"{"])
    assert isinstance(answer, InvalidEvent)
    code: ErrorCode = answer.code
    field: str | None = answer.field
    assert (code, field) == ("not_json", None)


def test_an_explanation_has_types() -> None:
    explanation = explain(0, HIGH)
    assert_type(explanation, Explanation)
    codes: list[ReasonCode] = explanation.codes
    assert codes == ["multiple_signals"]


def test_mistakes_are_found_by_a_type_checker(pairs_scorer: Scorer) -> None:
    with pytest.raises(InvalidEvent):
        pairs_scorer.score(3)  # type: ignore[arg-type]  # must be found: no event
    with pytest.raises(InvalidEvent):
        pairs_scorer.score([{}])  # type: ignore[arg-type]  # must be found: a list of events
    with pytest.raises(AttributeError):
        pairs_scorer.model_version = "1"  # type: ignore[misc]  # must be found: read only
    verdict = pairs_scorer.score({})
    assert verdict.risk_level != "low"  # type: ignore[comparison-overlap]  # must be found: no level
    assert verdict.predicted_label != 2  # type: ignore[comparison-overlap]  # must be found: no label


def test_the_literals_are_the_values_there_are() -> None:
    assert get_args(RiskLevel) == LEVELS
    assert get_args(ReasonCode) == REASON_CODES, "scoring/rules.py: ReasonCode must list the codes of RULES, in order"
    assert get_args(ErrorCode) == DEAD_LETTER_CODES


@pytest.mark.parametrize("documented", [Verdict, Contribution], ids=lambda each: each.__name__)
def test_each_attribute_is_documented(documented: type) -> None:
    for name, hint in get_type_hints(documented, include_extras=True).items():
        assert get_origin(hint) is Annotated, name
        assert any(isinstance(each, Meta) and each.description for each in get_args(hint)), name


def test_a_dict_has_the_first_fields_of_a_verdict(all_high: Scorer) -> None:
    verdict = all_high.score({})
    assert tuple(verdict.as_dict()) == tuple(WIRE_FIELDS) == Verdict.__match_args__[: len(WIRE_FIELDS)]
    assert verdict.as_dict() == {name: getattr(verdict, name) for name in WIRE_FIELDS}


def test_the_version_of_the_model_is_in_reach() -> None:
    scorer = scoring.Scorer.load()
    assert scorer.model_version == scorer.artifacts.version
