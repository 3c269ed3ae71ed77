"""Facts of logins in policies: flat, shown, asked for again, and matched as when they log in."""

from hypothesis import given
from hypothesis import strategies as st

from fakes.policies import TYPES, lines, loaded
from leasehold.bundle import Identity
from leasehold.identity.recognise import recognise
from leasehold.login import LoginMatch, MethodType
from leasehold.methods.catalog import installed_method_types
from leasehold.model import Caller, Login
from leasehold.policy.facts import facts_under, parse, shown
from leasehold.policy.logins import match_of
from leasehold.policy.questions import identities_with
from leasehold.policy.users import caller_with

METHODS: dict[str, MethodType] = installed_method_types()
POLICY = """\
auth:
  github:
    type: jwt
    options:
      issuer: https://gh.example
      audiences: [leasehold]
      algorithms: [RS256]
      discovery_url: https://gh.example
      claims: [repository, ref]
engines:
  main: {type: fake, mount: database, connection: {host: h}}
roles:
  main/reader: {}
identities:
  ci:
    owner: o
    tenant: t
    match:
      - jwt:
          issuer: https://gh.example
          claims: {repository: acme/app}
          globs: {claims.ref: refs/tags/*}
access:
  - {identities: [ci], paths: [database/creds/reader], verbs: [issue]}
tests:
  - as:
      jwt: {issuer: https://gh.example, claims: {repository: acme/app, ref: refs/tags/v1}}
    path: database/creds/reader
    expect: allow
  - as:
      jwt: {issuer: https://gh.example, claims: {repository: acme/app, ref: refs/heads/x}}
    path: database/creds/reader
    expect: deny
"""

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_:/.-]{0,10}", fullmatch=True)
values = st.text(min_size=1, max_size=12)
written = st.fixed_dictionaries(
    {"issuer": values},
    optional={"audience": values, "claims": st.dictionaries(names, values, min_size=1)},
)


@given(written)
def test_what_a_login_is_called_can_be_asked_about(facts: dict) -> None:
    known = facts_under("jwt", facts)
    assert parse(shown(known)) == known
    assert caller_with(known).who == shown(known)


@given(written, written)
def test_a_claim_about_a_login_holds_as_the_login_would(match: dict, facts: dict) -> None:
    made = match_of("jwt", match)
    identity = Identity(name="x", owner="o", tenant="t", match=(made,))
    bundle = loaded({"p.yaml": POLICY}, TYPES, METHODS).bundle
    assert bundle is not None
    known = facts_under("jwt", {**match, **facts})
    asked = {each.name for each in identities_with(bundle, known)}
    assert asked == {each.name for each in recognise(bundle.identities, caller_with(known))}
    assert recognise({"x": identity}, caller_with(facts_under("jwt", match))) == [identity]


def test_facts_of_one_method_are_not_those_of_another() -> None:
    login = Login("kubernetes", (("issuer", "i"),))
    match = LoginMatch(kind="jwt", facts=(("issuer", "i"),))
    identity = Identity(name="x", owner="o", tenant="t", match=(match,))
    assert recognise({"x": identity}, Caller.logged_in(login)) == []
    assert LoginMatch(kind="jwt").misses(Login("jwt", ())) == ("jwt",)


def test_a_policy_with_a_login_method_is_read_and_its_claims_are_proved() -> None:
    found = loaded({"p.yaml": POLICY}, TYPES, METHODS)
    assert found.problems == ()
    assert found.bundle is not None
    assert found.bundle.auth["github"].options["claims"] == ["repository", "ref"]
    broken = POLICY.replace("refs/tags/*", "refs/heads/*")
    told = lines({"p.yaml": broken}, TYPES, METHODS)
    assert any("expects allow, but no rule allows issue" in line for line in told)


def test_what_is_wrong_with_a_login_method_is_told_where_it_stands() -> None:
    for old, new, words in (
        ("type: jwt", "type: jtw", "unknown login method jtw; installed are"),
        (
            "[RS256]",
            "[HS256]",
            "auth.github.options.algorithms[0]: found a text; allowed are RS256",
        ),
        (
            "  github:",
            "  unix:",
            "auth.unix: found the method unix; reserved are cert, token, unix",
        ),
        ("      audiences: [leasehold]\n", "", "auth.github.options: lacks the key audiences"),
        ("claims.ref: refs", "ref: refs", "found 'ref'; allowed is claims.NAME"),
        ("- jwt:", "- jwtx:", "unknown key; allowed are "),
    ):
        told = lines({"p.yaml": POLICY.replace(old, new, 1)}, TYPES, METHODS)
        assert any(words in line for line in told), (words, told)
