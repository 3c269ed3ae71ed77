"""What lasts is told once when it begins and once when it is over, by however many looks."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from leasehold.reconcile.findings import (
    REFRESH_MS,
    Finding,
    Kind,
    Scope,
    Sighting,
    What,
    compare,
    from_document,
)

SCOPES = [
    Scope(Kind.POLICY),
    Scope(Kind.TARGET, "main", "reach"),
    Scope(Kind.LEASE, "main", "one"),
    Scope(Kind.LEASE, "main", "two"),
    Scope(Kind.LEASE, "other", "one"),
]
scopes = st.sampled_from(SCOPES)
sightings = st.builds(
    Sighting,
    what=st.sampled_from(What),
    why=st.sampled_from(["", "so", "otherwise"]),
    account=st.sampled_from(["", "a", "b"]),
    lease_id=st.sampled_from(["", "x/y/z"]),
)
looks = st.dictionaries(scopes, st.lists(sightings, max_size=4), max_size=len(SCOPES))


def names(findings):
    return {finding.fingerprint for finding in findings}


def seen_in(looked):
    """Fingerprints of all that a look saw."""
    return {
        Finding(scope=scope, sighting=sighting, first_seen_ms=0, last_seen_ms=0).fingerprint
        for scope, found in looked.items()
        for sighting in found
    }


@given(st.lists(looks, max_size=8), st.data())
def test_found_and_cleared_take_turns_and_what_was_not_looked_at_stays(history, data) -> None:
    standing: dict[str, Finding] = {}
    began: dict[str, int] = {}
    for now_ms, looked in enumerate(history):
        result = compare(standing.values(), looked, now_ms)
        out_of_sight = {name for name, its in standing.items() if its.scope not in looked}
        assert names(result.found).isdisjoint(standing), "found what stood already"
        assert names(result.cleared) <= standing.keys(), "cleared what did not stand"
        for finding in result.cleared:
            del standing[finding.fingerprint]
        standing |= {each.fingerprint: each for each in (*result.found, *result.kept)}
        assert standing.keys() == seen_in(looked) | out_of_sight
        for name, finding in standing.items():
            began.setdefault(name, now_ms)
            assert finding.first_seen_ms == began[name]
            assert (finding.last_seen_ms == now_ms) == (name not in out_of_sight)
        began = {name: at for name, at in began.items() if name in standing}
        if data.draw(st.booleans(), label="a restart"):
            standing = {its.fingerprint: from_document(its.document()) for its in standing.values()}


@given(scopes, sightings)
def test_a_reason_that_changes_is_the_same_finding_told_with_its_new_reason(scope, first) -> None:
    if first.what is What.RIGHT_MISSING:
        return  # there the reason is what is missing
    [old] = compare([], {scope: [first]}, 1).found
    again = compare([old], {scope: [replace(first, why="since something else")]}, 2)
    assert (again.found, again.cleared) == ((), ())
    assert again.kept[0].sighting.why == "since something else"


def test_rights_that_are_missing_are_told_one_by_one() -> None:
    scope = Scope(Kind.TARGET, "main", "server")
    one, two = (Sighting(What.RIGHT_MISSING, why) for why in ("GRANT a", "GRANT b"))
    both = compare([], {scope: [one, two]}, 1).found
    later = compare(both, {scope: [two]}, 2)
    assert [finding.sighting for finding in later.cleared] == [one]


def test_a_finding_is_named_for_what_it_is_about() -> None:
    def about(scope, sighting):
        [found] = compare([], {scope: [sighting]}, 1).found
        return found.about

    lease = Scope(Kind.LEASE, "main", "one")
    assert about(Scope(Kind.POLICY), Sighting(What.NOT_SERVED, "")) == "policy"
    assert about(Scope(Kind.TARGET, "main"), Sighting(What.UNREACHABLE, "")) == "engine:main"
    assert about(lease, Sighting(What.ORPHAN, "", account="a")) == "engine:main/a"
    assert about(lease, Sighting(What.GHOST, "", account="a", lease_id="x/y/z")) == "x/y/z"


@given(scopes, sightings, st.integers(0, 3 * REFRESH_MS))
def test_the_store_is_written_for_news_and_else_once_an_hour(scope, sighting, later_ms) -> None:
    [written] = compare([], {scope: [sighting]}, 0).found
    [kept] = compare([written], {scope: [sighting]}, later_ms).kept
    assert kept.is_written_as(written) == (later_ms < REFRESH_MS)
    if sighting.what is not What.RIGHT_MISSING:
        [other] = compare([written], {scope: [replace(sighting, why="news")]}, later_ms).kept
        assert not other.is_written_as(written)
