"""Durations are read as people write them, and nothing else passes for one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.policy import durations

SIZES = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


@given(st.integers(0, 10**12))
def test_what_is_written_reads_back(span_s: int) -> None:
    assert durations.seconds(durations.text(span_s)) == span_s


@given(st.lists(st.none() | st.integers(0, 10**6), min_size=4, max_size=4).filter(any))
def test_parts_add_up(counts: list[int | None]) -> None:
    parts = [(count, unit) for count, unit in zip(counts, SIZES, strict=True) if count is not None]
    text = "".join(f"{count}{unit}" for count, unit in parts)
    assert durations.seconds(text) == sum(count * SIZES[unit] for count, unit in parts)


@given(st.integers(0, 10**12))
def test_bare_numbers_are_seconds(span_s: int) -> None:
    assert durations.seconds(span_s) == durations.seconds(str(span_s)) == span_s


@pytest.mark.parametrize(
    "found",
    [
        "",
        "h",
        "1 h",
        " 1h",
        "1h\n",
        "1h1d",
        "1h1h",
        "1.5h",
        "-1h",
        "1H",
        "1w",
        "\u0661h",
        "1e3",
        "010",
        -1,
        True,
    ],
)
def test_what_is_none_is_refused(found: str | int) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(str(found))}\Z"):
        durations.seconds(found)


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        assert durations.seconds(text) >= 0
    except ValueError:
        assert not text.isascii() or not text.isdecimal() or text.startswith("0")
