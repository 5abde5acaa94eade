"""What users import stays where it is."""

import scoring


def test_the_public_names_are_these() -> None:
    assert sorted(scoring.__all__) == [
        "ArtifactError",
        "Contribution",
        "Decoded",
        "Explanation",
        "InvalidEvent",
        "LEVELS",
        "MissingExtra",
        "Scored",
        "Scorer",
        "Verdict",
        "explain",
        "imputed_fields",
    ]


def test_each_of_them_is_documented() -> None:
    assert [name for name in scoring.__all__ if not getattr(scoring, name).__doc__] == []
