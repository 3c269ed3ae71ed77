"""What Vault's clients ask besides leases, over the real socket."""

import json
import os
import subprocess
import sys

import pytest

from leasehold.api.openapi import document
from servers.daemon import Daemon, UnixConnection, eventually
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
STRANGER = 12_345


def test_what_a_client_looks_at_before_it_acts(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.request("GET", "/v1/sys/health?activecode=299&standbyok=true").status == 299
    assert daemon.request("GET", "/v1/sys/health?activecode=204").text == ""
    for path in ("/v1/sys/health", "/health", "/healthz"):
        head = daemon.request("HEAD", path)
        assert (head.status, head.text) == (200, "")
    connection = UnixConnection(daemon.socket, 10)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b"ok"
    connection.close()

    mounts = daemon.request("GET", "/v1/sys/mounts")
    assert mounts.json["database/"] == mounts.data["database/"]
    assert mounts.data["database/"]["type"] == "postgresql"
    preflight = daemon.request("GET", "/v1/sys/internal/ui/mounts/secret/foo")
    assert (preflight.status, preflight.json["errors"]) == (403, ["permission denied"])
    body = {"paths": ["database/creds/reader"]}
    told = daemon.request("POST", "/v1/sys/capabilities-self", body).json
    assert told["capabilities"] == ["create", "list", "read", "sudo", "update"]


def test_configuration_is_shown_and_its_place_told(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    role = daemon.request("GET", "/v1/database/roles/reader").data
    assert (role["member_of"], role["default_ttl"]) == (["app_readonly"], 3600)
    assert daemon.request("GET", "/v1/database/roles?list=true").data["keys"] == ["brief", "reader"]
    shown = daemon.request("GET", "/v1/database/config/main")
    assert shown.data["connection_details"]["username"] == postgres.admin
    assert postgres.password not in shown.text
    assert "TEST_PG_PASSWORD" not in shown.text
    refused = daemon.request("POST", "/v1/database/roles/reader", {"max_ttl": "30d"})
    [words] = refused.json["errors"]
    assert refused.status == 405
    line = 1 + (daemon.policies / "policy.yaml").read_text().splitlines().index("  main/reader:")
    assert f"change roles: main/reader: at policy.yaml:{line}" in words


def test_a_secret_is_rotated_without_a_gap(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.start()
    old = daemon.request("GET", "/api/v1/secrets/database/reader?ttl=10m").json
    assert old["lease_duration"] == 600
    body = {"lease_id": old["lease_id"]}
    new = daemon.request("POST", "/api/v1/secrets/database/reader/rotate", body).json
    assert postgres.can_log_in(new["data"]["username"], new["data"]["password"])
    eventually(
        lambda: postgres.accounts() == [new["data"]["username"]], what="the end of the old one"
    )
    assert daemon.request("PUT", "/api/v1/secrets/database/reader", {"a": "b"}).status == 405


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")
def test_a_stranger_sees_the_state_and_nothing_else(public_daemon: Daemon) -> None:
    public_daemon.start()

    def seen(method: str, path: str) -> int:
        return public_daemon.request_as(STRANGER, method, path)

    assert seen("GET", "/v1/sys/seal-status") == 200
    mounts = public_daemon.reply_as(STRANGER, "GET", "/v1/sys/mounts")
    assert mounts.data.keys() == {"sys/"}
    assert seen("GET", "/v1/database/roles/reader") == 403
    assert seen("GET", "/v1/database/config/main") == 403
    assert seen("GET", "/v1/database/roles?list=true") == 404
    assert seen("GET", "/v1/sys/mounts/database") == 400
    assert seen("GET", "/api/v1/secrets/database/reader") == 403
    refused = public_daemon.reply_as(STRANGER, "POST", "/v1/database/roles/reader", {})
    assert "roles: <engine>/reader:" in refused.json["errors"][0]


def test_the_daemon_and_the_command_line_print_one_document(daemon: Daemon) -> None:
    daemon.start()
    command = [sys.executable, "-m", "leasehold", "openapi"]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    served = daemon.request("GET", "/v1/sys/internal/specs/openapi").json
    assert json.loads(printed) == served == document()
