"""Tokens as an unmodified client uses them, on the command line, and when the daemon is killed."""

import contextlib
import http.client
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest

from clients.unix_requests import session
from servers.daemon import Daemon, eventually, policy_for
from servers.operator import asked, audited, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

OURS = "^lh[a-z2-7]{4}_[a-z2-7]{16}_[a-z2-7]{4}$"
OTHER_UID = 4_321


@pytest.fixture
def vault(daemon: Daemon) -> Iterator[hvac.Client]:
    """A client of Vault that knows nothing of us; the daemon is running."""
    daemon.start()
    with session(daemon.socket) as made:
        yield hvac.Client(url="http://localhost", session=made, token="")


def login(daemon: Daemon, **body: Any) -> dict[str, Any]:
    return daemon.request("POST", "/v1/auth/unix/login", body).json["auth"]


def no_accounts(postgres: PostgresServer) -> bool:
    return not postgres.accounts(OURS)


def test_hvac_works_with_the_kernels_word_and_with_a_token(
    vault: hvac.Client, postgres: PostgresServer
) -> None:
    assert vault.is_authenticated() is False, "hvac asks nobody when it has no token"
    word = vault.auth.token.lookup_self()["data"]
    assert (word["policies"], word["path"], word["ttl"]) == (["tests"], "auth/unix", 0)

    auth = vault.adapter.post("/v1/auth/unix/login", json={"ttl": "20m"})["auth"]
    vault.token = auth["client_token"]
    assert vault.is_authenticated()
    assert vault.auth.token.lookup_self()["data"]["id"] == vault.token
    assert vault.auth.token.renew_self(increment="40m")["auth"]["lease_duration"] == 2_400

    child = vault.auth.token.create(ttl="10m", policies=["root"], meta={"job": "7"})
    assert child["auth"]["orphan"] is False
    assert any("policies were not looked at" in text for text in child["warnings"])
    of_child = vault.auth.token.lookup(child["auth"]["client_token"])["data"]
    assert (of_child["meta"], of_child["policies"]) == ({"job": "7"}, ["tests"])
    assert vault.auth.token.lookup_accessor(child["auth"]["accessor"])["data"]["id"] == ""
    keys = vault.auth.token.list_accessors()["data"]["keys"]
    assert set(keys) == {auth["accessor"], child["auth"]["accessor"]}

    vault.secrets.database.generate_credentials("reader")
    assert not no_accounts(postgres)
    vault.auth.token.revoke_self()
    eventually(lambda: no_accounts(postgres), what="the end of the lease with its token")
    assert not vault.is_authenticated()
    with pytest.raises(hvac.exceptions.Forbidden, match="permission denied"):
        vault.secrets.database.generate_credentials("reader")


def test_hvac_wraps_and_unwraps_a_credential(vault: hvac.Client, postgres: PostgresServer) -> None:
    answer = vault.adapter.get("/v1/database/creds/reader", wrap_ttl="60s")
    info = answer["wrap_info"]
    assert (answer["data"], answer["lease_id"], answer["request_id"]) == (None, "", "")
    assert (info["creation_path"], info["ttl"]) == ("database/creds/reader", 60)
    found = vault.sys.unwrap(info["token"])
    data = found["data"]
    assert postgres.can_log_in(data["username"], data["password"])
    assert found["request_id"]
    assert found["lease_id"].startswith("database/creds/reader/")
    with pytest.raises(hvac.exceptions.InvalidRequest, match="wrapping token is not valid"):
        vault.sys.unwrap(info["token"])


def test_a_login_can_be_wrapped_and_whoever_unwraps_it_can_speak(
    vault: hvac.Client, daemon: Daemon
) -> None:
    answer = vault.adapter.post("/v1/auth/unix/login", wrap_ttl="60s")
    assert answer["auth"] is None
    auth = vault.sys.unwrap(answer["wrap_info"]["token"])["auth"]
    assert answer["wrap_info"]["wrapped_accessor"] == auth["accessor"]
    vault.token = auth["client_token"]
    assert vault.is_authenticated()
    told = [line["event"] for line in audited(daemon)]
    assert told.index("token-issued") < told.index("response-wrapped")
    assert told.index("response-wrapped") < told.index("response-unwrapped")
    assert auth["client_token"] not in (daemon.state / "audit.jsonl").read_text()


@pytest.mark.parametrize("point", ["token.ended", "token.leases", "revoke.intended"])
def test_a_kill_between_a_token_and_its_leases_is_caught_up(
    daemon: Daemon, postgres: PostgresServer, point: str
) -> None:
    daemon.start(failpoints={point: {"action": "kill"}})
    token = login(daemon)["client_token"]
    headers = {"X-Vault-Token": token}
    for _ in range(3):
        issued = daemon.request("GET", "/v1/database/creds/reader", headers=headers)
        assert issued.status == 200
    kept = daemon.request("GET", "/v1/database/creds/reader").data["username"]
    with contextlib.suppress(OSError, http.client.HTTPException):  # it may die before it answers
        daemon.request("POST", "/v1/auth/token/revoke-self", headers=headers)
    assert daemon.wait_dead() == -9
    daemon.start()
    assert daemon.request("GET", "/v1/auth/token/lookup-self", headers=headers).status == 403
    eventually(lambda: postgres.accounts(OURS) == [kept], what="the end of the token's leases")


def test_a_kill_loses_what_was_wrapped_and_it_is_revoked(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    headers = {"X-Vault-Wrap-TTL": "1h"}
    wrapped = daemon.request("GET", "/v1/database/creds/reader", headers=headers).json
    assert len(postgres.accounts(OURS)) == 1
    daemon.kill()
    daemon.start()
    token = {"token": wrapped["wrap_info"]["token"]}
    assert daemon.request("POST", "/v1/sys/wrapping/unwrap", token).status == 400
    eventually(lambda: no_accounts(postgres), what="the end of what nobody can unwrap")


def test_the_command_line_keeps_a_token_for_its_user_alone(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    daemon.start()
    said = leasehold(daemon, "login", "--ttl", "30m").stdout
    assert said.startswith("logged in as tests for 30m; the token is in ")
    file = tmp_path / ".leasehold-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    own = asked(daemon, "token", "lookup")
    assert (own["policies"], own["path"]) == (["tests"], "auth/unix/login")
    child = asked(daemon, "token", "create", "--ttl", "5m", "--uses", "3", "--name", "ci")
    listed = asked(daemon, "token", "list")["tokens"]
    assert {each["display_name"]: each["num_uses"] for each in listed} == {
        f"unix-{os.getuid()}": 0,
        "token-ci": 3,
    }
    renewed = leasehold(daemon, "token", "renew", "--increment", "1h").stdout
    assert renewed == f"{own['accessor']} ends in 1h\n"
    assert leasehold(daemon, "token", "revoke", child["accessor"]).returncode == 0
    assert leasehold(daemon, "token", "revoke").stdout == "revoked\n"
    assert not file.exists()
    eventually(lambda: asked(daemon, "token", "list")["tokens"] == [], what="no token")
    printed = leasehold(daemon, "login", "--no-store").stdout.strip()
    assert printed.startswith("lht_")
    assert not file.exists()
    monkeypatch.setenv("LEASEHOLD_TOKEN", printed)
    assert leasehold(daemon, "token", "revoke").returncode == 0
    refused = leasehold(daemon, "token", "lookup")
    assert refused.returncode == 1
    assert refused.stderr.startswith("leasehold: permission denied")
    assert "Traceback" not in refused.stderr


def test_a_token_that_has_ended_keeps_nobody_from_a_login_nor_takes_another_along(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    daemon.start()
    leasehold(daemon, "login")
    kept = (tmp_path / ".leasehold-token").read_text()
    another = login(daemon)["client_token"]
    monkeypatch.setenv("LEASEHOLD_TOKEN", another)
    assert leasehold(daemon, "token", "revoke").returncode == 0
    assert (tmp_path / ".leasehold-token").read_text() == kept
    ended = {"X-Vault-Token": another}
    assert daemon.request("GET", "/v1/auth/token/lookup-self", headers=ended).status == 403
    # What a command asks first, to learn what a method wants.
    assert daemon.request("GET", "/v1/sys/auth", headers=ended).status == 200


def test_the_facade_of_the_story_logs_in(daemon: Daemon) -> None:
    daemon.start()
    reply = daemon.request("POST", "/api/v1/auth/login", {"method": "unix"})
    bearer = {"Authorization": f"Bearer {reply.json['auth']['client_token']}"}
    assert daemon.request("GET", "/v1/auth/token/lookup-self", headers=bearer).data["accessor"]
    refused = daemon.request("POST", "/api/v1/auth/login", {"method": "kubernetes", "jwt": "x"})
    assert refused.json["errors"] == ["method: found 'kubernetes'; allowed are unix, cert"]
    assert daemon.request("POST", "/v1/auth/cert/login").status == 400


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_tokens_of_others_need_a_right_at_auth_token(
    public_daemon: Daemon, postgres: PostgresServer
) -> None:
    text = policy_for(postgres).replace(
        "identities:\n",
        f"identities:\n  other: {{owner: o, tenant: t, match: [{{unix: {{uid: {OTHER_UID}}}}}]}}\n",
    )
    public_daemon.write_policy(text)
    public_daemon.start()
    accessor = {"accessor": login(public_daemon)["accessor"]}
    for route in ("lookup-accessor", "renew-accessor", "revoke-accessor"):
        reply = public_daemon.reply_as(OTHER_UID, "POST", f"/v1/auth/token/{route}", accessor)
        assert (reply.status, reply.json["errors"]) == (400, ["invalid accessor"])
    assert public_daemon.request_as(OTHER_UID, "LIST", "/v1/auth/token/accessors") == 404
    assert public_daemon.request_as(OTHER_UID, "POST", "/v1/auth/token/create-orphan") == 403
    of_other = public_daemon.reply_as(OTHER_UID, "POST", "/v1/auth/unix/login").json["auth"]
    accessor = {"accessor": of_other["accessor"]}
    renewed = public_daemon.request("POST", "/v1/auth/token/renew-accessor", accessor)
    assert renewed.json["auth"]["client_token"] == "", "an operator gets no text"
    assert public_daemon.request("POST", "/v1/auth/token/create-orphan").status == 200
    assert json.dumps(of_other["policies"]) == '["other"]'
