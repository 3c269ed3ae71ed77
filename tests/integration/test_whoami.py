"""A real daemon lets a process in by what it runs, and tells it what it sees."""

import json
import os
import subprocess
import sys

import pytest

from leasehold.client import Client
from leasehold.errors import Denied
from servers.daemon import Daemon, policy_for
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PYTHON = os.path.realpath(sys.executable)


def test_a_caller_is_let_in_by_what_it_runs_and_told_what_it_lacks(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    policy = policy_for(postgres).replace(
        "identities:\n",
        "identities:\n"
        f"  by-exe: {{owner: a, tenant: a, match: [{{unix: {{self: true, exe: {PYTHON}}}}}]}}\n"
        "  by-unit: {owner: b, tenant: b, match: [{unix: {self: true, unit: b.service}}]}\n"
        "  others: {owner: c, tenant: c, match: [{unix: {uid: 4711, unit: b.service}}]}\n",
    )
    rule = "  - {{identities: [{}], paths: [database/creds/{}], verbs: [issue, revoke]}}\n"
    rules = rule.format("by-exe", "reader") + rule.format("by-unit", "brief")
    daemon.write_policy(f"{policy.partition('access:')[0]}access:\n{rules}")
    daemon.start()
    client = Client(daemon.socket)
    assert client.revoke(client.read("database/creds/reader").lease_id)
    with pytest.raises(Denied):
        client.read("database/creds/brief")

    told = client.whoami()
    assert told["process"]["exe"] == PYTHON
    assert told["pid"] == os.getpid()
    assert [each["name"] for each in told["identities"]] == ["by-exe", "tests"]
    assert told["not"] == [{"name": "by-unit", "lacks": ["unit"]}]

    command = [sys.executable, "-m", "leasehold", "whoami", "--socket", str(daemon.socket)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"exe       {PYTHON}" in done.stdout
    assert "not by-unit: unit does not agree" in done.stdout
    as_json = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60)
    assert json.loads(as_json.stdout)["process"]["exe"] == PYTHON
