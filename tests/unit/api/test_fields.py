"""Fields of a request are read in all the forms that Vault's clients send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.api.fields import LONGEST_S, Fields
from leasehold.errors import Invalid


@pytest.mark.parametrize(
    ("given_", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        ("90m", 5400),
        ("1h30m", 5400),
        ("1h0m0s", 3600),
        ("1.5h", 5400),
        ("250ms", 0),
        ("7d", 604_800),
        (0, 0),
        ("", None),
        (None, None),
    ],
)
def test_a_span_is_read_in_seconds_or_as_go_writes_it(given_: object, seconds: int | None) -> None:
    assert Fields({"ttl": given_}).span_s("ttl") == seconds


@pytest.mark.parametrize(
    "given_", [-1, "-5s", "soon", "1h 30m", "5 m", 1.5, True, [], {}, "9" * 40, "٣s", LONGEST_S + 1]
)
def test_what_is_no_span_is_refused_with_what_is_allowed(given_: object) -> None:
    with pytest.raises(Invalid, match=r"ttl: found .*; allowed are whole seconds"):
        Fields({"ttl": given_}).span_s("ttl")


@given(hours=st.integers(0, 999), minutes=st.integers(0, 59), seconds=st.integers(0, 59))
def test_every_go_duration_of_whole_seconds_is_exact(
    hours: int, minutes: int, seconds: int
) -> None:
    read = Fields({"ttl": f"{hours}h{minutes}m{seconds}s"}).span_s("ttl")
    assert read == hours * 3600 + minutes * 60 + seconds


def test_a_flag_is_true_or_false_or_refused() -> None:
    assert [Fields({"sync": value}).flag("sync", default=True) for value in ("0", "F", False)] == [
        False
    ] * 3
    assert Fields({"sync": "T"}).flag("sync", default=False)
    assert Fields({}).flag("sync", default=True)
    with pytest.raises(Invalid, match="allowed are true and false"):
        Fields({"sync": "perhaps"}).flag("sync", default=True)


def test_texts_are_a_list_or_have_commas() -> None:
    for value in (["a", "b"], "a,b"):
        assert Fields({"state": value}).texts("state") == ("a", "b")
    assert Fields({}).texts("state") == ()
    with pytest.raises(Invalid, match="allowed is a list"):
        Fields({"state": {"a": 1}}).texts("state")


def test_texts_by_name_are_an_object_or_its_json() -> None:
    for value in ({"a": "b"}, '{"a": "b"}'):
        assert Fields({"meta": value}).texts_by_name("meta") == {"a": "b"}
    for value in ("a=b", "{", '{"a": 1}', "{" * 100_000, ["a"]):
        with pytest.raises(Invalid, match="allowed is an object of texts"):
            Fields({"meta": value}).texts_by_name("meta")


def test_a_count_has_bounds() -> None:
    assert Fields({"limit": "7"}).count("limit", default=5, most=10) == 7
    for value in (0, 11, "x", -1, True):
        with pytest.raises(Invalid, match="from 1 to 10"):
            Fields({"limit": value}).count("limit", default=5, most=10)


def test_what_nobody_read_is_named() -> None:
    fields = Fields({"ttl": 5, "tll": 6, "zone": 7})
    fields.span_s("ttl")
    assert fields.ignored() == ["tll", "zone"]
