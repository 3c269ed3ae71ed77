"""curl over the socket: the story of a lease, and what of HTTP other clients make use of."""

import json
import subprocess
from typing import Any

import pytest

from clients.toolchains import command
from servers.daemon import Daemon, Reply
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

ROLE = "database/creds/app-readonly"


class Curl:
    def __init__(self, daemon: Daemon) -> None:
        self._command = [command("curl"), "--silent", "--max-time", "20"]
        self._command += ["--unix-socket", str(daemon.socket)]

    def __call__(self, path: str, *arguments: str) -> tuple[int, Any]:
        """The status of a request, and its body as it reads in JSON."""
        told = ["--write-out", "\n%{http_code}", *arguments, f"http://localhost/v1/{path}"]
        output = subprocess.check_output([*self._command, *told], text=True, timeout=30)
        body, _, status = output.rpartition("\n")
        return int(status), json.loads(body) if body else None


@pytest.fixture
def curl(daemon: Daemon) -> Curl:
    return Curl(daemon)


def test_the_story_of_a_lease(curl: Curl, postgres: PostgresServer) -> None:
    _, issued = curl(ROLE)
    login = issued["data"]["username"], issued["data"]["password"]
    lease = json.dumps({"lease_id": issued["lease_id"], "increment": "10m"})
    assert postgres.can_log_in(*login)
    assert curl("sys/leases/renew", "--data", lease)[1]["lease_duration"] == 600
    assert 595 <= curl("sys/leases/lookup", "--data", lease)[1]["data"]["ttl"] <= 600
    assert curl("sys/leases/revoke", "--data", lease) == (204, None)
    assert not postgres.can_log_in(*login)
    assert curl("sys/leases/lookup", "--data", lease)[0] == 400


def test_leases_are_listed_with_the_method_list(curl: Curl, issued: Reply) -> None:
    name = issued.json["lease_id"].rpartition("/")[2]
    by_method = curl(f"sys/leases/lookup/{ROLE}", "--request", "LIST")
    by_query = curl(f"sys/leases/lookup/{ROLE}?list=true")
    assert name in by_method[1]["data"]["keys"]
    assert by_query[1]["data"] == by_method[1]["data"]


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", ""])
def test_put_and_post_are_the_same_whatever_kind_the_body_is_said_to_be(
    curl: Curl, issued: Reply, method: str, kind: str
) -> None:
    lease = json.dumps({"lease_id": issued.json["lease_id"]})
    how = ["--request", method, "--header", f"Content-Type: {kind}".strip(), "--data", lease]
    assert curl("sys/leases/renew", *how)[0] == 200


def test_the_id_of_a_lease_may_stand_in_the_path(curl: Curl, issued: Reply) -> None:
    lease_id = issued.json["lease_id"]
    assert curl(f"sys/leases/renew/{lease_id}", "--request", "PUT")[0] == 200
    assert curl(f"sys/leases/revoke/{lease_id}", "--request", "PUT") == (204, None)


def test_null_is_a_body_without_fields(curl: Curl, issued: Reply) -> None:
    assert curl(f"sys/leases/renew/{issued.json['lease_id']}", "--data", "null")[0] == 200


def test_head_tells_health_without_a_body(curl: Curl) -> None:
    status, _ = curl("sys/health", "--head", "--output", "/dev/null")
    assert status == 200
