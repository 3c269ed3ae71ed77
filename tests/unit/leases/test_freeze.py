"""What is frozen, and that nothing is let through while that is not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.leases import a_lease
from leasehold.errors import Frozen, Invalid, Unavailable
from leasehold.leases.freeze import Freeze
from leasehold.leases.matching import FIELDS, Match, facts_of, read_match

names = st.text("abc-./", min_size=1, max_size=5)
matches = st.dictionaries(st.sampled_from(FIELDS), names, min_size=1).map(Match)
facts = st.fixed_dictionaries(dict.fromkeys(FIELDS, names))


def test_nothing_is_let_through_before_the_incidents_were_read() -> None:
    freeze = Freeze()
    assert not freeze.known
    assert freeze.troubles()
    for refused in (
        lambda: freeze.check(facts_of(a_lease())),
        lambda: freeze.stand("a", Match({"tenant": "payments"})),
    ):
        with pytest.raises(Unavailable, match="could not be read yet"):
            refused()


@given(st.dictionaries(st.sampled_from("abcd"), matches), st.sampled_from("abcd"), facts)
def test_what_an_open_incident_covers_is_refused_until_it_is_lifted(
    stand: dict[str, Match], lifted: str, asked: dict[str, str]
) -> None:
    freeze = Freeze()
    freeze.load({})
    for incident, match in stand.items():
        freeze.stand(incident, match)
    freeze.lift(lifted)
    covering = {name for name, it in stand.items() if name != lifted and it.covers(asked)}
    if covering:
        with pytest.raises(Frozen, match=f"by incident ({'|'.join(covering)});"):
            freeze.check(asked)
    else:
        freeze.check(asked)


@given(matches, facts)
def test_a_match_covers_what_agrees_in_every_value(match: Match, asked: dict[str, str]) -> None:
    wanted = {**match.wanted, "role": match.wanted.get("role", asked["role"])}
    agrees = all(asked[name] == value for name, value in wanted.items() if name != "role")
    role = asked["role"] == wanted["role"] or asked["role"].split("/")[-1] == wanted["role"]
    assert match.covers(asked) == (agrees and role)
    assert match.covers({**asked, **match.wanted})


def test_a_match_reads_back_what_it_says() -> None:
    match = read_match(["engine=main", " tenant=a=b"])
    assert str(match) == "tenant=a=b,engine=main"
    assert read_match(str(match).split(",")) == match
    with pytest.raises(Invalid, match="has 257 characters; allowed are 256"):
        read_match([f"tenant={'x' * 257}"])
