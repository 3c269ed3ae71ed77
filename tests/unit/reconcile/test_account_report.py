"""What may be removed: what a right tag proves ours, where it was looked at just now."""

from hypothesis import given
from hypothesis import strategies as st

from leasehold.reconcile.account_report import AccountsReport, EngineAccounts, digest
from leasehold.reconcile.findings import Finding, Kind, Scope, Sighting, What

ENGINES = (
    EngineAccounts(engine="main", target="one"),
    EngineAccounts(engine="away", target="", trouble="cannot be reached"),
)
findings = st.builds(
    lambda engine, target, what, account: Finding(
        scope=Scope(Kind.LEASE, engine, target),
        sighting=Sighting(what, "", account=account),
        first_seen_ms=1,
        last_seen_ms=1,
    ),
    st.sampled_from(["main", "away"]),
    st.sampled_from(["one", "two", ""]),
    st.sampled_from([What.ORPHAN, What.RESURRECTED, What.WRONG_TAG, What.GHOST]),
    st.text("abc", min_size=1, max_size=2),
)


@given(st.lists(findings, unique_by=lambda its: its.fingerprint))
def test_only_orphans_of_a_server_that_was_just_looked_at_are_removable(found) -> None:
    report = AccountsReport(engines=ENGINES, findings=tuple(found))
    for finding in report.removable.values():
        assert finding.what in (What.ORPHAN, What.RESURRECTED)
        assert (finding.scope.engine, finding.scope.part) == ("main", "one")
    wanted = {
        its.sighting.account
        for its in found
        if its.what in (What.ORPHAN, What.RESURRECTED)
        and (its.scope.engine, its.scope.part) == ("main", "one")
    }
    assert {account for _, account in report.removable} == wanted


@given(st.lists(findings, unique_by=lambda its: its.fingerprint), st.randoms())
def test_the_digest_is_of_places_and_not_of_their_order(found, dice) -> None:
    shuffled = dice.sample(found, len(found))
    assert digest(found) == digest(shuffled)
    places = [(its.scope.engine, its.scope.part, its.sighting.account) for its in found]
    for at, finding in enumerate(found):
        others = found[:at] + found[at + 1 :]
        same = sorted(places) == sorted(places[:at] + places[at + 1 :])
        assert (digest(others) == digest(found)) == same, finding
