"""A program in a crash loop is given one credential, by a real daemon on a real PostgreSQL."""

from pathlib import Path

import pytest

from leasehold.client import Client
from servers.daemon import Daemon, policy_for
from servers.operator import audited
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PATH = "database/creds/reader"


def files_with(folder: Path, text: str) -> list[Path]:
    return [it for it in folder.rglob("*") if it.is_file() and text.encode() in it.read_bytes()]


def test_who_is_killed_again_and_again_makes_one_account_until_the_daemon_starts_anew(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    shared = policy_for(postgres).replace(
        "main/reader:\n", "main/reader:\n    share: {within: 5m}\n"
    )
    daemon.write_policy(shared)
    client = Client(daemon.start().socket)
    given = [client.read(PATH) for _ in range(20)]
    assert len({each.lease_id for each in given}) == 1
    assert given[-1].ttl_s <= given[0].ttl_s
    username, password = (given[-1].fields[name].reveal() for name in ("username", "password"))
    assert postgres.accounts() == [username]
    assert postgres.can_log_in(username, password)
    assert "which the role shares" in given[-1].warnings[0]
    assert 'leasehold_events_total{type="shared"} 19.0' in client.metrics()
    assert sum(line["event"] == "shared" for line in audited(daemon)) == 19
    daemon.kill()
    assert files_with(daemon.folder, password) == []
    daemon.start()
    assert client.read(PATH).lease_id != given[0].lease_id
    assert len(postgres.accounts()) == 2


def test_a_plan_tells_that_a_role_shares_and_touches_no_lease(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    policy = policy_for(postgres)
    client = Client(daemon.start().socket)
    client.read(PATH)
    shared = policy.replace("main/reader:\n", "main/reader:\n    share: {within: 5m}\n")
    plan = client.plan([("policy.yaml", shared.encode())])
    [change] = plan["changes"]
    assert {each["field"]: each["after"] for each in change["differences"]} == {
        "share.within": "5m"
    }
