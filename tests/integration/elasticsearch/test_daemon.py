"""A daemon over a cluster: a lease's life for each kind of account, and kills in the middle."""

import http.client
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.daemon import Daemon, eventually
from servers.elasticsearch import SearchServer
from servers.operator import asked, leasehold

POLICY = """\
engines:
  search:
    type: elasticsearch
    connection:
      url: {server.url}
      flavour: {server.flavour}
      username: {server.keeper}
      password: env:TEST_SEARCH_PASSWORD
      statement_timeout: 2
      {tls}
{static}roles:
  search/user:
    roles: [app-reader]
    default_ttl: 1h
    max_ttl: 24h
  search/brief:
    {brief}
    default_ttl: 2s
    max_ttl: 1m
{more}
identities:
  tests:
    owner: the-tests
    tenant: tests
    match: [{{unix: {{uid: {uid}}}}}]
access:
  - identities: [tests]
    paths: [search/creds/*{paths}]
    verbs: [issue, renew, revoke, revoke-any, list]
  - identities: [tests]
    paths: ["*"]
    verbs: [operate]
"""
STATIC = """\
static_roles:
  search/billing:
    username: test-billing
    rotation: {every: 30d}
"""
KEY = "role_descriptors: {reader: {indices: [{names: [app-*], privileges: [read]}]}}"
KEYS = f"""\
  search/key:
    {KEY}
    default_ttl: 1h
    max_ttl: 24h
"""


def daemon_for(
    server: SearchServer, folder: Path, brief: str = "roles: [app-reader]", static: str = ""
) -> Daemon:
    policy = POLICY.format(
        server=server,
        uid=os.getuid(),
        brief=brief,
        more=KEYS if server.flavour == "elasticsearch" else "",
        static=static,
        paths=", search/static-creds/*" if static else "",
        tls=f"tls_ca: {server.ca}" if server.ca else "",
    )
    return Daemon(folder, {"TEST_SEARCH_PASSWORD": server.password}, policy=policy)


@pytest.fixture
def search_daemon(search: SearchServer, tmp_path: Path) -> Iterator[Daemon]:
    made = daemon_for(search, tmp_path / "d")
    yield made
    made.stop()


@pytest.fixture
def key_daemon(elastic: SearchServer, tmp_path: Path) -> Iterator[Daemon]:
    """One whose brief role makes API keys."""
    made = daemon_for(elastic, tmp_path / "d", KEY)
    yield made
    made.stop()


def issue(daemon: Daemon, role: str) -> dict[str, Any]:
    reply = daemon.request("GET", f"/v1/search/creds/{role}")
    assert reply.status == 200, reply.text
    return reply.json


def revoke(daemon: Daemon, issued: dict[str, Any]) -> int:
    body = {"lease_id": issued["lease_id"]}
    return daemon.request("PUT", "/v1/sys/leases/revoke", body).status


def renew(daemon: Daemon, issued: dict[str, Any], increment_s: int) -> None:
    body = {"lease_id": issued["lease_id"], "increment": increment_s}
    renewed = daemon.request("PUT", "/v1/sys/leases/renew", body)
    assert renewed.json["lease_duration"] == increment_s, renewed.text


def test_a_user_logs_in_until_its_lease_is_revoked(
    search_daemon: Daemon, search: SearchServer
) -> None:
    search_daemon.start()
    issued = issue(search_daemon, "user")
    assert search.lets_in(issued["data"])
    about = json.dumps(search.user(issued["data"]["username"]))
    renew(search_daemon, issued, 7200)
    assert json.dumps(search.user(issued["data"]["username"])) != about
    assert "the-tests" in about, "the server can tell whose it is"
    assert revoke(search_daemon, issued) == 204
    assert not search.lets_in(issued["data"])
    assert not search.accounts()


def test_an_api_key_opens_until_its_lease_is_revoked_and_ends_by_itself_a_grace_later(
    key_daemon: Daemon, elastic: SearchServer
) -> None:
    key_daemon.start()
    issued = issue(key_daemon, "key")
    assert set(issued["data"]) == {"api_key_id", "api_key", "encoded"}
    assert elastic.lets_in(issued["data"])
    renew(key_daemon, issued, 7200)
    [key] = [key for key in elastic.api_keys() if key["id"] == issued["data"]["api_key_id"]]
    assert key["metadata"]["leasehold"]["owner"] == "the-tests"
    assert 7200 < key["expiration"] / 1000 - time.time() < 7290, "a grace after the lease"
    assert revoke(key_daemon, issued) == 204
    assert not elastic.lets_in(issued["data"])
    assert not elastic.accounts()


def test_leases_end_with_nobody_asking(search_daemon: Daemon, search: SearchServer) -> None:
    search_daemon.start()
    issued = issue(search_daemon, "brief")
    assert search.accounts() == {issued["data"]["username"]}
    eventually(lambda: not search.accounts(), 7, "the account's end")


def test_a_kill_when_the_user_was_made_leaves_no_user(
    search_daemon: Daemon, search: SearchServer
) -> None:
    killed_in_issue(search_daemon, "elasticsearch.issue.sent")
    eventually(lambda: not search.accounts(), what="the account's end")


@pytest.mark.parametrize("point", ["elasticsearch.issue.sent", "issue.created"])
def test_a_kill_when_a_key_was_made_leaves_none_though_nobody_saw_its_id(
    key_daemon: Daemon, elastic: SearchServer, point: str
) -> None:
    killed_in_issue(key_daemon, point)
    eventually(lambda: not elastic.accounts(), what="the key's end")


def killed_in_issue(daemon: Daemon, point: str) -> None:
    daemon.start(failpoints={point: {"action": "kill"}})
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("GET", "/v1/search/creds/brief")
    assert daemon.wait_dead() == -9
    daemon.start()


def test_a_kill_when_the_user_was_deleted_is_caught_up(
    search_daemon: Daemon, search: SearchServer
) -> None:
    killed_in_revoke(search_daemon, search, "user", "elasticsearch.revoke.deleted")


def test_a_kill_when_the_key_was_invalidated_is_caught_up(
    key_daemon: Daemon, elastic: SearchServer
) -> None:
    killed_in_revoke(key_daemon, elastic, "key", "elasticsearch.revoke.invalidated")


def killed_in_revoke(daemon: Daemon, server: SearchServer, role: str, point: str) -> None:
    daemon.start(failpoints={point: {"action": "kill"}})
    issued = issue(daemon, role)
    with pytest.raises((OSError, http.client.HTTPException)):
        revoke(daemon, issued)
    assert daemon.wait_dead() == -9
    daemon.start()
    eventually(lambda: not live(daemon), what="the lease's end")
    assert not server.accounts()
    assert not server.lets_in(issued["data"])


def live(daemon: Daemon) -> list[dict[str, Any]]:
    leases: list[dict[str, Any]] = daemon.request("GET", "/v1/leasehold/leases").data["leases"]
    return [lease for lease in leases if lease["state"] != "revoked"]


def test_roles_are_drilled_with_an_account_that_is_gone_afterwards(
    key_daemon: Daemon, elastic: SearchServer
) -> None:
    key_daemon.start()
    for role in ("user", "key"):
        done = leasehold(key_daemon, "drill", f"search/creds/{role}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "passed" in done.stdout
    assert not elastic.accounts()


def test_an_account_that_a_restored_snapshot_brought_back_is_found_and_removed(
    search_daemon: Daemon, search: SearchServer, tmp_path: Path
) -> None:
    search_daemon.start()
    issued = issue(search_daemon, "user")
    user = issued["data"]["username"]
    assert revoke(search_daemon, issued) == 204
    search.put_user(user, "app-reader")
    [found] = asked(search_daemon, "orphans")["findings"]
    assert (found["account"], found["what"]) == (user, "resurrected")
    done = leasehold(search_daemon, "orphans", "--apply", "--export", str(tmp_path / "export.json"))
    assert done.returncode == 0, done.stderr
    assert not search.accounts()


def test_the_engine_is_shown_as_it_is(search_daemon: Daemon, search: SearchServer) -> None:
    search_daemon.start()
    issue(search_daemon, "user")
    [engine] = json.loads(leasehold(search_daemon, "engines", "--json").stdout)["engines"]
    assert (engine["state"], engine["revocability"]) == ("ready", "immediate")
    assert engine["rehearsal"] is False
    assert engine["missing"] == []
    assert engine["version"].endswith(search.ask("GET", "/")[1]["version"]["number"])


@pytest.mark.parametrize(
    "point", ["rotation.intended", "rotation.set", "rotation.proved", "rotation.written"]
)
def test_a_kill_within_a_rotation_locks_nobody_out(
    search_daemon: Daemon, search: SearchServer, point: str
) -> None:
    search_daemon.start(failpoints={point: {"action": "kill"}})
    held = issue(search_daemon, "user")
    with pytest.raises((OSError, http.client.HTTPException)):
        search_daemon.request("POST", "/v1/search/rotate-root/search")
    assert search_daemon.wait_dead() == -9
    search_daemon.env["TEST_SEARCH_PASSWORD"] = search.password
    search_daemon.start()
    assert revoke(search_daemon, held) == 204, "it was settled before the first request"
    [standing] = asked(search_daemon, "rotations")["engines"]
    assert (standing["version"], standing["unsettled"]) == (1, False)
    assert asked(search_daemon, "drift")["findings"] == []
    keeper = {"username": search.keeper, "password": search.password}
    assert not search.lets_in(keeper)


def test_a_static_role_is_rotated_and_given_out(search: SearchServer, tmp_path: Path) -> None:
    search.put_user("test-billing", "app-reader")
    daemon = daemon_for(search, tmp_path / "d", static=STATIC)
    try:
        daemon.start()
        told = leasehold(daemon, "rotate", "search/static-creds/billing")
        assert told.returncode == 0, told.stderr
        given = daemon.request("GET", "/v1/search/static-creds/billing").json["data"]
        assert given["username"] == "test-billing"
        assert search.lets_in(given)
        assert given["password"] not in daemon.log.read_text()
    finally:
        daemon.stop()
        search.delete_user("test-billing")
