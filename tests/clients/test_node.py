"""node-vault, as it is released; its claims are in node/client.test.js."""

import re
import subprocess
from pathlib import Path

import pytest

from clients.toolchains import WAIT_S, command, node_modules

pytestmark = [pytest.mark.servers, pytest.mark.timeout(WAIT_S)]

FILE = Path(__file__).parent / "node" / "client.test.js"
PACKAGE = Path(__file__).parents[2] / "examples" / "clients" / "node"
CLAIMS = re.findall(r"^test\('(.+?)',", FILE.read_text(), re.MULTILINE)


def holds(claim: str, environment: dict[str, str]) -> None:
    env = {**environment, "NODE_PATH": str(node_modules(PACKAGE))}
    run = [command("node"), "--test-reporter=tap", f"--test-name-pattern=^{claim}$", str(FILE)]
    done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=30)
    held = re.search(rf"^ok \d+ - {re.escape(claim)}$", done.stdout, re.MULTILINE)
    assert held, done.stdout + done.stderr


@pytest.mark.parametrize("claim", CLAIMS)
def test_it_holds_for_node(environment: dict[str, str], claim: str) -> None:
    holds(claim, environment)


@pytest.mark.parametrize("claim", [CLAIMS[0], CLAIMS[-1]])
def test_it_holds_for_node_by_tls(by_tls: dict[str, str], claim: str) -> None:
    holds(claim, by_tls)


@pytest.mark.parametrize(
    "claim", [CLAIMS[0], "a token is looked up, renewed, and takes its leases along"]
)
def test_it_holds_for_node_with_a_token_and_no_certificate(
    by_token: dict[str, str], claim: str
) -> None:
    holds(claim, by_token)
