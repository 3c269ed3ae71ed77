"""The examples for applications, as they stand in examples/clients, against a daemon."""

import subprocess
from pathlib import Path

import pytest

from clients.toolchains import WAIT_S, command, go_program, node_modules
from servers.daemon import Daemon, eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(WAIT_S)]

EXAMPLES = Path(__file__).parents[2] / "examples" / "clients"
ROLE = "database/creds/changing"
"""Its leases are at most 5 s long, so that an application meets the end of one."""


def ran(*arguments: str | Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    env = {**env, "LEASEHOLD_PATH": ROLE}
    done = subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stderr
    return done


def goes_on_with_another_account(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether queries went on, each as somebody, and not as the same one from first to last."""
    accounts = [line.removeprefix("a query as ") for line in done.stdout.splitlines()]
    return len(accounts) >= 6 and 1 < len(set(accounts)) < len(accounts)


def keeps_nothing(daemon: Daemon) -> bool:
    return daemon.request("LIST", f"/v1/sys/leases/lookup/{ROLE}").status == 404


def test_node_renews_changes_accounts_and_leaves_nothing(
    daemon: Daemon, environment: dict[str, str]
) -> None:
    example = EXAMPLES / "node"
    env = {**environment, "NODE_PATH": str(node_modules(example))}
    done = ran(command("node"), example / "index.js", "8", env=env)
    assert goes_on_with_another_account(done), done
    assert keeps_nothing(daemon)


def test_go_renews_changes_accounts_and_leaves_nothing(
    daemon: Daemon, environment: dict[str, str], tmp_path: Path
) -> None:
    program = go_program(EXAMPLES / "go", tmp_path)
    done = ran(program, "8", env=environment)
    assert goes_on_with_another_account(done), done
    eventually(lambda: keeps_nothing(daemon), what="the end of what was left to expire")
