"""When drills are due, and what is kept of them."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from leasehold.leases.store import Document
from leasehold.reconcile.drill_records import (
    FIRST_S,
    HISTORY,
    KEPT,
    KIND,
    SPREAD,
    DrillResult,
    Record,
    State,
    forgotten,
    history,
    history_document,
    next_due,
    state_document,
    states,
)

PLACE = ("database", "reader")
every = st.integers(1, 10**7)
instants = st.integers(0, 10**13)
dice = st.floats(0, 1, exclude_max=True)
RECORD = Record(
    path="database/creds/reader",
    engine="main",
    result=DrillResult.PASSED,
    started_ms=1000,
    ms=40,
    steps={"issue": 10, "login": 30},
    message="",
    account="lhabcd_x_y",
    lease_id="database/creds/reader/x",
    target="t",
    by="schedule",
    uid=None,
)
results = st.sampled_from([None, DrillResult.PASSED, DrillResult.FAILED])


def kept(document: Document) -> Document:
    """A document as it comes back from the store."""
    return replace(document, value=json.loads(json.dumps(document.value)))


@given(every, instants, dice)
def test_the_next_drill_is_never_later_than_asked_and_little_sooner(
    every_s: int, started_ms: int, throw: float
) -> None:
    after_ms = next_due(started_ms, every_s, throw) - started_ms
    assert every_s * 1000 * (1 - SPREAD) - 1 <= after_ms <= every_s * 1000


@given(every, instants, dice)
def test_the_first_drill_of_a_schedule_comes_soon(every_s: int, now_ms: int, throw: float) -> None:
    due_ms = State().reckoned(every_s, now_ms, throw).due_ms
    assert due_ms is not None
    assert 0 <= due_ms - now_ms <= min(every_s, FIRST_S) * 1000


@given(every, instants, instants, dice, dice)
def test_what_was_reckoned_holds_for_as_long_as_the_span_does(
    every_s: int, now_ms: int, later_ms: int, throw: float, other: float
) -> None:
    state = State().reckoned(every_s, now_ms, throw)
    assert state.reckoned(every_s, later_ms, other) == state


@given(every, every, instants, dice, results)
def test_another_span_counts_from_the_last_drill(
    old_s: int, new_s: int, now_ms: int, throw: float, result: DrillResult | None
) -> None:
    last = None if result is None else replace(RECORD, result=result)
    state = State(due_ms=1, every_s=old_s, last=last).reckoned(new_s, now_ms, throw)
    assert (state.every_s, state.last) == (new_s, last)
    if old_s != new_s and last is not None:
        assert state.due_ms == next_due(RECORD.started_ms, new_s, throw)


@given(every, instants, dice)
def test_a_role_without_a_schedule_is_never_due(every_s: int, now_ms: int, throw: float) -> None:
    state = State(due_ms=1, every_s=every_s, last=RECORD)
    assert state.reckoned(None, now_ms, throw) == State(last=RECORD)


def test_states_and_records_are_kept_as_they_are() -> None:
    found = {PLACE: State(due_ms=5, every_s=60, last=RECORD), ("cache", "a/b"): State()}
    documents = [kept(state_document(place, state)) for place, state in found.items()]
    assert states(documents) == found
    assert history(kept(history_document(PLACE, [RECORD]))) == [RECORD]
    assert history(None) == []


@given(st.integers(0, 3 * KEPT))
def test_the_newest_records_are_kept(count: int) -> None:
    records = [replace(RECORD, started_ms=number) for number in range(count)]
    assert history(history_document(PLACE, records)) == records[-KEPT:]


def test_nothing_is_left_of_a_role_that_is_forgotten() -> None:
    gone = {(document.kind, document.name, document.value) for document in forgotten(PLACE)}
    assert gone == {(KIND, "database/reader", None), (HISTORY, "database/reader", None)}
