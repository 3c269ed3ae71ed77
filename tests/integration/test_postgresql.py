"""The PostgreSQL engine against a real server, as superuser and with CREATEROLE only."""

import asyncio
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest

from leasehold.plugin import Account, EnginePermanent, Removal, Secret, Stage, TargetChanged
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.postgresql import PostgresqlEngine
from servers.postgres import PostgresServer, free_port

pytestmark = pytest.mark.servers


def engine_for(server: PostgresServer, port: int | None = None, **other: Any) -> PostgresqlEngine:
    connection = {
        "url": f"postgresql://127.0.0.1:{port or server.port}/app",
        "username": server.admin,
        "password": Secret(server.password),
        "statement_timeout": 5,
        **other,
    }
    return PostgresqlEngine("main", connection)


class PostgresqlContract(EngineContract):
    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return {"member_of": ["app_readonly"]}

    @pytest.fixture
    def unworkable(self) -> Mapping[str, Any]:
        return {"member_of": ["nobody_made_this"]}

    @pytest.fixture
    def broken(self, postgres: PostgresServer) -> PostgresqlEngine:
        return engine_for(postgres, port=free_port())

    async def test_an_open_session_ends_with_its_account(
        self, engine: PostgresqlEngine, role: Mapping[str, Any], postgres: PostgresServer
    ) -> None:
        account = self.account(engine, role)
        issued = await self.issue(engine, account)
        password = issued.credential["password"]
        assert isinstance(password, Secret)
        with postgres.connect(user=account.name, password=password.reveal()) as session:
            assert session.execute("SELECT count(*) FROM items").fetchone() == (0,)
            assert await engine.revoke(account) == REMOVED
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT 1")

    async def test_what_the_account_owns_in_two_databases_goes_with_it(
        self, engine: PostgresqlEngine, role: Mapping[str, Any], postgres: PostgresServer
    ) -> None:
        account = self.account(engine, role)
        await self.issue(engine, account)
        for database in ("app", "other"):
            postgres.execute(f'CREATE SCHEMA mine AUTHORIZATION "{account.name}"', database)
        assert await engine.revoke(account) == REMOVED
        for database in ("app", "other"):
            assert not postgres.execute("SELECT FROM pg_namespace WHERE nspname = 'mine'", database)

    async def test_what_the_account_owns_goes_to_its_heir(
        self, engine: PostgresqlEngine, postgres: PostgresServer
    ) -> None:
        role = {"member_of": ["app_readonly"], "reassign_owned_to": "app_readonly"}
        account = self.account(engine, role)
        await self.issue(engine, account)
        postgres.execute(f'CREATE SCHEMA theirs AUTHORIZATION "{account.name}"')
        assert await engine.revoke(account) == REMOVED
        owner = "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'theirs'"
        assert postgres.execute(owner) == [("app_readonly",)]
        postgres.execute("DROP SCHEMA theirs")

    async def test_one_account_that_cannot_go_holds_up_no_other(
        self, engine: PostgresqlEngine, role: Mapping[str, Any], postgres: PostgresServer
    ) -> None:
        stays = {**role, "revocation_statements": ["SELECT 1"]}
        accounts = [self.account(engine, stays if n == 1 else role) for n in range(3)]
        for account in accounts:
            await self.issue(engine, account)
        name = accounts[1].name
        postgres.execute(f'CREATE SCHEMA kept AUTHORIZATION "{name}"')
        first, second, third = await engine.revoke_many(accounts)
        assert (first, third) == (REMOVED, REMOVED)
        assert isinstance(second, Removal)
        assert second.stage is Stage.DISABLED
        assert "2BP01" in second.residue
        can = f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{name}'"
        assert postgres.execute(can) == [(False,)]
        postgres.execute(f'DROP SCHEMA kept; DROP ROLE "{name}"')


class TestSuperuser(PostgresqlContract):
    @pytest.fixture
    async def engine(self, postgres: PostgresServer):
        engine = engine_for(postgres)
        await engine.open()
        yield engine
        await engine.close()


class TestCreateroleOnly(PostgresqlContract):
    @pytest.fixture
    async def engine(self, postgres: PostgresServer):
        postgres.execute(
            "DO $$ BEGIN CREATE ROLE maker LOGIN CREATEROLE PASSWORD 'm4ker';"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
            " GRANT pg_signal_backend, app_readonly TO maker WITH ADMIN OPTION"
        )
        engine = engine_for(postgres, username="maker", password=Secret("m4ker"))
        await engine.open()
        yield engine
        await engine.close()


@pytest.fixture
async def engine(postgres: PostgresServer):
    made = engine_for(postgres)
    await made.open()
    yield made
    await made.close()


STATEMENTS = {
    "creation_statements": """
        CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{{name}}";
    """,
    "revocation_statements": [
        'REVOKE ALL PRIVILEGES ON ALL TABLES IN SCHEMA public FROM "{{name}}"',
        'DROP ROLE IF EXISTS "{{name}}"',
    ],
}


async def test_the_seeds_own_statements_make_and_unmake_an_account(
    engine: PostgresqlEngine, postgres: PostgresServer
) -> None:
    account = EngineContract.account(engine, STATEMENTS)
    issued = await EngineContract.issue(engine, account)
    assert await engine.login(issued.credential)
    assert await engine.revoke(account) == REMOVED


async def test_no_clear_password_reaches_the_server(
    engine: PostgresqlEngine, postgres: PostgresServer
) -> None:
    for role in ({"member_of": ["app_readonly"]}, STATEMENTS):
        account = EngineContract.account(engine, role)
        issued = await EngineContract.issue(engine, account)
        password = issued.credential["password"]
        assert isinstance(password, Secret)
        log = postgres.log()
        assert account.name in log, "the server logs every statement that makes a role"
        assert password.reveal() not in log
        await engine.revoke(account)


async def test_statements_that_fail_leave_nothing(
    engine: PostgresqlEngine, postgres: PostgresServer
) -> None:
    role = {
        "creation_statements": [
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'",
            'GRANT no_such_role TO "{{name}}"',
        ]
    }
    account = EngineContract.account(engine, role)
    with pytest.raises(EnginePermanent, match="42704"):
        await EngineContract.issue(engine, account)
    assert account.name not in postgres.accounts()


async def test_another_cluster_is_never_taken_for_the_same(engine: PostgresqlEngine) -> None:
    account = Account(name="lhtest_x", target="postgresql:1", role={})
    with pytest.raises(TargetChanged):
        await engine.revoke(account)


async def test_a_wrong_password_of_the_administrator_is_told_apart(
    postgres: PostgresServer,
) -> None:
    engine = engine_for(postgres, password=Secret("wrong"))
    with pytest.raises(EnginePermanent, match="refuses the administrator's login"):
        await engine.open()


async def test_a_connection_without_verified_tls_to_another_host_is_refused(
    postgres: PostgresServer,
) -> None:
    engine = engine_for(postgres, url="postgresql://db.example.com/app?sslmode=require")
    with pytest.raises(EnginePermanent, match="verify-full"):
        await engine.open()


async def test_missing_rights_are_named_with_the_line_to_run(
    engine: PostgresqlEngine, postgres: PostgresServer
) -> None:
    postgres.execute("DROP ROLE IF EXISTS weak; CREATE ROLE weak LOGIN PASSWORD 'weak'")
    weak = engine_for(postgres, username="weak", password=Secret("weak"))
    await weak.open()
    health = await weak.check([{"member_of": ["nobody_made_this"]}])
    await weak.close()
    assert not health.ok
    assert any('ALTER ROLE "weak" CREATEROLE;' in line for line in health.missing)
    assert any('GRANT pg_signal_backend TO "weak";' in line for line in health.missing)
    assert any('CREATE ROLE "nobody_made_this" NOLOGIN;' in line for line in health.missing)


async def test_a_restart_of_the_server_costs_no_issue(
    postgres: PostgresServer, engine: PostgresqlEngine
) -> None:
    role = {"member_of": ["app_readonly"]}
    before = EngineContract.account(engine, role)
    await EngineContract.issue(engine, before)
    await asyncio.to_thread(postgres.stop)
    await asyncio.to_thread(postgres.start)
    after = EngineContract.account(engine, role)
    await EngineContract.issue(engine, after)
    assert await engine.revoke_many([before, after]) == [REMOVED, REMOVED]


async def test_when_the_server_has_few_connections_left_issuing_leaves_one_for_revoking(
    postgres: PostgresServer,
) -> None:
    postgres.execute(
        "DO $$ BEGIN CREATE ROLE few LOGIN CREATEROLE CONNECTION LIMIT 4 PASSWORD 'f3w';"
        " EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    postgres.execute("GRANT app_readonly TO few WITH ADMIN OPTION")
    postgres.execute("GRANT EXECUTE ON FUNCTION pg_control_system() TO few")
    engine = engine_for(postgres, username="few", password=Secret("f3w"))
    role = {"member_of": ["app_readonly"]}
    await engine.open()
    try:
        accounts = [EngineContract.account(engine, role) for _ in range(24)]
        await asyncio.gather(*(EngineContract.issue(engine, account) for account in accounts))
        [(taken,)] = postgres.execute("SELECT count(*) FROM pg_stat_activity WHERE usename='few'")
        assert taken == 4, "all that it may have"
        assert await engine.revoke_many(accounts) == [REMOVED] * 24
    finally:
        await engine.close()
