"""An order to end many leases: what it binds, when it is met, and that it comes back whole."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fakes.leases import START_MS, a_lease
from leasehold.leases.store import Document, Progress
from leasehold.model import Caller, TlsPeer
from leasehold.reconcile.revocation import Revocation, from_document, new_id

CALLERS = (
    Caller(uid=1002, gid=1002, pid=13, groups=frozenset({1002, 7})),
    Caller.over_tls(TlsPeer(("dns:ops.internal",), ("ab" * 32,), "01", "192.0.2.7:4711")),
)
orders = st.builds(
    Revocation,
    id=st.builds(new_id),
    prefix=st.sampled_from(["database/", "database/creds/reader/"]),
    at_ms=st.integers(START_MS, START_MS + 10),
    by=st.just("operator"),
    caller=st.sampled_from(CALLERS),
    force=st.booleans(),
    begun=st.booleans(),
    finished_ms=st.none() | st.integers(START_MS, START_MS + 99),
    outcome=st.builds(Progress, total=st.integers(0, 9), last_error=st.sampled_from(["", "away"])),
)


@given(orders)
def test_what_the_store_keeps_of_an_order_is_all_of_it(order: Revocation) -> None:
    kept = order.document()
    assert (
        from_document(Document(kept.kind, kept.name, json.loads(json.dumps(kept.value)))) == order
    )
    assert order.forgotten() == replace(kept, value=None)


@given(orders, st.integers(START_MS - 1, START_MS + 11), st.sampled_from(["reader", "readers"]))
def test_an_order_binds_what_is_below_it_and_was_issued_up_to_its_instant(
    order: Revocation, issued_ms: int, role: str
) -> None:
    lease = a_lease(id=f"database/creds/{role}/one", issued_ms=issued_ms)
    below = role == "reader" or order.prefix == "database/"
    assert order.covers(lease) == (below and issued_ms <= order.at_ms)


@given(orders, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_access_must_have_ended_for_all_and_by_force_the_leases(order, gone, disabled, left):
    ended = gone + disabled
    progress = Progress(total=ended + left, ended=ended, gone=gone)
    assert order.is_met(progress) == (not left and not (order.force and disabled))
