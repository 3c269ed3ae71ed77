"""Each invariant is silent about a good census and finds what a bad one breaks, and only that."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos.facts import Census, Head, Process, Row, Told
from chaos.invariants import ALL, Evidence, violations
from chaos.journal import Held, Journal, Outcome

NOW_MS = 1_000_000_000
BOOT_MS = 50_000_000
ID, OVER = "pg/creds/app/aaaa", "pg/creds/app/bbbb"
ROW = Row(ID, "active", "pg", "lh_a", NOW_MS - 1_000, NOW_MS + 60_000, NOW_MS + 90_000, reason="n1")
ENDED = replace(ROW, id=OVER, state="revoked", account="lh_b", expires_ms=NOW_MS, reason="n2")
HEAD = Head(9, "mac")
END_MS = ROW.expires_ms


def told(account: str, *events: str, ends_ms: int = NOW_MS + 60_000) -> Told:
    return Told(account, list(events), [(event, ends_ms) for event in events])


def good() -> Census:
    return Census(
        at_ms=NOW_MS,
        boot_ms=BOOT_MS,
        rows={ID: ROW, OVER: ENDED},
        accounts={"pg": {"lh_a": True}},
        opened={"lh_a": True},
        told={
            ID: told("lh_a", "intended", "issued"),
            OVER: told("lh_b", "intended", "issued", "revoked"),
        },
        audit_head=HEAD,
        store_head=HEAD,
        line_at_store_head=HEAD,
        waiting=[4],
        numbered=4,
        heard=[1, 2, 2, 3],
        process=Process(20, 5, 8, 80.0),
    )


def journal() -> Journal:
    made = Journal()
    made.rows = {ID, OVER}
    for lease_id, account, nonce, ended in ((ID, "lh_a", "n1", False), (OVER, "lh_b", "n2", True)):
        made.asked("pg", nonce)
        held = Held(lease_id, "pg", account, "secret", nonce, BOOT_MS + 50_000, BOOT_MS + 70_000)
        held.ended = held.perhaps = ended
        made.received(held, BOOT_MS)
    return made


def broken(**changes: object) -> Callable[[], Evidence]:
    return lambda: Evidence(replace(good(), **changes), journal())  # type: ignore[arg-type]


def row(**changes: object) -> Callable[[], Evidence]:
    rows = {ID: replace(ROW, **changes), OVER: ENDED}  # type: ignore[arg-type]
    return broken(rows=rows)


def client(**changes: object) -> Callable[[], Evidence]:
    def made() -> Evidence:
        kept = journal()
        kept.held[ID] = replace(kept.held[ID], **changes)  # type: ignore[arg-type]
        return Evidence(good(), kept)

    return made


def unheard(outcome: Outcome, ago_ms: int) -> Callable[[], Evidence]:
    """The active lease's request had this outcome, so long ago."""

    def made() -> Evidence:
        kept = journal()
        del kept.held[ID]
        kept.outcome("n1", outcome, BOOT_MS - ago_ms)
        return Evidence(good(), kept)

    return made


def nobody_asked() -> Evidence:
    kept = journal()
    del kept.held[ID], kept.asks["n1"]
    return Evidence(good(), kept)


def two_answers() -> Evidence:
    kept = journal()
    kept.received(replace(kept.held[ID]), BOOT_MS)
    return Evidence(good(), kept)


def grown() -> Evidence:
    early = replace(good(), process=Process(7, 5, 8, 80.0))
    return Evidence(good(), journal(), early)


def without(lease_id: str) -> Callable[[], Evidence]:
    return broken(rows={id: row for id, row in good().rows.items() if id != lease_id})


def audited(*events: tuple[str, int]) -> Callable[[], Evidence]:
    """What the audit says of the active lease: events, each with the end it tells."""
    said = Told("lh_a", [event for event, _ in events], list(events))
    return broken(told={**good().told, ID: said})


BROKEN: dict[str, tuple[str, Callable[[], Evidence]]] = {
    "an orphan": ("I1", broken(accounts={"pg": {"lh_a": True, "lh_x": True}})),
    "an orphan that was reported": (
        "I1",
        broken(accounts={"pg": {"lh_a": True, "lh_x": True}}, reported=frozenset({"lh_x"})),
    ),
    "an active lease without account": ("I2", broken(accounts={"pg": {}})),
    "an active lease with a locked account": ("I2", broken(accounts={"pg": {"lh_a": False}})),
    "a password that does not log in": ("I2", broken(opened={"lh_a": False})),
    "a lease that was cut short": ("I2", row(state="revoking")),
    "an account after its lease": ("I3", broken(accounts={"pg": {"lh_a": True, "lh_b": True}})),
    "an active lease after its end": ("I4", row(expires_ms=NOW_MS - 6_000, issued_ms=1)),
    "a pending lease after its end": ("I4", row(expires_ms=NOW_MS - 6_000, state="pending")),
    "an account after its client's deadline": ("I4", client(latest_ms=BOOT_MS - 6_000)),
    "a lease that is gone": ("I5", without(ID)),
    "a lease without an audited intent": ("I5", audited(("issued", NOW_MS + 60_000))),
    "a credential that the audit does not know": ("I6", audited(("intended", NOW_MS + 60_000))),
    "a lease of another request": ("I6", client(nonce="n7")),
    "a credential that was handed out twice": ("I6", two_answers),
    "a lease that nobody asked for": ("I6", nobody_asked),
    "a refused lease that lives": ("I6", unheard(Outcome.REFUSED, 61_000)),
    "a lease that lives though its client hung up": ("I6", unheard(Outcome.HUNG_UP, 61_000)),
    "a chain that does not verify": ("I7", broken(audit_faults=["line 3"])),
    "an audit without the ledger's head": ("I7", broken(line_at_store_head=Head(0, ""))),
    "an end that was not audited": (
        "I7",
        broken(told={**good().told, OVER: told("lh_b", "intended", "issued")}),
    ),
    "an issue of which nobody says what it came to": (
        "I7",
        broken(told={**good().told, OVER: told("lh_b", "intended", "revoking", "revoked")}),
    ),
    "an end before the issue": (
        "I7",
        broken(told={**good().told, OVER: told("lh_b", "intended", "revoked", "issued")}),
    ),
    "an event that is lost": ("I8", broken(waiting=[])),
    "events out of order": ("I8", broken(heard=[2, 1, 3])),
    "a leak": ("I9", broken(leaks=["daemon.log: password 0"])),
    "an end past the maximum": ("I10", row(max_expires_ms=NOW_MS + 50_000)),
    "an end that grew by itself": (
        "I10",
        audited(("intended", NOW_MS), ("issued", NOW_MS), ("expiring", NOW_MS + 60_000)),
    ),
    "an end that the audit never told": (
        "I10",
        audited(("intended", NOW_MS + 9), ("issued", NOW_MS + 9)),
    ),
    "descriptors that grow": ("I11", grown),
    "a damaged row": ("I12", broken(damage=["a row does not verify"])),
}


def test_a_good_census_breaks_nothing() -> None:
    assert violations(Evidence(good(), journal(), good())) == []


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_found_by_its_invariant(what: str) -> None:
    invariant, evidence = BROKEN[what]
    assert invariant in {found.invariant for found in violations(evidence())}


@pytest.mark.parametrize("invariant", ALL)
def test_every_invariant_is_broken_by_some_census(invariant: str) -> None:
    assert invariant in {name for name, _ in BROKEN.values()}


@pytest.mark.parametrize(
    "fine",
    [
        pytest.param(unheard(Outcome.UNKNOWN, 90_000), id="unknown may have happened"),
        pytest.param(unheard(Outcome.REFUSED, 1_000), id="refused and not yet resolved"),
        pytest.param(
            broken(accounts={"pg": {}}, opened={}, moving=frozenset({ID})), id="it was changed"
        ),
        pytest.param(
            audited(("intended", NOW_MS), ("issued", NOW_MS), ("renewed", NOW_MS + 60_000)),
            id="a renewal",
        ),
        pytest.param(
            audited(("intended", END_MS), ("issued", END_MS), ("renewed", 1), ("expiring", END_MS)),
            id="a renewal that a crash kept from being committed",
        ),
        pytest.param(broken(heard=None, waiting=[]), id="no broker"),
        pytest.param(broken(told={}, delayed=3), id="audit lines wait"),
    ],
)
def test_what_is_allowed_is_no_violation(fine: Callable[[], Evidence]) -> None:
    assert violations(fine()) == []


def test_an_overdue_account_must_have_been_told() -> None:
    late = replace(ROW, state="revoking", expires_ms=NOW_MS - 60_000, issued_ms=1, overdue=True)
    quiet = journal()
    quiet.held[ID].perhaps = True
    rows = {ID: late, OVER: ENDED}
    silent = Evidence(replace(good(), rows=rows), quiet)
    assert {found.invariant for found in violations(silent)} == {"I4"}
    said = {**good().told, ID: told("lh_a", "intended", "issued", "overdue")}
    assert violations(Evidence(replace(good(), rows=rows, told=said), quiet)) == []
