"""Names and patterns of input topics. librdkafka takes POSIX expressions, which glibc has."""

import ctypes
import re
from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from consumer.config.values import topics

REG_EXTENDED, REG_NOSUB = 1, 8  # of regex.h
LIBC = ctypes.CDLL(None)
PARTS = [*"ab1-_.|()$*+?", r"\.", "[ab]", "[^a]", "[a-b.-]"]


def matches_in_posix(pattern: str, name: str) -> bool:
    compiled = ctypes.create_string_buffer(256)  # more than a regex_t has
    assert LIBC.regcomp(compiled, pattern.encode(), REG_EXTENDED | REG_NOSUB) == 0, pattern
    try:
        return bool(LIBC.regexec(compiled, name.encode(), 0, None, 0) == 0)
    finally:
        LIBC.regfree(compiled)


def is_accepted(pattern: str) -> bool:
    with suppress(ValueError):
        return topics(pattern) == pattern
    return False


@given(st.lists(st.sampled_from(PARTS), max_size=8), st.lists(st.text("ab1-_.", min_size=1), min_size=1))
def test_an_accepted_pattern_matches_the_same_topics_in_posix(parts: list[str], names: list[str]) -> None:
    pattern = "^" + "".join(parts)
    assume(is_accepted(pattern))
    for name in names:
        assert matches_in_posix(pattern, name) == (re.search(pattern, name) is not None)


@pytest.mark.parametrize(
    "pattern", ["^a*?", "^a++", "^(?=x)", "^a{1}", "^[[:alpha:]]", r"^\d", "^(a", "^a)", "^(*a)", "^[", "^a b"]
)
def test_what_is_read_in_two_ways_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"a pattern of topics, as \^sessions-\.\*"):
        topics(pattern)


@pytest.mark.parametrize("pattern", ["^a|b", "^(a|b)|c", "^a|", r"^a\.|b", "^(a)|(b)"])
def test_alternative_that_may_stand_anywhere_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"alternatives in parentheses, as \^\(a\|b\)"):
        topics(pattern)
    assert topics("^(a|(b|c))") == "^(a|(b|c))"


def test_names_and_patterns_are_listed_once() -> None:
    assert topics(" orders, logins,orders ,^shop-(eu|us)$,") == r"orders,logins,^shop-(eu|us)$"
    with pytest.raises(ValueError, match="the name of a topic, or several"):
        topics(" , ")
