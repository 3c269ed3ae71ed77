"""What subscribers are told of findings keeps to the schema."""

import json
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from fakes.clock import FakeClock
from leasehold.events.messages import event_message
from leasehold.leases.store import LeaseStore
from leasehold.model import EventType
from leasehold.policy.schemas import schema
from leasehold.reconcile.findings import Finding, Kind, Scope, Sighting, What
from leasehold.reconcile.open_findings import OpenFindings

VALIDATOR = Draft202012Validator(schema("event"))


def message(kind: EventType, scope: Scope, sighting: Sighting) -> tuple[str, dict[str, Any]]:
    clock = FakeClock()
    findings = OpenFindings(cast(LeaseStore, None), clock)
    at_ms = clock.now_ms()
    finding = Finding(scope=scope, sighting=sighting, first_seen_ms=at_ms, last_seen_ms=at_ms)
    told = findings.event(kind, finding, at_ms)
    made = event_message(told, 1, deployment="prod", wall=clock.wall)
    payload = json.loads(made.payload)
    VALIDATOR.validate(payload)
    return made.topic, payload


@pytest.mark.parametrize("what", What)
@pytest.mark.parametrize("kind", [EventType.DRIFT_FOUND, EventType.DRIFT_CLEARED])
def test_every_finding_makes_a_message_of_the_schema(kind: EventType, what: What) -> None:
    _, payload = message(kind, Scope(Kind.TARGET, "main", "server"), Sighting(what, "x" * 1_000))
    assert payload["data"]["what"] == what
    assert payload["data"]["first_seen"] == "2026-01-01T00:00:00.000Z"


def test_an_orphan_is_told_at_its_engine_and_under_its_name() -> None:
    sighting = Sighting(What.ORPHAN, "no lease knows it", account="v/lh+#é")
    topic, payload = message(EventType.ORPHAN_FOUND, Scope(Kind.LEASE, "main", "one"), sighting)
    assert topic == "leasehold/prod/orphan/found/engine%3Amain/v/lh%2B%23%C3%A9"
    assert payload["subject"] == "engine:main/v/lh+#é"
    assert payload["data"]["account"] == "v/lh+#é"
