"""Quotas of a policy: what holds for whom, and what is wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.policies import lines, loaded
from leasehold.quota import NO_QUOTA, Kind, Quota, Quotas, Rate

POLICY = """\
engines: {one: {type: fake, connection: {host: h}}}
identities:
  anna: {owner: o, tenant: t, match: [{unix: {uid: 1}}]}
  bert: {owner: o, tenant: t, match: [{unix: {uid: 2}}]}
quotas:
"""
quotas = st.builds(
    Quota,
    max_leases=st.none() | st.integers(1, 9),
    issues=st.none() | st.builds(Rate, st.integers(1, 9), st.integers(1, 9)),
)


def compiled(text: str) -> Quotas:
    found = loaded({"p.yaml": POLICY + text})
    assert [problem.line() for problem in found.problems] == []
    assert found.bundle is not None
    return found.bundle.quotas


def problems(text: str) -> list[str]:
    return lines({"p.yaml": POLICY + text})


def test_what_one_says_nothing_of_is_as_the_default_has_it() -> None:
    found = compiled(
        "  identities: {anna: {max_leases: 20}}\n"
        "  tenants: {t: {max_leases: 200}}\n"
        "  engines: {one: {max_leases: 500}}\n"
        "  defaults: {identities: {max_leases: 5, issues: 30/1m}}\n"
    )
    assert found.of(Kind.IDENTITY, "anna") == Quota(max_leases=20, issues=Rate(30, 60))
    assert found.of(Kind.IDENTITY, "bert") == Quota(max_leases=5, issues=Rate(30, 60))
    assert found.of(Kind.TENANT, "t") == Quota(max_leases=200)
    assert found.of(Kind.ENGINE, "one") == Quota(max_leases=500)
    assert found.of(Kind.ENGINE, "another") == NO_QUOTA


def test_a_policy_without_quotas_limits_nobody() -> None:
    found = loaded({"p.yaml": POLICY.removesuffix("quotas:\n")})
    assert found.bundle is not None
    assert found.bundle.quotas.of(Kind.IDENTITY, "anna") == NO_QUOTA


@given(quotas, quotas)
def test_the_nearest_that_says_something_holds(own, default) -> None:
    holds = own.or_else(default)
    assert holds.max_leases == (own.max_leases or default.max_leases)
    assert holds.issues == (own.issues or default.issues)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  identities: {ana: {max_leases: 1}}", "no identity is ana; identities are anna, bert"),
        ("  tenants: {u: {max_leases: 1}}", "no identity has the tenant u; tenants are t"),
        ("  engines: {two: {max_leases: 1}}", "no engine is two; engines are one"),
        ("  engines: {one: {issues: 1/1m}}", "unknown key; allowed are ceiling_refuse_pct"),
        ("  engines: {one: {ceiling_warn_pct: 95}}", "one: warns of ceilings at 95 % and refuses"),
        ("  defaults: {engines: {ceiling_refuse_pct: 60}}", "engines: warns of ceilings at 70 %"),
        ("  identities: {anna: {max_leases: 0}}", "found 0; allowed is 1 or more"),
        ("  identities: {anna: {}}", "is empty"),
        ("  identities: {anna: {issues: 30}}", "found 30; allowed is a number and a duration"),
        ("  identities: {anna: {issues: 0/1m}}", "found '0/1m'; allowed is a number and a"),
        ("  identities: {anna: {issues: 3/0s}}", "found '3/0s'; allowed is a number and a"),
        ("  identities: {anna: {issues: 3/}}", "found '3/'; allowed is a number and a duration"),
        ("  identities: {anna: {issues: 3/1m1h}}", "found '3/1m1h'; allowed is a number and a"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(text: str, said: str) -> None:
    [line] = problems(text + "\n")
    assert said in line
    assert "quotas." in line


@given(st.integers(1, 999_999), st.sampled_from(["1", "90s", "15m", "1h30m", "7d", "1d1h1m1s"]))
def test_a_rate_is_read_as_it_is_written(count: int, span: str) -> None:
    spans = {"1": 1, "90s": 90, "15m": 900, "1h30m": 5_400, "7d": 604_800, "1d1h1m1s": 90_061}
    found = compiled(f"  identities: {{anna: {{issues: {count}/{span}}}}}\n")
    assert found.of(Kind.IDENTITY, "anna").issues == Rate(count, spans[span])
