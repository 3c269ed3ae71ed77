"""Quotas as a caller and an operator meet them, over a real PostgreSQL."""

import pytest

from servers.daemon import Daemon, policy_for
from servers.operator import asked, audited, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PATH = "database/creds/reader"
QUOTAS = """\
quotas:
  defaults: {identities: {max_leases: 2}}
  engines: {main: {max_leases: 50}}
"""


def test_whoever_is_at_its_quota_is_told_and_operators_see_it(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.write_policy(policy_for(postgres) + QUOTAS)
    daemon.start()
    held = [daemon.request("GET", f"/v1/{PATH}") for _ in range(2)]
    assert [reply.status for reply in held] == [200, 200]
    daemon.kill()
    daemon.start()
    refused = daemon.request("GET", f"/v1/{PATH}")
    assert (refused.status, refused.json["code"]) == (429, "limit-reached")
    assert refused.headers["Retry-After"] == "60"
    [text] = refused.json["errors"]
    assert "has 2 live leases of 2 allowed (quotas); the first of them ends in" in text
    assert len(postgres.accounts()) == 2

    first, *_ = found = asked(daemon, "quotas")["quotas"]
    assert (first["kind"], first["limit"], first["used"], first["most"]) == (
        "identity",
        "max_leases",
        2,
        2,
    )
    [engine] = [
        each for each in found if each["kind"] == "engine" and each["limit"] == "max_leases"
    ]
    assert (engine["name"], engine["used"], engine["most"], engine["percent"]) == ("main", 2, 50, 4)
    heading, line, *_ = leasehold(daemon, "quotas").stdout.splitlines()
    assert heading.split() == ["USED", "OF", "FULL", "LIMIT", "KIND", "NAME"]
    assert line.split()[:5] == ["2", "2", "100%", "max_leases", "identity"]
    figures = leasehold(daemon, "metrics").stdout
    labels = f'kind="identity",limit="max_leases",name="{first["name"]}"'
    assert f"leasehold_quota_used{{{labels}}} 2.0" in figures
    assert f"leasehold_quota_limit{{{labels}}} 2.0" in figures
    [told] = [line for line in audited(daemon) if line["event"] == "quota-reached"]
    assert told["detail"]["about"] == f"identity:{first['name']}"

    lease_id = held[0].json["lease_id"]
    ended = daemon.request("PUT", "/v1/sys/leases/revoke", {"lease_id": lease_id})
    assert ended.status == 204
    assert daemon.request("GET", f"/v1/{PATH}").status == 200
