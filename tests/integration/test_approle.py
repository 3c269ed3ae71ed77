"""AppRole from hvac and the command line, on a real daemon."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest
import yaml
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, UnexpectedError

from clients.unix_requests import session
from servers.daemon import Daemon, eventually, policy_for
from servers.operator import asked, audited
from servers.over_tls import listen
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

ROLES = {
    "deploy": {"secret_id_num_uses": 2, "token_ttl": "10m"},
    "here": {"secret_id_bound_cidrs": ["127.0.0.0/8"], "secret_id_num_uses": 0},
    "elsewhere": {"secret_id_bound_cidrs": ["192.0.2.0/24"]},
}


def with_roles(text: str) -> str:
    """The policy, which also knows the roles, and lets its operator make their secret ids."""
    policy: dict[str, Any] = yaml.safe_load(text)
    policy["auth"] = {"approle": {"type": "approle", "options": {"roles": ROLES}}}
    match = [{"approle": {"role": role}} for role in ROLES]
    policy["identities"]["ci"] = {"owner": "o", "tenant": "t", "match": match}
    policy["access"] += [
        {"identities": ["ci"], "paths": ["database/creds/reader"], "verbs": ["issue"]},
        {"identities": ["tests"], "paths": ["auth/approle/role/*"], "verbs": ["operate", "list"]},
    ]
    return json.dumps(policy)


@pytest.fixture
def approle(daemon: Daemon, postgres: PostgresServer) -> Daemon:
    daemon.write_policy(with_roles(policy_for(postgres)))
    return daemon.start()


@pytest.fixture
def client(approle: Daemon) -> Iterator[hvac.Client]:
    with session(approle.socket) as connection:
        yield hvac.Client(url="http://localhost", session=connection, token="")


def test_hvac_makes_a_secret_id_and_logs_in_by_it(
    approle: Daemon, client: hvac.Client, postgres: PostgresServer
) -> None:
    api = client.auth.approle
    role_id = api.read_role_id("deploy")["data"]["role_id"]
    assert api.list_roles()["data"]["keys"] == sorted(ROLES)
    assert api.read_role("deploy")["data"]["secret_id_num_uses"] == 2
    made = api.generate_secret_id("deploy", metadata={"job": "42"})["data"]
    assert made.keys() >= {"secret_id", "secret_id_accessor", "secret_id_ttl", "secret_id_num_uses"}
    secret_id, accessor = made["secret_id"], made["secret_id_accessor"]
    assert api.list_secret_id_accessors("deploy")["data"]["keys"] == [accessor]
    assert api.read_secret_id("deploy", secret_id)["data"]["metadata"] == {"job": "42"}
    auth = api.login(role_id, secret_id)["auth"]
    assert (auth["policies"], auth["lease_duration"]) == (["ci"], 600)
    assert auth["metadata"] == {"job": "42", "role_name": "deploy"}
    data = client.secrets.database.generate_credentials("reader")["data"]
    assert postgres.can_log_in(data["username"], data["password"])
    with pytest.raises(Forbidden):
        api.generate_secret_id("deploy")
    client.token = ""
    assert api.read_secret_id_accessor("deploy", accessor)["data"]["secret_id_num_uses"] == 1
    approle.kill()
    approle.start()
    api.login(role_id, secret_id, use_token=False)
    with pytest.raises(InvalidRequest, match="invalid role or secret ID"):
        api.login(role_id, secret_id)
    with pytest.raises(InvalidRequest, match="missing secret_id"):
        api.login(role_id)
    with pytest.raises(InvalidPath):
        api.list_secret_id_accessors("deploy")
    events = [line["event"] for line in audited(approle)]
    assert [events.count(f"secretid-{each}") for each in ("issued", "used", "expired")] == [1, 2, 1]
    assert secret_id not in (approle.state / "audit.jsonl").read_text() + approle.log.read_text()


def test_hvac_destroys_and_unwraps(approle: Daemon, client: hvac.Client) -> None:
    api = client.auth.approle
    role_id = api.read_role_id("deploy")["data"]["role_id"]
    by_text, by_name, kept = (api.generate_secret_id("deploy")["data"] for _ in range(3))
    assert api.destroy_secret_id("deploy", by_text["secret_id"]).status_code == 204
    accessor = by_name["secret_id_accessor"]
    assert api.destroy_secret_id_accessor("deploy", accessor).status_code == 204
    with pytest.raises(InvalidPath):
        api.destroy_secret_id_accessor("deploy", accessor)
    for made in (by_text, by_name):
        with pytest.raises(InvalidRequest, match="invalid role or secret ID"):
            api.login(role_id, made["secret_id"])
    wrapped = api.generate_secret_id("deploy", wrap_ttl="5m")["wrap_info"]
    assert wrapped["creation_path"] == "auth/approle/role/deploy/secret-id"
    opened = client.sys.unwrap(wrapped["token"])["data"]
    assert api.login(role_id, opened["secret_id"], use_token=False)["auth"]["policies"] == ["ci"]
    lost = api.generate_secret_id("deploy", wrap_ttl="1s")["wrap_info"]
    assert len(api.list_secret_id_accessors("deploy")["data"]["keys"]) == 3

    def keys() -> set[str]:
        return set(api.list_secret_id_accessors("deploy")["data"]["keys"])

    left = {kept["secret_id_accessor"], opened["secret_id_accessor"]}
    eventually(lambda: keys() == left, what="the end of what nobody unwrapped")
    with pytest.raises(InvalidRequest):
        client.sys.unwrap(lost["token"])
    for refused in (
        lambda: api.create_or_update_approle("deploy", secret_id_num_uses=0),
        lambda: api.update_role_id("deploy", "mine-own-id"),
        lambda: api.create_custom_secret_id("deploy", "hunter2-hunter2"),
    ):
        with pytest.raises(UnexpectedError):
            refused()


def test_a_role_that_leaves_the_policy_takes_its_secret_ids_along(
    approle: Daemon, client: hvac.Client
) -> None:
    api = client.auth.approle
    role_id = api.read_role_id("deploy")["data"]["role_id"]
    secret_id = api.generate_secret_id("deploy")["data"]["secret_id"]
    policy = json.loads((approle.policies / "policy.yaml").read_text())
    deploy = policy["auth"]["approle"]["options"]["roles"].pop("deploy")
    policy["identities"]["ci"]["match"] = policy["identities"]["ci"]["match"][1:]
    approle.write_policy(json.dumps(policy))
    assert approle.request("POST", "/v1/leasehold/apply", {}).status == 200
    eventually(
        lambda: "secretid-revoked" in [line["event"] for line in audited(approle)],
        what="the end of the role's secret id",
    )
    policy["auth"]["approle"]["options"]["roles"]["deploy"] = deploy
    approle.write_policy(json.dumps(policy))
    assert approle.request("POST", "/v1/leasehold/apply", {}).status == 200
    with pytest.raises(InvalidRequest, match="invalid role or secret ID"):
        api.login(role_id, secret_id)


def test_networks_are_those_of_the_connection(daemon: Daemon, postgres: PostgresServer) -> None:
    place = listen(daemon, policy_for(postgres))
    daemon.write_policy(with_roles((daemon.policies / "policy.yaml").read_text()))
    daemon.start()
    with session(daemon.socket) as connection:
        local = hvac.Client(url="http://localhost", session=connection, token="").auth.approle
        pairs = {
            role: (
                local.read_role_id(role)["data"]["role_id"],
                local.generate_secret_id(role)["data"]["secret_id"],
            )
            for role in ("here", "elsewhere")
        }
        with pytest.raises(InvalidRequest, match="the Unix socket is in none; log in by TLS"):
            local.login(*pairs["here"])
    remote = hvac.Client(
        url=place["VAULT_ADDR"],
        cert=(place["VAULT_CLIENT_CERT"], place["VAULT_CLIENT_KEY"]),
        verify=place["VAULT_CACERT"],
        token="",
    ).auth.approle
    assert remote.login(*pairs["here"])["auth"]["policies"] == ["ci"]
    with pytest.raises(InvalidRequest, match="invalid role or secret ID"):
        remote.login(*pairs["elsewhere"])


def test_the_command_line_makes_hands_on_and_logs_in(
    approle: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "leasehold", *words, "--socket", str(approle.socket)]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)

    role_id = run("approle", "role-id", "deploy").stdout.strip()
    login = ("login", "--method", "approle", "--role", role_id)
    secret_id = run("approle", "secret-id", "deploy", "--uses", "1", "--meta", "job=42").stdout
    said = run(*login, text=secret_id)
    assert said.stdout.startswith("logged in as ci for 10m"), said.stderr
    assert asked(approle, "token", "lookup")["meta"] == {"job": "42", "role_name": "deploy"}
    assert "invalid role or secret ID" in run(*login, text=secret_id).stderr
    token = run("approle", "secret-id", "deploy", "--wrap-ttl", "1m", "--ttl", "5m").stdout
    assert token.startswith("lhw_")
    [listed] = asked(approle, "approle", "list", "deploy")["secret_ids"]
    assert listed["secret_id_ttl"] == 300
    assert run(*login, "--wrapped", text=token).returncode == 0
    assert "wrapping token is not valid" in run(*login, "--wrapped", text=token).stderr
    table = run("approle", "list", "deploy").stdout
    accessor = listed["secret_id_accessor"]
    assert accessor in table
    assert run("approle", "destroy", "deploy", accessor).stdout == f"{accessor} destroyed\n"
    assert run("approle", "list", "deploy").stdout == "no secret ids\n"
    for words, told in (
        (("approle", "secret-id", "nobody"), "no login method approle has a role nobody"),
        (("approle", "destroy", "deploy", accessor), "no secret id of the role is called so"),
        (("approle", "secret-id", "deploy", "--uses", "9"), "the role allows 1 to 2"),
        (("approle", "secret-id", "deploy", "--meta", "x"), "allowed is NAME=TEXT"),
    ):
        refused = run(*words)
        assert told in refused.stderr
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
