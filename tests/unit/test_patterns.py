"""Patterns say what regular expressions say, and no pair of pattern and text takes long."""

import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.errors import Invalid
from leasehold.patterns import PATTERN_CHARS, TEXT_CHARS, pattern

atoms = st.sampled_from(["a", "b", "-", "[ab]", "[^a]", r"\d", r"\w", ".", r"\.", "[A-Z]"])
repeats = st.sampled_from(["", "", "?", "*", "+", "{2}", "{1,3}", "{2,}"])
once = st.builds("{}{}".format, atoms, repeats)
rows = st.lists(once, max_size=4).map("".join)
groups = st.builds("({}|{}){}".format, rows, rows, repeats)
written = st.lists(once | groups, max_size=4).map("".join)
texts = st.text("ab-1A.", max_size=8)


@given(written, texts)
def test_a_pattern_fits_what_the_regular_expression_matches_whole(text: str, of: str) -> None:
    assert pattern(text).fits(of) == (re.fullmatch(text, of, re.ASCII) is not None)
    assert pattern(f"^{text}$").fits(of) == pattern(text).fits(of)


@given(written)
def test_an_example_fits(text: str) -> None:
    example = pattern(text).example
    assert example == "" or pattern(text).fits(example)


def test_a_usual_pattern_has_an_example() -> None:
    assert pattern("^[A-Z]+-[0-9]+$").example == "AAA-111"
    assert pattern(r"(INC|CHG)\d{7}").example == "INC1111111"


@pytest.mark.parametrize(
    "evil",
    [
        "(a*)*b",
        "(a|a)*b",
        "(a?){128}a{128}",
        "a?" * (PATTERN_CHARS // 2),
        "(a|aa)+$",
        "a*" * (PATTERN_CHARS // 2 - 1) + "b",
        f"({'a?' * 95}){{128}}",
    ],
)
def test_no_text_takes_long(evil: str) -> None:
    began = process_time()
    for text in ("a" * TEXT_CHARS, "a" * (TEXT_CHARS - 1) + "!"):
        pattern(evil).fits(text)
    assert process_time() - began < 1


@pytest.mark.parametrize(
    "wrong",
    [
        r"(a)\1",
        "(?=a)a",
        "(?P<n>a)",
        "((a*)*)*",
        "a**",
        "*a",
        "(a",
        "a)",
        "[a",
        "[z-a]",
        "a{2,1}",
        "a{999}",
        r"\Z",
        "a^b",
        "a" * (PATTERN_CHARS + 1),
    ],
)
def test_what_is_no_pattern_here_is_refused_in_one_line(wrong: str) -> None:
    with pytest.raises(Invalid) as refused:
        pattern(wrong)
    assert "\n" not in str(refused.value)


def test_a_text_that_is_too_long_fits_nothing() -> None:
    assert pattern(".*").fits("x" * TEXT_CHARS)
    assert not pattern(".*").fits("x" * (TEXT_CHARS + 1))
