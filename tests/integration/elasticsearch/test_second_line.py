"""With leasehold dead no server ends a user; the script that we give for that does."""

import asyncio
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from leasehold.bundle import PasswordPolicy
from leasehold.plugin import IssueRequest
from leasehold.plugin.contract import EngineContract
from leasehold_plugins.elasticsearch import ElasticsearchEngine
from servers.elasticsearch import USER, SearchServer

SCRIPT = Path(__file__).parents[3] / "examples" / "elasticsearch" / "end-overdue"


def run(url: str, options: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), url, "-K", str(options)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=20,
    )


async def make(engine: ElasticsearchEngine, hours: float) -> str:
    account = EngineContract.account(engine, USER)
    await engine.issue(
        IssueRequest(
            account=account,
            expires_at=datetime.now(UTC) + timedelta(hours=hours),
            password_policy=PasswordPolicy(),
            comment="a test's",
        )
    )
    return account.name


async def test_users_that_should_be_gone_are_deleted_and_no_others(
    either: ElasticsearchEngine, search: SearchServer, tmp_path: Path
) -> None:
    overdue, live = await make(either, -0.01), await make(either, 1)
    options = tmp_path / "curl"
    lines = [f'user = "{search.keeper}:{search.password}"']
    lines += [f'cacert = "{search.ca}"'] if search.ca else []
    options.write_text("\n".join(lines))
    done = [await asyncio.to_thread(run, search.url, options) for _ in range(2)]
    assert [run.stderr for run in done] == ["", ""]
    assert done[0].stdout == f"deleted, since nobody else did: {overdue}\n"
    assert done[1].stdout == ""
    left = [name async for name in either.accounts("")]
    assert overdue not in left
    assert live in left
    assert search.keeper in left
