"""Logins by a method of the policy, from hvac and the command line, on a real daemon."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest
import yaml

pytest.importorskip("joserfc", reason="the extra jwt is not installed")

from clients.unix_requests import session
from fakes.issuer import Issuer, signed
from fakes.kubernetes import REVIEWER, ApiServer
from servers.daemon import Daemon, policy_for
from servers.operator import asked, audited
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    made = Issuer(tmp_path / "issuer")
    with made.server.running():
        yield made


@pytest.fixture
def by_jwt(daemon: Daemon, postgres: PostgresServer, issuer: Issuer) -> Daemon:
    """A running daemon whose policy has the method `jwt` and knows a repository by it."""
    policy: dict[str, Any] = yaml.safe_load(policy_for(postgres))
    options = issuer.options(claims=["repository"])
    policy["auth"] = {"jwt": {"type": "jwt", "options": options}}
    match = [{"jwt": {"issuer": issuer.url, "claims": {"repository": "acme/app"}}}]
    policy["identities"]["ci"] = {"owner": "o", "tenant": "t", "match": match}
    paths = ["database/creds/reader"]
    policy["access"].append({"identities": ["ci"], "paths": paths, "verbs": ["issue"]})
    daemon.write_policy(json.dumps(policy))
    return daemon.start()


def test_hvac_logs_in_with_a_jwt_and_gets_a_credential(
    by_jwt: Daemon, issuer: Issuer, postgres: PostgresServer
) -> None:
    token = signed(issuer.key, issuer.claims(time.time()))
    with session(by_jwt.socket) as connection:
        client = hvac.Client(url="http://localhost", session=connection, token="")
        auth = client.auth.jwt.jwt_login(role="ci", jwt=token)["auth"]
        assert (auth["policies"], auth["lease_duration"]) == (["ci"], 3_600)
        client.token = auth["client_token"]
        assert client.is_authenticated()
        told = client.adapter.get("/v1/leasehold/whoami")["data"]
        assert (told["login"], told["identities"][0]["name"]) == ("jwt", "ci")
        assert ["claims.repository", "acme/app"] in told["facts"]
        data = client.secrets.database.generate_credentials("reader")["data"]
        assert postgres.can_log_in(data["username"], data["password"])
        with pytest.raises(hvac.exceptions.Forbidden, match="permission denied"):
            client.secrets.database.generate_credentials("brief")
        assert client.sys.list_auth_methods()["data"]["jwt/"]["type"] == "jwt"
        client.token = ""
        with pytest.raises(hvac.exceptions.Forbidden, match="permission denied"):
            client.auth.jwt.jwt_login(role="tests", jwt=token)
        with pytest.raises(hvac.exceptions.InvalidRequest, match="missing token"):
            client.auth.jwt.jwt_login(role="ci", jwt="")
    [issued] = [line for line in audited(by_jwt) if line["event"] == "token-issued"]
    assert "claims.repository=acme/app" in issued["caller"]["who"]
    assert token not in (by_jwt.state / "audit.jsonl").read_text() + by_jwt.log.read_text()


def test_hvac_logs_in_as_a_service_account_of_kubernetes(
    daemon: Daemon, postgres: PostgresServer, tmp_path: Path
) -> None:
    api = ApiServer(tmp_path / "api")
    api.tokens["good"] = api.account("system:serviceaccount:payments:billing")
    policy: dict[str, Any] = yaml.safe_load(policy_for(postgres))
    options = api.options(reviewer_token="env:TEST_REVIEWER_TOKEN")
    policy["auth"] = {"kubernetes": {"type": "kubernetes", "options": options}}
    account = {"cluster": "prod", "namespace": "payments", "service_account": "billing"}
    match = [{"kubernetes": account}]
    policy["identities"]["billing"] = {"owner": "o", "tenant": "t", "match": match}
    daemon.write_policy(json.dumps(policy))
    daemon.env["TEST_REVIEWER_TOKEN"] = REVIEWER
    daemon.start()
    with api.server.running(), session(daemon.socket) as connection:
        client = hvac.Client(url="http://localhost", session=connection, token="")
        auth = client.auth.kubernetes.login(role="billing", jwt="good")["auth"]
        assert auth["policies"] == ["billing"]
        assert auth["metadata"]["service_account_namespace"] == "payments"
        client.token = auth["client_token"]
        assert client.is_authenticated()
        client.token = ""
        with pytest.raises(hvac.exceptions.Forbidden, match="permission denied"):
            client.auth.kubernetes.login(role="billing", jwt="deleted")
    kept = (daemon.state / "audit.jsonl").read_text() + daemon.log.read_text()
    assert REVIEWER not in kept


def test_the_command_line_reads_the_proof_from_standard_input_or_a_file(
    by_jwt: Daemon, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    token = signed(issuer.key, issuer.claims(time.time()))
    file = tmp_path / "token.jwt"
    file.write_text(f"{token}\n")

    def login(*options: str, text: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "leasehold", "login", "--method", *options]
        command += ["--socket", str(by_jwt.socket)]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)

    said = login("jwt", "--role", "ci", "--ttl", "10m", text=token)
    assert said.stdout.startswith("logged in as ci for 10m"), said.stderr
    own = asked(by_jwt, "token", "lookup")
    assert (own["policies"], own["display_name"]) == (["ci"], "jwt-repo:acme/app")
    assert login("jwt", "--proof-file", str(file)).returncode == 0
    assert login("jwt", text=json.dumps({"jwt": token})).returncode == 0
    for options, text, words in (
        (("jwt",), "", "the proof is empty"),
        (("jwt",), "{", "begins as JSON and is none"),
        (("github",), token, "the policy has no login method github"),
        (("jwt", "--role", "tests"), token, "permission denied"),
    ):
        refused = login(*options, text=text)
        assert words in refused.stderr
        assert refused.returncode != 0
        assert "Traceback" not in refused.stderr


def test_a_method_whose_keys_make_no_sense_is_refused_when_the_policy_is_applied(
    by_jwt: Daemon,
) -> None:
    policy = json.loads((by_jwt.policies / "policy.yaml").read_text())
    policy["auth"]["jwt"]["options"]["jwks_url"] = "https://keys.example/"
    by_jwt.write_policy(json.dumps(policy))
    refused = by_jwt.request("POST", "/v1/leasehold/apply", {})
    assert refused.status == 400
    assert refused.json["errors"] == [
        "login method jwt: found discovery_url and jwks_url;"
        " allowed is one of discovery_url, jwks_url, public_keys"
    ]
