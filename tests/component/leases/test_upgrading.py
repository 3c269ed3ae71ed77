"""T30 a: a store of any older version, with live leases, is upgraded; a kill on the way costs none.

The older store is made by the migrations that there were then, and holds what stood in the newer
one, as far as it had a column for it.
"""

import asyncio
import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.policy import HOLDER, OPERATOR
from fakes.world import KEY, World
from leasehold import failpoints
from leasehold.errors import ConfigError
from leasehold.leases import sqlite_files
from leasehold.leases.sqlite import SQLiteStore
from leasehold.model import Lease, LeaseState
from leasehold.plugin import Removal, Stage

SCRIPTS = sorted(Path(sqlite_files.__file__).parent.glob("migrations/*.sql"))
VERSIONS = range(1, len(SCRIPTS))
POINTS = ("store.migrating", "store.migrated")
RUNS = min(50, int(os.environ.get("LEASEHOLD_EXAMPLES", "1")))
"""A run is a kill at each place on the way from each version."""


def set_back(path: Path, version: int) -> None:
    """Put a store of an older version in the place of the one at `path`."""
    older = path.with_name("older.db")
    with closing(sqlite3.connect(older)) as db:
        for script in SCRIPTS[:version]:
            db.executescript(script.read_text())
        db.execute("ATTACH ? AS newer", (str(path),))
        tables = db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            names = ", ".join(_columns(db, "main", table) & _columns(db, "newer", table))
            db.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM newer.{table}")
        db.commit()
        db.execute(f"PRAGMA user_version = {version}")
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    older.chmod(0o600)
    older.rename(path)


def _columns(db: sqlite3.Connection, schema: str, table: str) -> set[str]:
    return {row[1] for row in db.execute(f"PRAGMA {schema}.table_info({table})")}


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        [[version]] = db.execute("PRAGMA user_version")
        [[sound]] = db.execute("PRAGMA integrity_check")
    assert sound == "ok"
    return int(version)


def upgrade_and_die(state_dir: Path, point: str, after: int) -> bool:
    """Open the store in a process of its own that is killed at `point`; whether it came there."""
    specification = state_dir.with_name("failpoints.json")
    specification.write_text(json.dumps({point: {"action": "kill", "after": after}}))
    specification.chmod(0o600)
    child = os.fork()
    if child == 0:
        try:
            failpoints.arm(specification)
            SQLiteStore(state_dir, KEY)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


async def with_leases(world: World) -> list[Lease]:
    """A lease in each state, as a daemon leaves it that died while it made the last one."""
    target = world.target
    _, ended, stuck, disabled = [(await world.issue()).lease for _ in range(4)]
    await world.issuance.revoke(OPERATOR, ended.id)
    target.stubborn[disabled.account] = Removal(stage=Stage.DISABLED, residue="owns a table")
    await world.issuance.revoke(OPERATOR, disabled.id)
    target.fail("revoke", Fault.REFUSED)
    await world.issuance.revoke(OPERATOR, stuck.id)
    target.fail("issue", Fault.HANG_AFTER)
    dying = asyncio.create_task(world.issue())
    await asyncio.sleep(1)
    left = await world.leases()
    assert {lease.state for lease in left} == set(LeaseState)
    await world.crash()
    await asyncio.gather(dying, return_exceptions=True)
    return left


@pytest.mark.timeout(60 + 20 * RUNS)
@pytest.mark.parametrize("version", VERSIONS)
@on_virtual_time
async def test_an_older_store_is_upgraded_though_it_is_killed_at_every_step_of_it(
    tmp_path: Path, version: int
) -> None:
    for run in range(RUNS):
        world = World(tmp_path / str(run), virtual_clock())
        await world.start()
        before = await with_leases(world)
        [active] = [it.id for it in before if it.state is LeaseState.ACTIVE]
        path = world.state_dir / sqlite_files.DATABASE
        set_back(path, version)
        steps, kills = len(SCRIPTS) - version, 0
        for point in POINTS:
            for _ in SCRIPTS:
                kills += upgrade_and_die(world.state_dir, point, after=run % steps)
                assert version <= version_of(path) <= len(SCRIPTS)
        assert kills
        await world.start()
        assert version_of(path) == len(SCRIPTS)
        kept = [it for it in before if it.state is not LeaseState.PENDING]
        found = await world.leases()
        assert len(found) == len(before)
        assert [it for it in found if it in kept] == kept, "every row says what it said"
        renewed = await world.issuance.renew(HOLDER, active, 600)
        assert renewed.ttl_s == 600
        world.target.stubborn.clear()
        await world.settle()
        await world.assert_accounts_agree()
        states = {lease.id: lease.state for lease in await world.leases()}
        assert states.pop(active) is LeaseState.ACTIVE
        assert set(states.values()) == {LeaseState.REVOKED}
        world.clock.advance(s=90_000)
        await world.settle()
        assert not world.target.accounts
        await world.stop()


@on_virtual_time
async def test_a_downgrade_is_refused_and_costs_nothing(tmp_path: Path) -> None:
    """An older leasehold knows fewer versions than the store has."""
    async with World(tmp_path, virtual_clock()) as world:
        lease = (await world.issue()).lease
    path = world.state_dir / sqlite_files.DATABASE
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(SCRIPTS) + 1}")
    with pytest.raises(ConfigError) as caught:
        SQLiteStore(world.state_dir, KEY)
    said = str(caught.value)
    assert f"has version {len(SCRIPTS) + 1}, this leasehold knows {len(SCRIPTS)}; upgrade" in said
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(SCRIPTS)}")
    async with world:
        assert [it.id for it in await world.leases()] == [lease.id]
