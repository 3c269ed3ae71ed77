"""Nobody may do anything but by a rule that names them, the place and the verb."""

from hypothesis import given
from hypothesis import strategies as st

from fakes.policy import a_bundle
from leasehold.bundle import Grant, Identity, UnixMatch
from leasehold.conditions import Circumstances
from leasehold.policy.decide import covers, decide

NAMES = ("anna", "ben", "carl")
VERBS = ("issue", "renew", "list")
PATHS = ("database/creds/app", "database/creds/app-admin", "cache/creds/app", "leasehold/status")
IDENTITIES = {
    name: Identity(name=name, owner=name, tenant=name, match=(UnixMatch(uid=1),)) for name in NAMES
}


def some(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


grants = st.builds(
    Grant,
    identities=some(NAMES).map(tuple),
    paths=some((*PATHS, "*", "database/*", "database/creds/app*")).map(tuple),
    verbs=some(VERBS).map(frozenset),
    max_ttl_s=st.none() | st.integers(1, 5),
    source=st.sampled_from(["a.yaml:1", "a.yaml:2", "b.yaml:1"]),
)
asked = st.tuples(some(NAMES), st.sampled_from(PATHS), st.sampled_from(VERBS))


def decided(rules: list[Grant], who: list[str], path: str, verb: str):
    bundle = a_bundle(grants=tuple(rules))
    return decide(bundle, [IDENTITIES[name] for name in who], path, verb, Circumstances(None))


@given(st.lists(grants, max_size=6), asked)
def test_yes_needs_one_rule_that_says_all_of_it(rules: list[Grant], asked: tuple) -> None:
    who, path, verb = asked
    longest = [
        float("inf") if rule.max_ttl_s is None else rule.max_ttl_s
        for rule in rules
        if verb in rule.verbs
        and set(who) & set(rule.identities)
        and any(pattern == path or covers(pattern, path) for pattern in rule.paths)
    ]
    decision = decided(rules, who, path, verb)
    assert decision.allowed == bool(longest)
    if decision.allowed:
        assert (decision.max_ttl_s or float("inf")) == max(longest)
        assert decision.identity.name in who
    else:
        assert decision.rule == "no rule allows it"


@given(st.lists(grants, max_size=5), asked, st.randoms())
def test_the_order_of_rules_and_identities_changes_nothing(rules, asked, random) -> None:
    who, path, verb = asked
    before = decided(rules, who, path, verb)
    random.shuffle(rules)
    random.shuffle(who)
    assert decided(rules, who, path, verb) == before


@given(st.sampled_from(PATHS), st.text("abc/*-", max_size=8))
def test_only_a_star_at_the_end_covers_more_than_itself(path: str, pattern: str) -> None:
    begins = pattern.endswith("*") and path.startswith(pattern[:-1])
    assert covers(pattern, path) == (begins or pattern == path)
