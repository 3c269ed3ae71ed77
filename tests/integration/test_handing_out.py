"""Credentials as they are handed out by a real daemon, over a real PostgreSQL."""

import pytest

from servers.daemon import Daemon, policy_for
from servers.operator import audited, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PATH = "database/creds/reader"


def test_a_credential_that_was_seen_to_work_says_since_when(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    policy = policy_for(postgres)
    role = "  main/reader:\n"
    assert role in policy
    daemon.write_policy(policy.replace(role, f"{role}    ready: {{successes: 2, within: 10s}}\n"))
    daemon.start()
    reply = daemon.request("GET", f"/v1/{PATH}")
    assert reply.status == 200
    assert reply.json["leasehold"]["ready_at"].endswith("Z")
    figures = leasehold(daemon, "metrics").stdout
    for quantile in ("0.5", "0.99"):
        labels = f'quantile="{quantile}",role="{PATH}"'
        assert f"leasehold_ready_duration_seconds{{{labels}}} 0." in figures
    assert f'leasehold_ready_duration_seconds_count{{role="{PATH}"}} 1.0' in figures
    told = [line["event"] for line in audited(daemon) if "lease" in line][:3]
    assert told == ["intended", "ready", "issued"]
