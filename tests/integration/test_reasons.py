"""A reason from the caller to PostgreSQL's own tables, and from an account's name back to it."""

import json
import subprocess
import sys

import pytest

from servers.daemon import Daemon, policy_for
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PATH = "/v1/database/creds/reader"
HEADER = "X-Leasehold-Reason"


@pytest.fixture
def daemon(daemon: Daemon, postgres: PostgresServer) -> Daemon:
    asking = 'reader:\n    require: {reason: "[A-Z]+-[0-9]+( .*)?"}\n'
    policy = policy_for(postgres)
    assert policy.count("reader:\n") == 1
    daemon.write_policy(policy.replace("reader:\n", asking))
    return daemon.start()


def leasehold(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leasehold", *arguments, "--socket", str(daemon.socket)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def comment_on(postgres: PostgresServer, account: str) -> str:
    [(comment,)] = postgres.execute(
        f"SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = '{account}'"
    )
    return str(comment)


def test_a_reason_is_asked_for_kept_told_to_the_target_and_found_again(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    refused = leasehold(daemon, "read", "database/creds/reader")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "reason: must be given; allowed is what matches" in refused.stderr
    assert leasehold(daemon, "can-i", "database/creds/reader").returncode == 3
    asked = ("--reason", "ABC-1 it's; DROP ROLE \\ x")
    assert leasehold(daemon, "can-i", "database/creds/reader", *asked).returncode == 0

    read = leasehold(daemon, "read", "database/creds/reader", *asked)
    assert read.returncode == 0, read.stderr
    issued = json.loads(read.stdout)
    account = issued["data"]["username"]
    assert comment_on(postgres, account).endswith(
        "; reason ABC-1 it_s_ DROP ROLE _ x; tenant tests"
    )

    found = json.loads(leasehold(daemon, "whois", account, "--json").stdout)
    assert (found["lease_id"], found["labels"]["reason"]) == (issued["lease_id"], asked[1])
    assert daemon.request("PUT", "/v1/sys/leases/revoke", found).status == 204
    over = leasehold(daemon, "whois", account)
    assert "state     revoked" in over.stdout
    assert asked[1] in over.stdout


def test_a_reason_may_come_by_body_query_or_header_and_a_field_comes_first(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    for query, body, header, kept in (
        ("", {"reason": "A-1"}, None, "A-1"),
        ("?reason=A-2", None, None, "A-2"),
        ("", None, "A-3", "A-3"),
        ("", {"reason": "A-4"}, "B-4", "A-4"),
    ):
        headers = {} if header is None else {HEADER: header}
        reply = daemon.request("POST", f"{PATH}{query}", body, headers=headers)
        assert (reply.status, reply.json["warnings"]) == (200, None)
        assert f"; reason {kept}; " in comment_on(postgres, reply.data["username"])
    bad = daemon.request("POST", PATH, headers={HEADER: "soon"})
    assert (bad.status, len(bad.json["errors"])) == (400, 1)
    unknown = daemon.request("GET", "/v1/leasehold/whois/postgres")
    assert (unknown.status, unknown.json["errors"]) == (
        404,
        ["postgres is not the name of an account of leasehold"],
    )
