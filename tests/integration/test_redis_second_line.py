"""With leasehold dead, Redis ends nothing; the script that we give for that does."""

import os
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from leasehold.bundle import PasswordPolicy
from leasehold.plugin import IssueRequest
from leasehold.plugin.contract import EngineContract
from leasehold_plugins.redis import RedisEngine
from servers.redis import RedisServer
from servers.redis_engines import ROLE

pytestmark = pytest.mark.servers

SCRIPT = Path(__file__).parents[2] / "examples" / "redis" / "end-overdue"
USER = "second-line"


async def make(engine: RedisEngine, end: datetime) -> str:
    account = EngineContract.account(engine, ROLE)
    await engine.issue(
        IssueRequest(
            account=account, expires_at=end, password_policy=PasswordPolicy(), comment="a test's"
        )
    )
    return account.name


def run(server: RedisServer, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), "-s", str(server.socket), "--user", USER, *options],
        env={"PATH": os.environ["PATH"], "REDISCLI_AUTH": server.password},
        capture_output=True,
        text=True,
        timeout=20,
    )


def rights() -> Sequence[str]:
    """What the script's own head says that its user needs."""
    [line] = [line for line in SCRIPT.read_text().splitlines() if f"ACL SETUSER {USER}" in line]
    return line.partition(">… ")[2].split()


async def test_accounts_that_should_be_gone_are_deleted_and_no_others(
    redis_pair: RedisEngine, redis_primary: RedisServer
) -> None:
    now = datetime.now(UTC)
    live = await make(redis_pair, now + timedelta(minutes=1))
    renewed = await make(redis_pair, now - timedelta(minutes=1))
    account = EngineContract.account(redis_pair, ROLE)
    await redis_pair.renew(
        type(account)(name=renewed, target=account.target, role=ROLE), now + timedelta(hours=1)
    )
    redis_primary.ask("ACL", "SETUSER", "app", "on", "nopass", "(~leasehold-until:1)")
    redis_primary.ask("ACL", "SETUSER", USER, "on", f">{redis_primary.password}", *rights())
    before = redis_primary.saved()
    assert (run(redis_primary).stdout, redis_primary.saved()) == ("", before), "nothing is overdue"

    overdue = [await make(redis_pair, now - timedelta(seconds=2)) for _ in range(2)]
    done = run(redis_primary)
    assert done.returncode == 0, done.stderr
    assert set(overdue) <= set(done.stdout.split())
    assert set(redis_primary.accounts()) == {live, renewed}
    assert not any(name in redis_primary.saved() for name in overdue)
    assert "app" in redis_primary.ask("ACL", "USERS")
    redis_primary.ask("ACL", "DELUSER", USER, "app")


async def test_a_script_that_may_not_or_cannot_says_so(
    redis_pair: RedisEngine, redis_primary: RedisServer
) -> None:
    await make(redis_pair, datetime(2020, 1, 1, tzinfo=UTC))
    redis_primary.ask("ACL", "SETUSER", USER, "reset", "on", f">{redis_primary.password}")
    assert run(redis_primary).returncode != 0
    redis_primary.ask("ACL", "SETUSER", USER, "+acl|list")
    assert run(redis_primary).returncode != 0
    assert run(redis_primary, "-s", "/nowhere").returncode != 0
    redis_primary.ask("ACL", "DELUSER", USER)
