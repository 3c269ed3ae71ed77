"""`*` is any run of characters and nothing else is special."""

import re

from hypothesis import given
from hypothesis import strategies as st

from leasehold.globs import like

letters = st.text("ab*./", max_size=12)


@given(st.text("ab./", max_size=12), letters)
def test_it_is_what_a_regular_expression_says(text: str, pattern: str) -> None:
    told = ".*".join(map(re.escape, pattern.split("*")))
    assert like(text, pattern) == bool(re.fullmatch(told, text))


def test_the_ends_do_not_share_a_letter() -> None:
    assert not like("aba", "ab*ba")
    assert like("abba", "ab*ba")
