"""What trips others up at PostgreSQL: each has a test here that is named after it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from fakes.relay import Relay
from integration.test_postgresql import engine_for
from leasehold.plugin import Secret, Stage
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.postgresql import PostgresqlEngine
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
READER = {"member_of": ["app_readonly"]}
MAKER = "gotcha_maker"


@pytest.fixture
def maker(postgres: PostgresServer) -> str:
    """An administrator with CREATEROLE only."""
    postgres.execute(
        f"DO $$ BEGIN CREATE ROLE {MAKER} LOGIN CREATEROLE PASSWORD 'm4ker';"
        " EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        f" GRANT pg_signal_backend, app_readonly TO {MAKER} WITH ADMIN OPTION"
    )
    return MAKER


@pytest.fixture(params=["superuser", "CREATEROLE only"])
async def engine(
    request: pytest.FixtureRequest, postgres: PostgresServer, maker: str
) -> AsyncIterator[PostgresqlEngine]:
    weak = {"username": maker, "password": Secret("m4ker")}
    made = engine_for(postgres, **(weak if request.param == "CREATEROLE only" else {}))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def somebody(postgres: PostgresServer) -> Iterator[str]:
    """Who owns a schema and grants rights on it."""
    postgres.execute("CREATE ROLE somebody; CREATE SCHEMA theirs AUTHORIZATION somebody")
    yield "somebody"
    postgres.execute("DROP OWNED BY somebody; DROP ROLE somebody")


GRANTS = """
    SET ROLE somebody; GRANT USAGE ON SCHEMA theirs TO "{0}"; RESET ROLE;
    ALTER DEFAULT PRIVILEGES FOR ROLE somebody GRANT SELECT ON TABLES TO "{0}";
    ALTER DEFAULT PRIVILEGES FOR ROLE "{0}" GRANT SELECT ON TABLES TO somebody
"""
ELSEWHERE = 'GRANT USAGE ON SCHEMA public TO "{0}"; GRANT CONNECT ON DATABASE other TO "{0}"'


@pytest.mark.usefixtures("somebody")
async def test_a_superuser_takes_grants_by_others_and_default_privileges_from_every_database(
    postgres: PostgresServer,
) -> None:
    """REVOKE takes back only what its own grantor gave; DROP OWNED all, database by database."""
    engine = engine_for(postgres)
    await engine.open()
    account = EngineContract.account(engine, READER)
    await EngineContract.issue(engine, account)
    postgres.execute(GRANTS.format(account.name))
    postgres.execute(ELSEWHERE.format(account.name), "other")
    assert await engine.revoke(account) == REMOVED
    assert account.name not in postgres.accounts()
    await engine.close()


@pytest.mark.usefixtures("somebody")
async def test_grants_by_others_keep_the_account_of_a_createrole_administrator_without_login(
    postgres: PostgresServer, maker: str
) -> None:
    """Nobody but their grantor, the owner of the object or a superuser takes them back."""
    engine = engine_for(postgres, username=maker, password=Secret("m4ker"))
    await engine.open()
    account = EngineContract.account(engine, READER)
    issued = await EngineContract.issue(engine, account)
    postgres.execute(GRANTS.format(account.name))
    removal = await engine.revoke(account)
    assert removal.stage is Stage.DISABLED
    assert "(2BP01)" in removal.residue
    assert not await engine.login(issued.credential)
    postgres.execute(f'DROP OWNED BY "{account.name}"')
    assert await engine.revoke(account) == REMOVED
    assert account.name not in postgres.accounts()
    await engine.close()


async def test_what_an_account_makes_after_set_role_belongs_to_its_group_and_stays(
    postgres: PostgresServer, maker: str
) -> None:
    role = {
        "creation_statements": [
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
            " IN ROLE app_readonly",
            'ALTER ROLE "{{name}}" SET role = app_readonly',
        ]
    }
    engine = engine_for(postgres)
    await engine.open()
    account = EngineContract.account(engine, role)
    issued = await EngineContract.issue(engine, account)
    password = issued.credential["password"]
    assert isinstance(password, Secret)
    with postgres.connect(user=account.name, password=password.reveal()) as session:
        session.execute("CREATE SCHEMA of_the_group")
        removal = await engine.revoke(account)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert removal == REMOVED
    assert removal.note == "1 open session ended", "it owned nothing itself"
    owner = "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'of_the_group'"
    assert postgres.execute(owner) == [("app_readonly",)]
    postgres.execute("DROP SCHEMA of_the_group")
    await engine.close()


async def test_nobody_gets_in_between_the_end_of_the_sessions_and_the_drop(
    engine: PostgresqlEngine, postgres: PostgresServer
) -> None:
    """NOLOGIN is committed by itself before sessions are ended."""
    account = EngineContract.account(engine, READER)
    issued = await EngineContract.issue(engine, account)
    password = issued.credential["password"]
    assert isinstance(password, Secret)
    clear, over, opened = password.reveal(), threading.Event(), []

    def come_back() -> None:
        while not over.is_set():
            try:
                opened.append(postgres.connect(user=account.name, password=clear))
            except psycopg.OperationalError:
                continue

    postgres.execute(f'CREATE TABLE theirs (); ALTER TABLE theirs OWNER TO "{account.name}"')
    thread = threading.Thread(target=come_back)
    thread.start()
    try:
        while not opened:
            over.wait(0.01)
        assert await engine.revoke(account) == REMOVED
    finally:
        over.set()
        thread.join(10)
    alive = 0
    for session in opened:
        try:
            session.execute("SELECT 1")
            alive += 1
        except psycopg.OperationalError:
            pass
        session.close()
    assert alive == 0


async def test_valid_until_keeps_new_logins_out_and_ends_no_session(
    engine: PostgresqlEngine, postgres: PostgresServer
) -> None:
    """So it is the second line, and the end of sessions is the revocation's work."""
    account = EngineContract.account(engine, READER)
    issued = await EngineContract.issue(engine, account)
    password = issued.credential["password"]
    assert isinstance(password, Secret)
    with postgres.connect(user=account.name, password=password.reveal()) as session:
        await engine.renew(account, datetime.now(UTC) - timedelta(minutes=1))
        assert not await engine.login(issued.credential)
        session.execute("SELECT 1")
        assert await engine.revoke(account) == REMOVED
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


LISTS = {
    "TABLE items": "pg_class",
    "SEQUENCE numbers": "pg_class",
    "LARGE OBJECT 7": "pg_largeobject_metadata",
    "DATABASE app": "pg_database",
    "SCHEMA public": "pg_namespace",
    "FUNCTION f": "pg_proc",
    "LANGUAGE sql": "pg_language",
    "TYPE mood": "pg_type",
    "TABLESPACE fast": "pg_tablespace",
    "FOREIGN SERVER other": "pg_foreign_server",
    "PARAMETER work_mem": "pg_parameter_acl",
}


def test_rights_of_each_account_fill_a_row_where_the_catalogue_has_no_room_beside_it(
    postgres: PostgresServer,
) -> None:
    """Without a TOAST table a row has to fit into a page, and so has its list of rights."""
    query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltoastrelid = 0"
    in_a_page = {name for (name,) in postgres.execute(query)}
    assert "pg_attribute" in in_a_page, "rights on columns"
    make = "CREATE ROLE {{name}} LOGIN PASSWORD '{{password}}' VALID UNTIL {{expiration}}"
    for what, catalogue in LISTS.items():
        grant = f"GRANT ALL ON {what} TO {{{{name}}}}"
        [told] = PostgresqlEngine.lint({"creation_statements": [make, grant]})
        assert ("(SQLSTATE 54000)" in told) == (catalogue in in_a_page), what


async def test_who_may_not_read_pg_authid_can_be_the_administrator(
    postgres: PostgresServer, maker: str
) -> None:
    """Managed services keep it from everybody; pg_roles is enough."""
    with (
        postgres.connect(user=maker, password="m4ker") as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.execute("SELECT FROM pg_authid")
    engine = engine_for(postgres, username=maker, password=Secret("m4ker"))
    await engine.open()
    assert (await engine.check([READER])).ok
    account = EngineContract.account(engine, READER)
    await EngineContract.issue(engine, account)
    assert account.name in [name async for name in engine.accounts("^lhtest")]
    assert await engine.revoke(account) == REMOVED
    await engine.close()


async def test_a_name_of_63_bytes_is_whole(
    engine: PostgresqlEngine, postgres: PostgresServer
) -> None:
    account = replace(EngineContract.account(engine, READER), name="lhtest_" + "a" * 56)
    issued = await EngineContract.issue(engine, account)
    assert await engine.login(issued.credential)
    assert account.name in postgres.accounts()
    assert await engine.revoke(account) == REMOVED


async def test_sessions_of_an_account_that_somebody_dropped_or_renamed_end(
    engine: PostgresqlEngine, postgres: PostgresServer
) -> None:
    """They go on under an oid, which a look by name does not find."""
    for act in ('DROP ROLE "{0}"', 'ALTER ROLE "{0}" RENAME TO renamed'):
        account = EngineContract.account(engine, READER)
        issued = await EngineContract.issue(engine, account)
        account = replace(account, handle=issued.handle)
        password = issued.credential["password"]
        assert isinstance(password, Secret)
        with postgres.connect(user=account.name, password=password.reveal()) as session:
            postgres.execute(f"COMMENT ON ROLE \"{account.name}\" IS 'leasehold a lease'")
            postgres.execute(act.format(account.name))
            session.execute("SELECT 1")
            assert await engine.revoke(account) == REMOVED
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT 1")
        assert postgres.accounts("^renamed$") == []


async def test_a_role_of_somebody_else_with_the_oid_of_an_account_is_not_touched(
    engine: PostgresqlEngine, postgres: PostgresServer
) -> None:
    postgres.execute("CREATE ROLE foreigner")
    try:
        [(oid,)] = postgres.execute("SELECT oid FROM pg_roles WHERE rolname = 'foreigner'")
        account = replace(EngineContract.account(engine, READER), handle={"oid": str(oid)})
        removal = await engine.revoke(account)
        assert removal == REMOVED
        assert removal.note == "no account was there to remove"
        assert postgres.accounts("^foreigner$") == ["foreigner"]
    finally:
        postgres.execute("DROP ROLE foreigner")


@pytest.mark.parametrize("superuser", [True, False])
async def test_what_arrives_after_its_account_was_taken_away_makes_none(
    superuser: bool, postgres: PostgresServer, maker: str
) -> None:
    weak = {} if superuser else {"username": maker, "password": Secret("m4ker")}
    async with Relay(postgres.port) as relay, asyncio.TaskGroup() as group:
        engine = engine_for(postgres, relay.port, **weak)
        await engine.open()
        account = EngineContract.account(engine, READER)
        relay.holding = b"CREATE ROLE"
        making = group.create_task(EngineContract.issue(engine, account))
        for _ in range(2):  # the driver would wait for an answer when it is told once
            await asyncio.sleep(0.3)
            making.cancel()
        await asyncio.wait([making])
        assert await engine.revoke(account) == REMOVED
        relay.let_go.set()
        await asyncio.sleep(0.3)
        assert account.name not in postgres.accounts()
        await engine.close()
