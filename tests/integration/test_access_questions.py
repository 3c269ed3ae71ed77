"""May I, who may, and why was it so: asked of a real daemon, by several users of this host."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from servers.daemon import Daemon, policy_for
from servers.postgres import PostgresServer

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user"),
]
HOLDER, MEMBER, READER, STRANGER = 20_001, 20_002, 20_003, 20_004
GROUP, OTHER_GROUP = 20_077, 20_078
PATHS = ("database/creds/reader", "database/creds/brief", "database/creds/nobody", "elsewhere/x/y")
POLICY = f"""
identities:
  holder: {{owner: team-a, tenant: a, match: [{{unix: {{uid: {HOLDER}}}}}]}}
  members: {{owner: team-b, tenant: b, match: [{{unix: {{gid: {GROUP}}}}}]}}
  both: {{owner: team-c, tenant: c, match: [{{unix: {{uid: {READER}, gid: {GROUP}}}}}]}}
access:
  - {{identities: [holder], paths: ["database/creds/*"], verbs: [issue, renew], max_ttl: 30m}}
  - {{identities: [members], paths: [database/creds/brief], verbs: [issue]}}
  - {{identities: [both], paths: [database/creds/reader], verbs: [issue], max_ttl: 90s}}
  - {{identities: [holder], paths: [database/creds/brief], verbs: [issue]}}
"""


@pytest.fixture
def daemon(public_daemon: Daemon, postgres: PostgresServer) -> Daemon:
    whole, more = policy_for(postgres), POLICY
    for section in ("identities", "access"):
        _, _, entries = more.partition(f"\n{section}:\n")
        entries = entries.partition("\naccess:\n")[0]
        whole = whole.replace(f"\n{section}:\n", f"\n{section}:\n{entries.rstrip()}\n")
    public_daemon.write_policy(whole)
    return public_daemon.start()


def leasehold(*arguments: str, socket: Path | None = None) -> subprocess.CompletedProcess[str]:
    where = ["--socket", str(socket)] if socket else []
    command = [sys.executable, "-m", "leasehold", *arguments, *where]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def asked(daemon: Daemon, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = leasehold(*arguments, "--json", socket=daemon.socket)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("uid", "groups"),
    [
        (HOLDER, ()),
        (HOLDER, (GROUP,)),
        (MEMBER, (GROUP,)),
        (MEMBER, (OTHER_GROUP, GROUP)),
        (MEMBER, (OTHER_GROUP,)),
        (READER, ()),
        (READER, (GROUP, OTHER_GROUP)),
        (STRANGER, ()),
        (0, ()),
    ],
)
def test_what_is_answered_is_what_happens(
    daemon: Daemon, uid: int, groups: tuple[int, ...]
) -> None:
    """Whether one asks for oneself, an operator asks, or the files alone are asked."""
    facts = ",".join([f"uid={uid}", f"gid={uid}", *(f"gid={gid}" for gid in groups)])
    for path in PATHS:
        question = {"path": path}
        own = daemon.reply_as(uid, "POST", "/v1/leasehold/can-i", question, groups=groups).data
        asking = {**question, "as": f"unix:{facts}"}
        told = daemon.request("POST", "/v1/leasehold/can-i", asking).data
        offline = ("--policies", str(daemon.policies), "--json")
        done = leasehold("can-i", path, "--as", f"unix:{facts}", *offline)
        alone = json.loads(done.stdout)
        issued = daemon.reply_as(uid, "GET", f"/v1/{path}", groups=groups)
        assert own["allowed"] == told["allowed"] == (issued.status == 200)
        assert (done.returncode == 0) == own["allowed"]
        for key in ("allowed", "identity", "ttl", "max_ttl", "rule", "identities", "why"):
            assert own[key] == told[key] == alone[key], key
        if own["allowed"]:
            assert issued.json["lease_duration"] == own["ttl"]
            longer = daemon.reply_as(uid, "GET", f"/v1/{path}?ttl=30d", groups=groups)
            assert longer.json["lease_duration"] == own["max_ttl"]


def test_who_can_lists_those_who_are_let_in(daemon: Daemon) -> None:
    found = asked(daemon, "who-can", "database/creds/brief")
    assert [(each["identity"], each["max_ttl"], each["match"]) for each in found["identities"]] == [
        ("holder", 60, [f"unix:uid={HOLDER}"]),
        ("members", 60, [f"unix:gid={GROUP}"]),
        ("tests", 60, ["unix:uid=0"]),
    ]
    assert found["generation"] == 1
    alone = asked(daemon, "who-can", "database/creds/brief", "--policies", str(daemon.policies))
    assert alone["identities"] == found["identities"]
    table = leasehold("who-can", "database/creds/brief", socket=daemon.socket).stdout
    assert table.splitlines()[1].split()[:2] == ["holder", "team-a"]
    nobody = leasehold("who-can", "elsewhere/x/y", socket=daemon.socket)
    assert (nobody.returncode, nobody.stdout) == (0, "nobody\n")
    assert daemon.request_as(HOLDER, "GET", "/v1/leasehold/who-can?path=x") == 403
    assert daemon.request_as(HOLDER, "GET", "/v1/sys/metrics") == 403


def test_the_id_of_a_refusal_explains_which_rule_is_missing(daemon: Daemon) -> None:
    refused = daemon.reply_as(MEMBER, "GET", "/v1/database/creds/reader", groups=[GROUP])
    request = refused.json["request_id"]
    assert refused.status == 403
    assert refused.headers["X-Request-Id"] == request
    found = asked(daemon, "explain", request)
    decision = found["decision"]
    assert not decision["allowed"]
    assert (decision["verb"], decision["path"]) == ("issue", "database/creds/reader")
    assert (decision["rule"], decision["identities"]) == ("no rule allows it", ["members"])
    assert "allows it to holder" in decision["note"]
    assert found["caller"]["uid"] == MEMBER
    text = leasehold("explain", request, socket=daemon.socket).stdout
    assert text.startswith("denied      issue at database/creds/reader\n")

    own = daemon.reply_as(MEMBER, "GET", f"/v1/leasehold/explain/{request}").data
    assert own["decision"]["note"] == ""
    for uid in (STRANGER, HOLDER):
        reply = daemon.reply_as(uid, "GET", f"/v1/leasehold/explain/{request}")
        assert reply.status == 404
        assert "or it was not yours" in reply.json["errors"][0]
    audit = [json.loads(line) for line in (daemon.state / "audit.jsonl").read_text().splitlines()]
    [line] = [each for each in audit if each.get("detail", {}).get("request") == request]
    assert (line["event"], line["detail"]["generation"]) == ("denied", "1")


def test_an_issue_renewal_and_revocation_are_explained_by_their_ids(daemon: Daemon) -> None:
    issued = daemon.reply_as(HOLDER, "GET", "/v1/database/creds/reader")
    lease = {"lease_id": issued.json["lease_id"]}
    renewed = daemon.reply_as(HOLDER, "PUT", "/v1/sys/leases/renew", lease)
    another = daemon.reply_as(STRANGER, "PUT", "/v1/sys/leases/renew", lease)
    revoked = daemon.reply_as(HOLDER, "PUT", "/v1/sys/leases/revoke", lease)
    again = daemon.reply_as(HOLDER, "PUT", "/v1/sys/leases/revoke", lease)
    assert [each.status for each in (issued, renewed, another, revoked, again)] == [
        200,
        200,
        400,
        204,
        204,
    ]
    for reply, allowed, events in (
        (issued, True, ["intended", "issued", "delivered"]),
        (renewed, True, ["renewed"]),
        (another, False, ["denied"]),
        (revoked, True, ["revoking"]),
        (again, True, ["no-effect"]),
    ):
        found = asked(daemon, "explain", reply.headers["X-Request-Id"])
        assert found["decision"]["allowed"] == allowed
        assert [event["event"] for event in found["events"]] == events


def test_ids_are_made_by_the_daemon_and_stand_in_every_reply(daemon: Daemon) -> None:
    seen = set()
    for method, path in (
        ("GET", "/v1/sys/health"),
        ("GET", "/v1/leasehold/status"),
        ("GET", "/v1/nowhere"),
        ("BREW", "/v1/sys/health"),
        ("GET", "/v1/database/creds/raeder"),
    ):
        reply = daemon.request(method, path)
        seen.add(reply.headers["X-Request-Id"])
        assert reply.json.get("request_id", reply.headers["X-Request-Id"]) in seen
        if reply.status >= 400:
            assert reply.json["request_id"] in seen
    assert len(seen) == 5


def test_a_command_that_is_refused_says_how_to_ask_why(daemon: Daemon, tmp_path: Path) -> None:
    done = leasehold("read", "elsewhere/creds/x", socket=daemon.socket)
    assert done.returncode == 1
    words = done.stderr.strip().split("; ")[1].split()
    assert words[:2] == ["leasehold", "explain"]
    assert asked(daemon, "explain", words[2])["decision"]["path"] == "elsewhere/creds/x"


def test_exit_codes_tell_yes_no_and_neither(daemon: Daemon, tmp_path: Path) -> None:
    for arguments, code, words in (
        (("can-i", "database/creds/reader"), 0, "allow\n"),
        (("can-i", "database/creds/reader", "--as", f"unix:uid={STRANGER}"), 3, "deny\n"),
        (("can-i", "database/creds/raeder"), 3, "but: a role is at database/creds/reader"),
        (("can-i", "database/creds/reader", "--as", "billing"), 1, ""),
        (("can-i", "database/creds/reader", "--policies", str(tmp_path / "none")), 1, ""),
        (("explain", "642f97c8-d580-4dd8-b494-78c1bcbd03e7"), 1, ""),
    ):
        done = leasehold(*arguments, socket=daemon.socket)
        assert done.returncode == code, done.stderr
        assert words in done.stdout
    away = leasehold("can-i", "database/creds/reader", socket=tmp_path / "none.sock")
    assert away.returncode == 1
    (tmp_path / "bad.yaml").write_text("roles: []\n")
    bad = leasehold("who-can", "x", "--policies", str(tmp_path / "bad.yaml"))
    assert (bad.returncode, bad.stdout) == (6, "")
