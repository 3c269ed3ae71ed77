"""What subscribers are told, and what they are not."""

import json
import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fakes.leases import a_lease, an_event
from leasehold.events.messages import (
    DaemonState,
    Health,
    checkpoint_message,
    event_message,
    status_message,
)
from leasehold.model import (
    PUBLISHED,
    AuditHead,
    Caller,
    Cause,
    Event,
    EventType,
    Lease,
    LeaseState,
    TlsPeer,
)
from leasehold.policy.schemas import schema

VALIDATOR = Draft202012Validator(schema("event"))
MARK = "s3cr3tmark"
"""Stands wherever a lease or an event holds what is nobody's business."""

texts = st.text(max_size=70)
counts = st.integers(0, 10**9)
instants = st.integers(0, 4 * 10**12)
leases = st.builds(
    Lease,
    id=texts,
    state=st.sampled_from(LeaseState),
    mount=texts,
    operation=texts,
    role=texts,
    engine=texts,
    engine_type=texts,
    identity=texts,
    owner=texts,
    tenant=texts,
    account=texts,
    target=st.just(MARK),
    recipe_id=st.just(MARK),
    generation=counts,
    issued_ms=instants,
    ttl_ms=instants,
    expires_ms=instants,
    max_expires_ms=instants,
    next_ms=st.none() | instants,
    renewed_ms=st.none() | instants,
    ended_ms=st.none() | instants,
    cause=st.none() | st.sampled_from(Cause),
    attempts=counts,
    last_error=st.text(max_size=400),
    overdue=st.booleans(),
    quarantined=st.booleans(),
    handle=st.just({"backend": MARK}),
)
callers = st.builds(Caller, uid=st.integers(0, 2**32 - 1), gid=counts, pid=counts) | st.builds(
    TlsPeer, st.lists(texts, max_size=3).map(tuple), serial=st.just(MARK), address=st.just("::1")
).map(Caller.over_tls)
events = st.builds(
    Event,
    id=st.uuids().map(lambda made: made.hex),
    type=st.sampled_from(sorted(kind for kind in PUBLISHED if "-" not in kind)),
    at_ms=instants,
    lease=leases,
    caller=st.none() | callers,
    detail=st.fixed_dictionaries(
        {"rule": st.just(MARK)}, optional={"why": st.text(min_size=1, max_size=400)}
    ),
)
others = st.builds(
    Event,
    id=st.uuids().map(lambda made: made.hex),
    type=st.sampled_from(sorted(kind for kind in PUBLISHED if "-" in kind)),
    at_ms=instants,
    caller=st.none() | callers,
    detail=st.dictionaries(st.sampled_from(["about", "why", "what"]), st.text(max_size=400)),
)
healths = st.builds(
    Health,
    overdue=counts,
    oldest_overdue_s=st.none() | counts,
    sweep_lag_s=counts,
    quarantined=counts,
    live_leases=counts,
    events_waiting=counts,
    audit=st.none()
    | st.builds(AuditHead, counts, st.binary(min_size=32, max_size=32).map(bytes.hex)),
)


def wall(lease_ms: int) -> datetime:
    return datetime.fromtimestamp(lease_ms / 1000, UTC)


def message(event: Event, seq: int = 1, deployment: str = "prod"):
    return event_message(event, seq, deployment=deployment, wall=wall)


def payload(event: Event, seq: int = 1):
    return json.loads(message(event, seq).payload)


@given(events, counts)
def test_every_event_is_what_the_schema_says_and_tells_nothing_else(event: Event, seq: int):
    told = message(event, seq).payload.decode("ascii")
    VALIDATOR.validate(json.loads(told))
    assert MARK not in told


@given(events, texts)
def test_a_topic_has_six_levels_and_nothing_a_subscriber_could_take_for_a_wildcard(
    event: Event, deployment: str
):
    topic = message(event, deployment=deployment).topic
    assert re.fullmatch(r"leasehold/[\w.~%-]*/lease/[a-z]+/[\w.~%-]*/[\w.~%-]*", topic, re.ASCII)


@given(counts, counts)
def test_sequences_sort_as_their_numbers_do(one: int, other: int):
    event = an_event()
    assert (payload(event, one)["sequence"] < payload(event, other)["sequence"]) == (one < other)


@given(
    st.sampled_from([DaemonState.STOPPED, DaemonState.DEAD]).map(lambda state: (state, None))
    | st.tuples(st.sampled_from([DaemonState.ONLINE, DaemonState.QUARANTINED]), healths)
)
def test_every_status_is_what_the_schema_says(told: tuple[DaemonState, Health | None]):
    state, health = told
    made = status_message(state, wall(1), deployment="prod", health=health)
    assert made.topic == "leasehold/prod/status"
    VALIDATOR.validate(json.loads(made.payload))


def test_a_checkpoint_is_what_the_schema_says():
    made = checkpoint_message(AuditHead(7, "ab" * 32), wall(1), deployment="prod")
    assert made.topic == "leasehold/prod/audit/checkpoint"
    told = json.loads(made.payload)
    VALIDATOR.validate(told)
    assert (told["seq"], told["mac"]) == (7, "ab" * 32)


def test_an_event_names_the_lease_its_holder_and_the_account():
    event = an_event(7, EventType.RENEWED)
    made = message(event)
    told = json.loads(made.payload)
    assert made.topic == "leasehold/prod/lease/renewed/database/app-readonly"
    assert made.content_type == "application/cloudevents+json"
    assert told["id"] == event.id
    assert told["source"] == "/leasehold/prod"
    assert told["type"] == "leasehold.lease.renewed"
    assert (
        told["subject"]
        == told["data"]["lease_id"]
        == "database/creds/app-readonly/" + 25 * "0" + "7"
    )
    assert told["time"] == "2026-01-01T00:00:00.007Z"
    assert told["data"]["account"] == "lhabcd_0000000000000007_wxyz"
    assert told["data"]["identity"] == "billing-api"
    assert told["data"]["owner"] == "team-payments"
    assert told["data"]["expires_at"] == "2026-01-01T01:00:00.000Z"
    assert told["data"]["ttl_s"] == 3600
    assert told["data"]["caller_uid"] == 1000
    assert told["data"]["caller"] == "unix:uid=1000"


def test_a_caller_by_tls_is_named_by_its_certificate_and_has_no_uid():
    caller = Caller.over_tls(TlsPeer(("dns:billing.internal",), ("ab",), "1f", "192.0.2.7"))
    told = payload(Event.new(EventType.RENEWED, 1, a_lease(), caller=caller))["data"]
    assert told["caller_uid"] is None
    assert told["caller"] == "tls:san=dns:billing.internal,issuer=ab"


def test_an_overdue_event_says_what_went_wrong_last():
    stuck = a_lease(
        state=LeaseState.REVOKING, attempts=4, last_error="28P01 password", overdue=True
    )
    told = payload(Event.new(EventType.OVERDUE, stuck.expires_ms, stuck))["data"]
    assert (told["overdue"], told["attempts"], told["reason"]) == (True, 4, "28P01 password")


def test_a_long_reason_is_cut():
    told = payload(Event.new(EventType.OVERDUE, 1, a_lease(last_error=1000 * "x")))["data"]
    assert told["reason"] == 256 * "x"


def test_what_the_daemon_did_by_itself_has_no_caller_and_no_reason():
    told = payload(Event.new(EventType.EXPIRED, 1, a_lease()))["data"]
    assert told["caller_uid"] is None
    assert told["reason"] is None


@given(others, counts)
def test_an_event_of_no_lease_is_what_the_schema_says(event: Event, seq: int):
    VALIDATOR.validate(payload(event, seq))


def test_an_event_of_no_lease_is_told_under_its_family_and_its_subject():
    event = Event.new(EventType.DRILL_FAILED, 1, about="database/creds/reader", why="no login")
    made = message(event)
    told = json.loads(made.payload)
    assert made.topic == "leasehold/prod/drill/failed/database/creds/reader"
    assert (told["type"], told["subject"]) == ("leasehold.drill.failed", "database/creds/reader")
    assert told["data"] == {"why": "no login", "caller": None, "caller_uid": None}
