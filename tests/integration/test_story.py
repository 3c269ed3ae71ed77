"""The seeds' story over the socket, by hand: issue, use, look up, renew, revoke; and expiry."""

import http.client
import json
import time

import pytest

from leasehold.events.audit_verify import verify_files
from leasehold.keys.keyfile import load_or_create
from servers.daemon import Daemon, UnixConnection, eventually
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers


def issue(daemon: Daemon, role: str = "reader", query: str = "") -> dict[str, object]:
    reply = daemon.request("GET", f"/v1/database/creds/{role}{query}")
    assert reply.status == 200, reply.text
    return reply.json


def renew(daemon: Daemon, lease_id: str, increment: object = None):
    body = {"lease_id": lease_id} | ({} if increment is None else {"increment": increment})
    return daemon.request("PUT", "/v1/sys/leases/renew", body)


def test_a_credential_logs_in_until_its_lease_is_revoked(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    issued = issue(daemon)
    user, password = issued["data"]["username"], issued["data"]["password"]
    assert (issued["renewable"], issued["lease_duration"]) == (True, 3600)
    assert postgres.can_log_in(user, password)

    looked_up = daemon.request("PUT", "/v1/sys/leases/lookup", {"lease_id": issued["lease_id"]})
    assert looked_up.data["id"] == issued["lease_id"]
    assert 3590 < looked_up.data["ttl"] <= 3600

    renewed = renew(daemon, issued["lease_id"], 7200)
    assert renewed.json["lease_duration"] == 7200
    [(until,)] = postgres.execute(
        f"SELECT extract(epoch FROM rolvaliduntil - now()) FROM pg_roles WHERE rolname = '{user}'"
    )
    assert 7200 < float(str(until)) < 7290, "the target ends it a grace after the lease"

    body = {"lease_id": issued["lease_id"]}
    assert daemon.request("PUT", "/v1/sys/leases/revoke", body).status == 204
    assert not postgres.can_log_in(user, password)
    assert user not in postgres.accounts()
    gone = daemon.request("PUT", "/v1/sys/leases/lookup", body)
    assert gone.json["errors"] == ["invalid lease"]


def test_a_lease_ends_with_nobody_asking(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.start()
    issued = issue(daemon, "brief")
    user, password = issued["data"]["username"], issued["data"]["password"]
    began = time.monotonic()
    assert postgres.can_log_in(user, password)
    eventually(lambda: user not in postgres.accounts(), what="the account's end")
    assert 1.5 < time.monotonic() - began < 7
    assert not postgres.can_log_in(user, password)


def test_a_lease_that_ended_while_the_daemon_was_dead_ends_at_its_start(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    user = issue(daemon, "brief")["data"]["username"]
    daemon.kill()
    time.sleep(2.5)
    assert user in postgres.accounts()
    daemon.start()
    eventually(lambda: user not in postgres.accounts(), 5, "the account's end")


def test_a_ttl_over_the_cap_is_cut_with_a_warning(daemon: Daemon) -> None:
    daemon.start()
    issued = issue(daemon, "brief", "?ttl=2h")
    assert issued["lease_duration"] == 60
    assert any("capped at 60s" in warning for warning in issued["warnings"])
    renewed = renew(daemon, issued["lease_id"], "1h")
    assert renewed.json["lease_duration"] <= 60
    assert renewed.json["warnings"]


def test_the_list_verb_of_hvac_and_node_vault_is_understood(daemon: Daemon) -> None:
    daemon.start()
    lease_id = str(issue(daemon)["lease_id"])
    for method, path in (
        ("LIST", "/v1/sys/leases/lookup/database/creds"),
        ("GET", "/v1/sys/leases/lookup/database/creds/?list=true"),
    ):
        assert daemon.request(method, path).data == {"keys": ["reader/"]}
    below = daemon.request("LIST", "/v1/sys/leases/lookup/database/creds/reader")
    assert below.data == {"keys": [lease_id.rsplit("/", 1)[1]]}
    assert daemon.request("LIST", "/v1/sys/leases/lookup/nothing").status == 404


@pytest.mark.parametrize("path", ["database/creds/reader", "database/creds/nobody", "no/such/x"])
def test_every_body_is_exactly_application_json(daemon: Daemon, path: str) -> None:
    daemon.start()
    reply = daemon.request("GET", f"/v1/{path}")
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"


def test_a_renewal_that_fails_again_at_once_is_told_to_wait(daemon: Daemon) -> None:
    daemon.start()
    first = renew(daemon, "database/creds/reader/never")
    assert (first.status, first.json["errors"]) == (400, ["lease not found"])
    again = renew(daemon, "database/creds/reader/never")
    assert again.status == 429
    assert int(again.headers["Retry-After"]) >= 1
    assert renew(daemon, "database/creds/reader/other").status == 400


def test_a_revocation_without_sync_has_happened_when_it_answers_204(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    issued = issue(daemon)
    reply = daemon.request("POST", f"/v1/sys/leases/revoke/{issued['lease_id']}")
    assert (reply.status, reply.text) == (204, "")
    assert issued["data"]["username"] not in postgres.accounts()


def test_a_caller_who_hung_up_leaves_no_account(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.start(failpoints={"issue.created": {"action": "sleep", "seconds": 1}})
    connection = UnixConnection(daemon.socket, 30)
    connection.request("GET", "/v1/database/creds/reader")
    time.sleep(0.5)
    connection.close()
    eventually(lambda: "undelivered" in audit_text(daemon), what="the revocation")
    eventually(lambda: postgres.accounts() == [], what="the account's end")


def audit_text(daemon: Daemon) -> str:
    return (daemon.state / "audit.jsonl").read_text()


def test_the_audit_tells_one_lease_from_intent_to_end(daemon: Daemon) -> None:
    daemon.start()
    issued = issue(daemon)
    daemon.request("PUT", "/v1/sys/leases/revoke", {"lease_id": issued["lease_id"]})
    daemon.stop()
    key = load_or_create(daemon.state / "key", may_create=False).derive("audit chain")
    assert verify_files([daemon.state / "audit.jsonl"], key).findings == []
    told = [json.loads(line) for line in audit_text(daemon).splitlines()]
    mine = [line["event"] for line in told if line.get("lease") == issued["lease_id"]]
    assert mine == ["intended", "issued", "delivered", "revoking", "revoked"]
    assert [line["event"] for line in (told[0], told[1], told[-1])] == [
        "policy-applied",
        "started",
        "stopped",
    ]


def test_no_secret_is_written_down_anywhere(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.flags = ("--log-level", "debug")
    before = len(postgres.log())  # other tests may change the administrator's password in clear
    daemon.start()
    secrets = [str(issue(daemon)["data"]["password"]) for _ in range(5)]
    secrets.append(postgres.password)
    issue(daemon, "brief")
    daemon.stop()
    for file in daemon.folder.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in data], file
    assert not [secret for secret in secrets if secret in postgres.log()[before:]]


def test_a_target_that_is_down_refuses_clearly_and_leaves_nothing(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    issued = issue(daemon)
    postgres.stop()
    try:
        began = time.monotonic()
        reply = daemon.request("GET", "/v1/database/creds/reader")
        assert reply.status == 502
        assert "PostgreSQL" in reply.json["errors"][0]
        assert time.monotonic() - began < 15
        # A revocation is taken all the same, and queued.
        queued = daemon.request("PUT", "/v1/sys/leases/revoke", {"lease_id": issued["lease_id"]})
        assert queued.status == 202
    finally:
        postgres.start()
    eventually(lambda: postgres.accounts() == [], 40, "the end of all accounts")


def test_a_connection_serves_several_requests(daemon: Daemon) -> None:
    daemon.start()
    connection = UnixConnection(daemon.socket, 10)
    for _ in range(3):
        connection.request("GET", "/v1/sys/health")
        reply = connection.getresponse()
        assert (reply.status, json.loads(reply.read())["sealed"]) == (200, False)
    connection.close()


def test_head_of_health_has_no_body(daemon: Daemon) -> None:
    daemon.start()
    connection = UnixConnection(daemon.socket, 10)
    connection.request("HEAD", "/v1/sys/health")
    reply: http.client.HTTPResponse = connection.getresponse()
    assert (reply.status, reply.read()) == (200, b"")
    connection.close()
