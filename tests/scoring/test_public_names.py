"""What users import stays where it is."""

from types import FunctionType

import scoring


def test_the_public_names_are_these() -> None:
    assert sorted(scoring.__all__) == [
        "ArtifactError",
        "Contribution",
        "Decoded",
        "ErrorCode",
        "EventLike",
        "Explanation",
        "InvalidEvent",
        "LEVELS",
        "MissingExtra",
        "ReasonCode",
        "RiskLevel",
        "Scored",
        "Scorer",
        "TableError",
        "Verdict",
        "explain",
        "imputed_fields",
        "json_schemas",
    ]


def test_each_of_them_is_documented() -> None:
    named = {name: getattr(scoring, name) for name in scoring.__all__}
    undocumented = [name for name, each in named.items() if isinstance(each, type | FunctionType) and not each.__doc__]
    assert undocumented == []
