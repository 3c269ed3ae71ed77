"""A claim holds exactly when spelling everything out says so; one about nothing is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.policies import lines
from leasehold.bundle import AccessTest, Bundle, EngineConfig, Grant, Identity, Role
from leasehold.conditions import Circumstances
from leasehold.policy.claims import refuted
from leasehold.policy.decide import VERBS
from leasehold.policy.facts import facts_of
from leasehold.policy.questions import can, identities_with, who_can

USERS, GROUPS = ("anna", "ben"), ("db", "web")
PATHS = ("db/creds/app", "db/creds/admin")
PATTERNS = (*PATHS, "db/creds/*", "db/creds/a*", "*", "leasehold/*")
OPERATIONS = {"fake": frozenset({"creds"})}
NOW = Circumstances(None)

matches = st.fixed_dictionaries(
    {},
    optional={
        "user": st.sampled_from(USERS),
        "uid": st.integers(1, 2),
        "group": st.sampled_from(GROUPS),
        "gid": st.integers(1, 2),
        "self": st.just(True),
    },
).filter(bool)
somebody = st.fixed_dictionaries(
    {},
    optional={
        "user": st.sampled_from(USERS),
        "uid": st.integers(1, 2),
        "group": st.sampled_from(GROUPS) | st.lists(st.sampled_from(GROUPS), unique=True),
        "gid": st.integers(1, 2) | st.lists(st.integers(1, 2), unique=True),
        "self": st.just(True),
    },
).filter(bool)
identities = st.lists(st.lists(matches, min_size=1, max_size=2), min_size=1, max_size=3).map(
    lambda all_facts: {
        f"i{n}": Identity(name=f"i{n}", owner="o", tenant="t", match=(), facts=tuple(facts))
        for n, facts in enumerate(all_facts)
    }
)
grants = st.lists(
    st.builds(
        Grant,
        identities=st.lists(st.sampled_from(["i0", "i1", "i2"]), min_size=1).map(tuple),
        paths=st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2).map(tuple),
        verbs=st.frozensets(st.sampled_from(VERBS), min_size=1),
        max_ttl_s=st.none() | st.integers(1, 9),
        source=st.sampled_from(["a.yaml:1", "a.yaml:2", "b.yaml:1"]),
    ),
    max_size=4,
).map(tuple)
roles = st.fixed_dictionaries(
    {
        ("db", name): st.builds(
            Role,
            name=st.just(name),
            engine=st.just("one"),
            max_ttl_s=st.integers(1, 9),
            default_ttl_s=st.integers(1, 9),
        )
        for name in ("app", "admin")
    }
)


def bundle(**parts: Any) -> Bundle:
    engine = EngineConfig(name="one", type="fake", mount="db", connection={})
    fixed = {"digest": "", "engines": {"one": engine}, "mount_limits": {}}
    return Bundle(**{**fixed, **parts})


bundles = st.builds(bundle, identities=identities, grants=grants, roles=roles)
asked = st.tuples(somebody, st.sampled_from(PATHS), st.sampled_from(VERBS))


def longest(of: Bundle, who: dict, path: str, verb: str) -> int | None:
    """By spelling out every identity, match, rule and path; None for no."""

    def has(name: str, value: Any) -> bool:
        given = who.get(name)
        return value in given if isinstance(given, list) else given == value

    found: list[int] = []
    for identity in of.identities.values():
        is_it = False
        for match in identity.facts:
            is_it = is_it or all(has(name, value) for name, value in match.items())
        for grant in of.grants if is_it else ():
            for pattern in grant.paths:
                covers = path == pattern or (
                    pattern[-1] == "*" and path[: len(pattern) - 1] == pattern[:-1]
                )
                if covers and verb in grant.verbs and identity.name in grant.identities:
                    most = of.roles["db", path.split("/")[2]].max_ttl_s
                    found.append(min(most, grant.max_ttl_s or most))
    return max(found, default=None)


@given(bundles, asked, st.booleans(), st.none() | st.integers(1, 9))
def test_a_claim_holds_exactly_when_it_is_so(
    of: Bundle, asked: tuple, allowed: bool, ttl_s: int | None
) -> None:
    who, path, verb = asked
    most = longest(of, who, path, verb)
    holds = allowed == (most is not None) and (not allowed or ttl_s in (None, most))
    claim = AccessTest(
        facts=facts_of(who), path=path, verb=verb, allowed=allowed, ttl_s=ttl_s, index=0
    )
    faults = list(refuted(bundle(**parts(of), tests=(claim,))))
    assert (faults == []) == holds
    assert all(fault.path == ("tests", 0) for fault in faults)


def parts(of: Bundle) -> dict[str, Any]:
    return {"identities": of.identities, "grants": of.grants, "roles": of.roles}


@given(bundles, asked)
def test_a_question_is_answered_as_a_claim_is_proved(of: Bundle, asked: tuple) -> None:
    who, path, verb = asked
    answer = can(of, OPERATIONS, identities_with(of, facts_of(who)), path, verb, NOW)
    most = longest(of, who, path, verb)
    assert answer.allowed == (most is not None)
    if answer.allowed and verb in ("issue", "renew"):
        role = of.roles["db", path.split("/")[2]]
        assert (answer.max_ttl_s, answer.ttl_s) == (most, min(most, role.default_ttl_s))
    else:
        assert answer.max_ttl_s is answer.ttl_s is None
    assert bool(answer.why) != answer.allowed


@given(bundles, st.sampled_from(PATHS), st.sampled_from(VERBS))
def test_who_can_lists_exactly_those_who_can(of: Bundle, path: str, verb: str) -> None:
    able = [
        name
        for name, identity in of.identities.items()
        if can(of, OPERATIONS, [identity], path, verb, NOW).allowed
    ]
    assert [
        answer.identities[0].name for answer in who_can(of, OPERATIONS, path, verb, NOW)
    ] == able


CA, OTHER = "a" * 64, "b" * 64
REVOKE = "path: db/creds/app, verb: revoke"
POLICY = """\
engines: {one: {type: fake, mount: db, connection: {host: h}}}
roles: {one/app: {group: app, max_ttl: 2h}}
identities:
  anna: {owner: o, tenant: t, match: [{unix: {user: anna}}, {unix: {group: db, gid: 7}}]}
  self: {owner: o, tenant: t, match: [{unix: {self: true}}]}
  app: {owner: o, tenant: t, match: [{tls: {san: "dns:app.a"}}, {tls: {san: "dns:b", issuer: CA}}]}
access:
  - {identities: [app], paths: [db/creds/app], verbs: [revoke]}
  - {identities: [anna], paths: [db/creds/app], verbs: [issue, renew, revoke], max_ttl: 30m}
  - {identities: [self], paths: [leasehold/*], verbs: [operate]}
tests:
""".replace("CA", CA)


def told(claim: str) -> list[str]:
    """The problems with one claim, without their places."""
    found = lines({"f": f"{POLICY}  - {{{claim}}}\n"})
    return [line.split(": ", 1)[1] for line in found]


@pytest.mark.parametrize(
    "claim",
    [
        "as: {unix: {user: anna}}, path: db/creds/app, expect: allow, ttl: 30m",
        "as: {unix: {user: anna}}, path: db/creds/app, verb: renew, expect: allow, ttl: 30m",
        "as: {unix: {user: anna}}, path: db/creds/app, verb: revoke, expect: allow",
        "as: {unix: {user: anna}}, path: db/creds/app, verb: list, expect: deny",
        "as: {unix: {user: anna, group: [a, b], uid: 5}}, path: db/creds/app, expect: allow",
        "as: {unix: {group: [web, db], gid: [6, 7]}}, path: db/creds/app, expect: allow",
        "as: {unix: {group: [web, db]}}, path: db/creds/app, expect: deny",
        "as: {unix: {group: [db], gid: 6}}, path: db/creds/app, expect: deny",
        "as: {unix: {uid: 5}}, path: db/creds/app, expect: deny",
        "as: {unix: {self: true}}, path: db/creds/app, expect: deny",
        "as: {unix: {self: true}}, path: leasehold/status, verb: operate, expect: allow",
        "as: {unix: {user: anna}}, path: leasehold/status, verb: operate, expect: deny",
        "as: {tls: {san: [dns:x, dns:app.a]}}, path: db/creds/app, verb: revoke, expect: allow",
        f"as: {{tls: {{san: dns:b, issuer: {CA}}}}}, {REVOKE}, expect: allow",
        f"as: {{tls: {{san: dns:b, issuer: {OTHER}}}}}, {REVOKE}, expect: deny",
        "as: {tls: {san: dns:b}}, path: db/creds/app, verb: revoke, expect: deny",
        "as: {tls: {san: uri:x:app.a}}, path: db/creds/app, verb: revoke, expect: deny",
    ],
)
def test_what_is_so_may_be_claimed(claim: str) -> None:
    assert told(claim) == []


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (
            "as: {unix: {group: [db, web]}}, path: db/creds/app, expect: allow",
            "tests[0]: expects allow, but no rule allows issue at db/creds/app to"
            " unix:group=db,group=web",
        ),
        (
            "as: {unix: {user: ben}}, path: db/creds/ap, expect: deny",
            "tests[0].path: no role is at db/creds/ap; did you mean db/creds/app?",
        ),
        (
            "as: {unix: {user: anna}}, path: db/creds/app, verb: list, expect: deny, ttl: 1h",
            "tests[0].ttl: stands beside `expect: deny`; remove one",
        ),
        (
            "as: {unix: {user: anna}}, path: db/creds/app, verb: revoke, expect: allow, ttl: 30m",
            "tests[0].ttl: only issue and renew give a lease a life; remove it",
        ),
        (
            "as: {unix: {user: anna, group: []}}, path: db/creds/app, expect: allow",
            "tests[0].as.unix.group: is empty",
        ),
        (
            "as: {unix: {gid: [x]}}, path: db/creds/app, expect: allow",
            "tests[0].as.unix.gid[0]: found 'x'; allowed is a whole number",
        ),
        (
            "as: {unix: {group: {}}}, path: db/creds/app, expect: allow",
            "tests[0].as.unix.group: found a map; allowed is a group's name, or a list of names",
        ),
    ],
)
def test_what_is_not_so_or_says_nothing_is_told(claim: str, words: str) -> None:
    assert told(claim) == [words]
