"""Static roles of a real PostgreSQL, as a client of Vault and an operator meet them."""

import http.client
from collections.abc import Iterator
from typing import Any

import hvac
import pytest

from clients.unix_requests import session
from servers.daemon import Daemon, eventually, policy_for
from servers.operator import asked, audited, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
CREDS = "/v1/database/static-creds"
POINTS = ["rotation.intended", "rotation.set", "rotation.proved", "rotation.written"]
STATIC = """\
static_roles:
  main/billing:
    username: billing_app
    rotation: {every: 30d}
    rotate_at_adoption: true
  main/ledger:
    pair: [ledger_a, ledger_b]
    rotation: {cron: "0 3 * * 6", window: 4h, on: [incident-opened]}
    grace_max: 1d
  main/legacy:
    username: legacy_app
    rotation: {by: "2100-01-01T00:00Z"}
"""
ACCOUNTS = ("billing_app", "ledger_a", "ledger_b", "legacy_app")


@pytest.fixture
def static(daemon: Daemon, postgres: PostgresServer) -> Iterator[Daemon]:
    for name in ACCOUNTS:
        postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'somebody else''s'")
    policy = policy_for(postgres).replace(
        "database/creds/*", "database/creds/*, database/static-creds/*"
    )
    daemon.write_policy(policy + STATIC)
    yield daemon
    daemon.stop()
    for name in ACCOUNTS:
        postgres.execute(f"DROP ROLE {name}")


def given(daemon: Daemon, name: str) -> dict[str, Any]:
    return daemon.request("GET", f"{CREDS}/{name}").data


def opens(postgres: PostgresServer, found: dict[str, Any]) -> bool:
    return postgres.can_log_in(found["username"], found["password"], "postgres")


def standing(daemon: Daemon, name: str) -> dict[str, Any]:
    roles = asked(daemon, "rotations")["static_roles"]
    [found] = [each for each in roles if each["role"] == f"database/static-creds/{name}"]
    return dict(found)


def test_a_client_of_vault_reads_rotates_and_reads_again(
    static: Daemon, postgres: PostgresServer
) -> None:
    static.start()
    reply = static.request("GET", f"{CREDS}/billing")
    first = reply.data
    assert reply.json["lease_id"] == ""
    assert set(first) == {
        "username",
        "password",
        "last_vault_rotation",
        "rotation_period",
        "ttl",
    }
    assert first["rotation_period"] == 30 * 86_400
    assert 0 <= first["rotation_period"] - first["ttl"] < 60
    assert opens(postgres, first)
    assert not postgres.can_log_in("billing_app", "somebody else's", "postgres")
    assert static.request("POST", "/v1/database/rotate-role/billing").status == 204
    second = given(static, "billing")
    assert opens(postgres, second)
    assert not opens(postgres, first)
    figures = leasehold(static, "metrics").stdout
    assert 'password_rotation_failures{account="billing_app",engine="main"} 0.0' in figures
    assert 'password_rotated_timestamp_seconds{account="billing_app",engine="main"}' in figures
    keys = static.request("LIST", "/v1/database/static-roles").data["keys"]
    assert keys == ["billing", "ledger", "legacy"]
    role = static.request("GET", "/v1/database/static-roles/ledger").data
    assert (role["rotation_schedule"], role["rotation_window"]) == ("0 3 * * 6", 14_400)


def test_hvac_reads_and_rotates(static: Daemon, postgres: PostgresServer) -> None:
    static.start()
    with session(static.socket) as connection:
        database = hvac.Client(url="http://localhost", session=connection).secrets.database
        first = database.get_static_credentials("billing")["data"]
        assert opens(postgres, first)
        assert database.rotate_static_role_credentials("billing").status_code == 204
        second = database.get_static_credentials("billing")["data"]
        assert opens(postgres, second)
        assert not opens(postgres, first)
        assert "billing" in database.list_static_roles()["data"]["keys"]
        assert database.read_static_role("billing")["data"]["username"] == "billing_app"


def test_what_was_never_rotated_is_refused_with_the_time_when_it_is(static: Daemon) -> None:
    static.start()
    refused = static.request("GET", f"{CREDS}/legacy")
    assert refused.status == 400
    assert "is known from its first rotation on, at 2099-12-31 00:00 UTC" in refused.text
    assert static.request("GET", f"{CREDS}/nobody").status in (403, 404)


def test_of_a_pair_the_last_one_lives_on_until_it_is_acknowledged(
    static: Daemon, postgres: PostgresServer
) -> None:
    static.start()
    assert leasehold(static, "rotate", "database/static-creds/ledger").returncode == 0
    eventually(lambda: standing(static, "ledger")["predecessor"] == "ledger_a")
    first = given(static, "ledger")
    assert first["username"] == "ledger_b"
    refused = leasehold(static, "rotate", "database/static-creds/ledger")
    assert refused.returncode == 1
    assert "ledger_a lives on" in refused.stderr
    told = leasehold(static, "acknowledge", "database/static-creds/ledger").stdout
    assert told == "acknowledged; ledger_a ends now\n"
    eventually(lambda: standing(static, "ledger")["predecessor"] is None)
    assert not postgres.can_log_in("ledger_a", "somebody else's", "postgres")
    assert opens(postgres, first)
    assert "database/static-creds/ledger" in leasehold(static, "rotations").stdout


def test_an_incident_has_it_rotated_and_ends_what_was_given_out(
    static: Daemon, postgres: PostgresServer
) -> None:
    static.start()
    assert static.request("POST", "/v1/database/rotate-role/ledger").status == 204
    leaked = given(static, "ledger")
    body = {"match": ["role=ledger"], "reason": "leaked"}
    incident = static.request("POST", "/v1/leasehold/incidents", body)
    assert incident.status == 200, incident.text
    assert static.request("GET", f"{CREDS}/ledger").status == 423
    eventually(lambda: not opens(postgres, leaked), 30, "the end of what leaked")
    assert standing(static, "ledger")["active"] == "ledger_a"


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_within_a_rotation_gives_nobody_what_does_not_open(
    static: Daemon, postgres: PostgresServer, point: str
) -> None:
    # The rotation at the adoption is the first to pass the point.
    static.start(failpoints={point: {"action": "kill", "after": 1}})
    first = given(static, "billing")
    with pytest.raises((OSError, http.client.HTTPException)):
        static.request("POST", "/v1/database/rotate-role/billing")
    assert static.wait_dead() == -9
    static.start()
    second = given(static, "billing")
    assert opens(postgres, second)
    assert not opens(postgres, first)
    assert standing(static, "billing")["version"] == 2


def test_every_reading_and_rotation_is_audited_and_no_password_is_told(
    static: Daemon, postgres: PostgresServer
) -> None:
    static.start()
    secrets = [given(static, "billing")["password"]]
    assert static.request("POST", "/v1/database/rotate-role/billing").status == 204
    secrets.append(given(static, "billing")["password"])
    static.stop()
    about = "database/static-creds/billing"
    lines = [line for line in audited(static) if line.get("detail", {}).get("about") == about]
    assert [line["event"] for line in lines] == [
        "rotation-intended",
        "static-rotated",
        "static-read",
        "rotation-intended",
        "static-rotated",
        "static-read",
    ]
    clear = [file.read_bytes() for file in static.state.iterdir() if file.is_file()]
    clear += [static.log.read_bytes(), postgres.log().encode()]
    assert not any(secret.encode() in each for secret in secrets for each in clear)


def test_a_static_role_comes_and_goes_with_the_policy(
    static: Daemon, postgres: PostgresServer
) -> None:
    static.start()
    found = given(static, "billing")
    policy = static.policies / "policy.yaml"
    wanted = policy.read_text().replace("  main/billing:", "  main/invoices:")
    other = static.folder / "wanted.yaml"
    other.write_text(wanted)
    text = leasehold(static, "plan", str(other)).stdout
    assert "delete static:main/billing" in text
    assert "create static:main/invoices" in text
    assert "lost: tests issue database/static-creds/billing" in text
    policy.write_text(wanted)
    assert leasehold(static, "apply", "--yes").returncode == 0
    assert static.request("GET", f"{CREDS}/billing").status == 404
    eventually(lambda: static.request("GET", f"{CREDS}/invoices").status == 200)
    renamed = given(static, "invoices")
    assert renamed["username"] == found["username"]
    assert opens(postgres, renamed)


def test_an_account_that_cannot_be_rotated_is_told_before_its_role_is_served(
    static: Daemon, postgres: PostgresServer
) -> None:
    static.start()
    policy = static.policies / "policy.yaml"
    policy.write_text(
        policy.read_text() + "  main/late: {username: late_app, rotation: {every: 30d}}\n"
    )
    line = 'there is no such role: CREATE ROLE "late_app" LOGIN'
    assert "static:main/late: pending, rights are looked at" in leasehold(static, "plan").stdout
    refused = leasehold(static, "apply", "--yes")
    assert refused.returncode == 3
    assert f"rehearsal-failed: static:main/late: cannot rotate late_app, {line}" in refused.stderr
    assert leasehold(static, "apply", "--yes", "--allow-unsafe", "rehearsal-failed").returncode == 0
    eventually(lambda: line in leasehold(static, "engines").stdout)
    postgres.execute("CREATE ROLE late_app LOGIN")
    try:
        assert leasehold(static, "rotate", "database/static-creds/late").returncode == 0
    finally:
        postgres.execute("DROP ROLE late_app")


def test_who_may_read_is_told_like_any_right(static: Daemon) -> None:
    static.start()
    told = asked(static, "can-i", "database/static-creds/billing")
    assert told["allowed"]
    assert told["ttl"] is None, "it is no lease"
