"""A rule that denies counts for more than all that allow; hours and fields narrow those."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.policies import lines
from fakes.policy import IDENTITIES, ROLES, a_bundle
from leasehold.bundle import Effect, Grant
from leasehold.conditions import Circumstances, Requirement, Window
from leasehold.policy.capabilities import capabilities, policy_text
from leasehold.policy.decide import VERBS, Allowed, Refused, decide
from leasehold.policy.misses import near_misses
from leasehold.reconcile.access_delta import access_delta
from leasehold.reconcile.changes import NO_CAP, NOT_ALLOWED

OPERATIONS = {"fake": frozenset({"creds"})}
PATH = "database/creds/reader"
HOLDER = IDENTITIES["holder"]
MONDAY, SUNDAY = datetime(2026, 1, 5, 9, tzinfo=UTC), datetime(2026, 1, 4, 9, tzinfo=UTC)
OFFICE = Window(days=frozenset(range(5)), start_min=480, end_min=1080)
TICKET = Requirement("ticket", "[A-Z]+-[0-9]+")
WHEN = st.none() | st.just(OFFICE)
PATTERNS = st.sampled_from([PATH, "database/creds/*", "*", "cache/*"]).map(lambda it: (it,))
grants = st.lists(
    st.builds(
        Grant,
        identities=st.sampled_from(["holder", "stranger"]).map(lambda it: (it,)),
        paths=PATTERNS,
        verbs=st.frozensets(st.sampled_from(VERBS), min_size=1),
        effect=st.sampled_from(Effect),
        when=WHEN,
        source=st.sampled_from(["p:1", "p:2"]),
    ),
    max_size=5,
).map(tuple)
moments = st.sampled_from([MONDAY, SUNDAY, None])


def rule(source: str, *verbs: str, path: str = "database/*", **changes) -> Grant:
    return Grant(
        identities=("holder",), paths=(path,), verbs=frozenset(verbs), source=source, **changes
    )


def denial(source: str, *verbs: str, **changes) -> Grant:
    return rule(source, *verbs, effect=Effect.DENY, **changes)


def decided(*rules: Grant, at: datetime | None = MONDAY, path: str = PATH, verb="issue", **fields):
    return decide(a_bundle(grants=rules), [HOLDER], path, verb, Circumstances(at, fields))


@given(grants, moments, st.sampled_from(VERBS))
def test_one_more_rule_that_denies_never_allows_more(
    rules: tuple[Grant, ...], at: datetime | None, verb: str
) -> None:
    before = decided(*rules, at=at, verb=verb)
    after = decided(*rules, denial("p:3", verb), at=at, verb=verb)
    assert after == Refused("p:3 denies it", explicit=True) or not before.allowed
    assert not after.allowed


@given(grants, moments, st.sampled_from(VERBS))
def test_a_clock_in_doubt_never_allows_more(
    rules: tuple[Grant, ...], at: datetime | None, verb: str
) -> None:
    if decided(*rules, at=None, verb=verb).allowed:
        assert decided(*rules, at=at, verb=verb).allowed


def test_outside_its_hours_a_rule_allows_nothing_and_says_when_it_would() -> None:
    allowing = rule("p:1", "issue", when=OFFICE, max_ttl_s=60)
    assert decided(allowing) == Allowed(HOLDER, 60, "p:1")
    refused = decided(allowing, at=SUNDAY)
    assert refused == Refused("p:1 allows it mon-fri 08:00-18:00 UTC, and it is sun 09:00 there")
    assert "clock is in doubt" in decided(allowing, at=None).rule


def test_outside_its_hours_a_denial_denies_nothing() -> None:
    rules = (rule("p:1", "issue"), denial("p:2", "issue", when=OFFICE))
    assert not decided(*rules).allowed
    assert decided(*rules, at=SUNDAY).allowed
    assert not decided(*rules, at=None).allowed


def test_what_stands_for_many_is_denied_where_one_of_them_is() -> None:
    rules = (rule("p:1", "list", path="*"), denial("p:2", "list", path="database/creds/brief"))
    for path, allowed in (
        ("database/*", False),
        ("database/creds/*", False),
        ("*", False),
        ("database/creds/reader", True),
        ("cache/*", True),
    ):
        assert decided(*rules, path=path, verb="list").allowed == allowed


def test_a_field_that_is_missing_is_asked_for_where_only_that_is_missing() -> None:
    asking = rule("p:1", "issue", require=(TICKET,))
    assert decided(asking).lacking == (TICKET,)
    assert decided(asking, ticket="A-1").allowed
    assert decided(asking, denial("p:2", "issue")).lacking == ()
    assert decided(asking, rule("p:3", "issue")).allowed
    assert decided(rule("p:1", "list", require=(TICKET,))).lacking == ()
    closed = rule("p:0", "issue", when=OFFICE)
    assert decided(asking, closed, at=SUNDAY).lacking == (TICKET,)


def test_the_role_asks_whatever_rule_allows_it() -> None:
    roles = {
        **ROLES,
        ("database", "reader"): replace(ROLES["database", "reader"], require=(TICKET,)),
    }
    bundle = a_bundle(roles=roles, grants=(rule("p:1", "issue", "renew"),))
    for verb, fields, allowed in (
        ("issue", {}, False),
        ("issue", {"ticket": "a-1"}, False),
        ("issue", {"ticket": "A-1"}, True),
        ("renew", {}, True),
    ):
        found = decide(bundle, [HOLDER], PATH, verb, Circumstances(MONDAY, fields))
        assert found.allowed == allowed


def test_operators_see_what_came_near() -> None:
    rules = (
        rule("p:1", "issue"),
        denial("p:2", "issue"),
        rule("p:3", "issue", when=OFFICE),
        rule("p:4", "issue", require=(TICKET,)),
    )
    asked = Circumstances(SUNDAY, {})
    assert near_misses(a_bundle(grants=rules), [HOLDER], PATH, "issue", asked) == (
        "p:1 alone would allow it",
        "p:3 allows it mon-fri 08:00-18:00 UTC, and it is sun 09:00 there",
        "p:4 allows it, with ticket [A-Z]+-[0-9]+",
    )


def test_vaults_words_tell_a_denial() -> None:
    rules = (rule("p:1", "issue"), denial("p:2", "issue", path=PATH, when=OFFICE))
    bundle = a_bundle(grants=rules)
    assert capabilities(bundle, [HOLDER], PATH, Circumstances(MONDAY)) == ("deny",)
    assert capabilities(bundle, [HOLDER], PATH, Circumstances(SUNDAY)) != ("deny",)
    text = policy_text(rules, "holder")
    assert f'path "{PATH}" {{\n  capabilities = ["deny"]' in text
    assert "# p:2: issue; mon-fri 08:00-18:00 UTC" in text


def delta(old: tuple[Grant, ...], new: tuple[Grant, ...]):
    found = access_delta(a_bundle(grants=old), a_bundle(grants=new), OPERATIONS)
    return tuple(
        [(each.path, each.before, each.after) for each in side if each.path == PATH]
        for side in (found.gained, found.lost)
    )


def test_the_plan_tells_what_a_denial_hours_and_fields_take_away() -> None:
    free, office = rule("p:1", "issue"), rule("p:1", "issue", when=OFFICE)
    assert delta((free,), (free, denial("p:2", "issue"))) == ([], [(PATH, NO_CAP, NOT_ALLOWED)])
    assert delta((free, denial("p:2", "issue")), (free,)) == ([(PATH, NOT_ALLOWED, NO_CAP)], [])
    narrower = [(PATH, NO_CAP, NO_CAP)]
    for less in (office, replace(free, require=(TICKET,))):
        assert delta((free,), (less,)) == ([], narrower)
        assert delta((less,), (free,)) == (narrower, [])
    assert delta((free,), (free, denial("p:2", "issue", when=OFFICE))) == ([], narrower)
    # Other hours are neither more nor less, so they are told as both.
    other = rule("p:1", "issue", when=replace(OFFICE, start_min=0))
    assert delta((office,), (other,)) == (narrower, narrower)


def test_a_role_that_comes_or_goes_is_a_right_that_does() -> None:
    rules = (rule("p:1", "issue"), denial("p:2", "issue", path="database/creds/gone"))
    fewer = {place: role for place, role in ROLES.items() if place != ("database", "reader")}
    without, whole = a_bundle(grants=rules, roles=fewer), a_bundle(grants=rules)
    for old, new, side in ((without, whole, "gained"), (whole, without, "lost")):
        found = access_delta(old, new, OPERATIONS)
        changes = {"gained": found.gained, "lost": found.lost}
        assert [change.path for change in changes.pop(side)] == [PATH]
        assert [*changes.values()] == [()]


POLICY = """\
engines: {one: {type: fake, mount: db, connection: {host: h}}}
roles: {one/app: {group: app, require: {reason: "^[A-Z]+-[0-9]+$"}}}
identities: {anna: {owner: o, tenant: t, match: [{unix: {user: anna}}]}}
access:
  - {identities: [anna], paths: [db/creds/app], verbs: [issue], ACCESS}
tests:
  - {as: {unix: {user: anna}}, path: db/creds/app, CLAIM}
"""
OPEN = 'when: {days: [mon-fri], between: ["08:00", "18:00"], timezone: Europe/Berlin}'
IN, OUT = "at: 2026-01-05T09:00+01:00", "at: 2026-01-05T19:00+01:00"
WITH = "fields: {reason: ABC-1}"


def told(access: str, claim: str) -> list[str]:
    found = lines({"f": POLICY.replace("ACCESS", access).replace("CLAIM", claim)})
    return [line.split(": ", 1)[1] for line in found]


@pytest.mark.parametrize(
    ("access", "claim", "found"),
    [
        (OPEN, f"expect: allow, {IN}, {WITH}", None),
        (OPEN, f"expect: deny, {OUT}, {WITH}", None),
        (OPEN, f"expect: deny, {IN}", None),
        (
            OPEN,
            f"expect: allow, {WITH}",
            "holds mon-fri 08:00-18:00 Europe/Berlin only",
        ),
        (OPEN, f"expect: allow, {OUT}, {WITH}", "and it is mon 19:00 there"),
        (OPEN, f"expect: allow, {IN}", "but f:5 allows it, with reason ^[A-Z]+-[0-9]+$"),
        ("effect: deny", f"expect: deny, {WITH}", None),
        ("effect: deny", f"expect: allow, {WITH}", "but f:5 denies it"),
        ("effect: deny, max_ttl: 1h", "expect: deny", "beside `effect: deny`, which takes none"),
        ('require: {ttl: "x"}', "expect: deny", "a request has this field already"),
        ('require: {x: "(?=a)"}', "expect: deny", "the pattern has '(?=a)'"),
        ('when: {between: ["8:00", "9:00"]}', "expect: deny", "a time of day in quotes"),
        ('when: {between: ["09:00", "09:00"]}', "expect: deny", "so it never holds"),
        ("when: {timezone: Mars/Olympus}", "expect: deny", "knows no time zone Mars/Olympus"),
        ("when: {days: [monday]}", "expect: deny", "two of them such as mon-fri"),
        (OPEN, "expect: deny, at: tomorrow", "allowed is an instant with its zone"),
    ],
)
def test_claims_and_conditions_are_proved_or_told(
    access: str, claim: str, found: str | None
) -> None:
    problems = told(access, claim)
    if found is None:
        assert problems == []
    else:
        assert any(found in line for line in problems), problems
