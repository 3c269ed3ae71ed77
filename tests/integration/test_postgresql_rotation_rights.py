"""What a rotation will need is told before it, and only that keeps it from being made."""

from collections.abc import Iterator

import pytest

from integration.test_postgresql import engine_for
from leasehold.plugin import EngineError, Secret
from leasehold_plugins.postgresql import PostgresqlEngine
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
NEW = Secret("a-password-of-a-test-0123456789")
TURNER, STANDING = "turner", "rights_stand"
KINDS = ("LOGIN", "NOLOGIN", "LOGIN REPLICATION", "LOGIN SUPERUSER", "NOLOGIN SUPERUSER")


@pytest.fixture(params=["CREATEROLE", "NOCREATEROLE", "SUPERUSER"])
def turner(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[PostgresqlEngine]:
    postgres.execute(f"CREATE ROLE {TURNER} LOGIN {request.param} PASSWORD 'turn'")
    yield engine_for(postgres, username=TURNER, password=Secret("turn"))
    postgres.execute(f"DROP ROLE {TURNER}")


@pytest.fixture(params=KINDS)
def standing(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[str]:
    postgres.execute(f"CREATE ROLE {STANDING} {request.param} PASSWORD 'old'")
    yield STANDING
    postgres.execute(f"DROP ROLE {STANDING}")


async def rotates(engine: PostgresqlEngine, username: str) -> bool:
    """Whether the account gets a password, and it opens."""
    try:
        await engine.rotate_static(username, NEW)
        return await engine.login({"username": username, "password": NEW})
    except EngineError:
        return False


async def test_the_lines_that_are_told_are_what_a_rotation_lacks(
    turner: PostgresqlEngine, standing: str, postgres: PostgresServer
) -> None:
    await turner.open()
    try:
        told = await turner.check_rotation(standing)
        assert await rotates(turner, standing) == (not told)
        for line in told:
            if line.endswith(";"):
                postgres.execute(line.partition(": ")[2])
        left = await turner.check_rotation(standing)
        assert not any(line.endswith(";") for line in left)
        assert await rotates(turner, standing) == (not left)
    finally:
        await turner.close()


async def test_an_account_that_is_missing_is_told_with_the_line_that_makes_it(
    turner: PostgresqlEngine, postgres: PostgresServer
) -> None:
    await turner.open()
    try:
        [line] = await turner.check_rotation("nobody")
        made = 'CREATE ROLE "nobody" LOGIN;'
        assert line == f"cannot rotate nobody, there is no such role: {made}"
        assert "nobody" not in postgres.accounts()
    finally:
        await turner.close()


async def test_the_administrator_itself_needs_no_right(turner: PostgresqlEngine) -> None:
    await turner.open()
    try:
        assert not await turner.check_rotation(None)
        await turner.rotate_root(NEW)
    finally:
        await turner.close()
