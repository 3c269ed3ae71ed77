"""Logins by AWS, from hvac and by the example's proof, on a daemon whose STS verifies."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hvac
import pytest
import yaml
from hvac.exceptions import Forbidden

pytest.importorskip("botocore", reason="the extra aws is not installed")

from clients.unix_requests import session
from fakes.sts import ADA, DEPLOY, SERVER_ID, Key, Sts
from servers.daemon import Daemon, policy_for
from servers.operator import audited
from servers.postgres import PostgresServer

pytestmark = [
    pytest.mark.servers,
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),  # hvac's
]

PROOF = Path(__file__).parents[2] / "examples" / "aws" / "proof.py"


@pytest.fixture
def sts(tmp_path: Path) -> Iterator[Sts]:
    made = Sts(tmp_path / "sts", lambda: datetime.now(UTC))
    with made.server.running():
        yield made


@pytest.fixture
def aws(daemon: Daemon, postgres: PostgresServer, sts: Sts) -> Daemon:
    """A running daemon whose policy knows a role and a user of AWS."""
    policy: dict[str, Any] = yaml.safe_load(policy_for(postgres))
    policy["auth"] = {"aws": {"type": "aws", "options": sts.options(max_age="2m")}}
    matches = {"deploy": {"role": "deploy"}, "ada": {"arn": ADA.arn}}
    for name, match in matches.items():
        its = [{"aws": {"account": DEPLOY.account, **match}}]
        policy["identities"][name] = {"owner": "o", "tenant": "t", "match": its}
    paths = ["database/creds/reader"]
    policy["access"].append({"identities": ["deploy"], "paths": paths, "verbs": ["issue"]})
    policy["tests"] = [
        {
            "as": {"aws": {"account": DEPLOY.account, "role": "deploy"}},
            **{"path": paths[0], "expect": "allow"},
        }
    ]
    daemon.write_policy(json.dumps(policy))
    return daemon.start()


def test_hvac_logs_in_as_a_role_and_gets_a_credential(
    aws: Daemon, postgres: PostgresServer
) -> None:
    with session(aws.socket) as connection:
        client = hvac.Client(url="http://localhost", session=connection, token="")

        def login(key: Key, server_id: str | None = SERVER_ID, **more: Any) -> Any:
            api, header = client.auth.aws, {"header_value": server_id}
            return api.iam_login(key.id, key.secret, key.session, use_token=False, **header, **more)

        auth = login(DEPLOY, role="deploy", region="eu-central-1")["auth"]
        assert auth["policies"] == ["deploy"]
        assert auth["metadata"]["client_arn"] == DEPLOY.arn
        assert login(ADA)["auth"]["policies"] == ["ada"]
        for refused in (
            lambda: login(DEPLOY, server_id="other.example.org"),
            lambda: login(DEPLOY, server_id=None),
            lambda: login(DEPLOY, role="ada"),
            lambda: login(Key(DEPLOY.id, "guessed", DEPLOY.arn, DEPLOY.session)),
        ):
            with pytest.raises(Forbidden, match="permission denied"):
                refused()
        client.token = auth["client_token"]
        data = client.secrets.database.generate_credentials("reader")["data"]
        assert postgres.can_log_in(data["username"], data["password"])
    rules = {line["detail"]["rule"] for line in audited(aws) if line["event"] == "denied"}
    assert rules == {
        "it was signed for another server id",
        "its signature does not cover x-vault-aws-iam-server-id",
        "the login is not the identity that it asks to be",
        "STS says that the signature is wrong",
    }
    kept = (aws.state / "audit.jsonl").read_text() + aws.log.read_text()
    assert DEPLOY.session is not None
    assert DEPLOY.session not in kept
    assert "Signature" not in kept


@pytest.mark.parametrize("region", ["", "eu-central-1"])
def test_the_command_line_logs_in_by_the_proof_of_the_example(
    aws: Daemon, tmp_path: Path, region: str
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": DEPLOY.id, "AWS_SECRET_ACCESS_KEY": DEPLOY.secret}
    where = {"AWS_SESSION_TOKEN": str(DEPLOY.session), "AWS_DEFAULT_REGION": region}
    env = {**os.environ, **keys, **where, "HOME": str(tmp_path)}
    made = subprocess.run(
        [sys.executable, PROOF, SERVER_ID], env=env, capture_output=True, text=True, timeout=60
    )
    assert made.returncode == 0, made.stderr
    command = [sys.executable, "-m", "leasehold", "login", "--method", "aws", "--role", "deploy"]
    said = subprocess.run(
        [*command, "--socket", str(aws.socket)],
        **{"env": env, "input": made.stdout, "capture_output": True, "text": True, "timeout": 60},
    )
    assert said.stdout.startswith("logged in as deploy for 1h"), said.stderr
