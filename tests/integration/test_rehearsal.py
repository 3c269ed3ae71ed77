"""Rehearsing a role on a real PostgreSQL: what is proved, what is told, and that nothing stays."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leasehold.plugin import EngineError, EnginePermanent, ErrorClass, PasswordPolicy, Secret
from leasehold_plugins.postgresql import PostgresqlEngine
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

MAKE = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
CENSUS = """
SELECT (SELECT count(*) FROM pg_authid), (SELECT count(*) FROM pg_shdepend),
       (SELECT count(*) FROM pg_auth_members), (SELECT count(*) FROM pg_shdescription),
       (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_namespace),
       (SELECT count(*) FROM pg_default_acl), (SELECT count(*) FROM pg_prepared_xacts),
       (SELECT count(*) FROM public.items),
       (SELECT md5(string_agg(relacl::text, ',' ORDER BY oid)) FROM pg_class)
"""


@pytest.fixture(params=["superuser", "createrole"])
async def engine(request: pytest.FixtureRequest, postgres: PostgresServer):
    postgres.reset()
    postgres.execute(
        "DO $$ BEGIN CREATE ROLE maker LOGIN CREATEROLE PASSWORD 'm4ker';"
        " EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        " GRANT pg_signal_backend, app_readonly TO maker WITH ADMIN OPTION;"
        " GRANT ALL ON public.items TO maker WITH GRANT OPTION;"
        " GRANT CREATE ON DATABASE app TO maker"
    )
    connection = {
        "url": f"postgresql://127.0.0.1:{postgres.port}/app",
        "username": postgres.admin if request.param == "superuser" else "maker",
        "password": Secret(postgres.password if request.param == "superuser" else "m4ker"),
        "statement_timeout": 2,
    }
    made = PostgresqlEngine("main", connection)
    await made.open()
    yield made
    await made.close()
    postgres.execute(
        "REVOKE ALL ON public.items FROM maker; REVOKE CREATE ON DATABASE app FROM maker"
    )


async def rehearse(engine: PostgresqlEngine, role: Mapping[str, Any]) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    await engine.rehearse(role, later, PasswordPolicy())


async def fault(engine: PostgresqlEngine, role: Mapping[str, Any]) -> tuple[str, ErrorClass]:
    with pytest.raises(EngineError) as told:
        await rehearse(engine, role)
    return told.value.reason, told.value.error_class


GOOD = {
    "member_of": {"member_of": ["app_readonly"]},
    "heir": {"member_of": ["app_readonly"], "reassign_owned_to": "app_readonly"},
    "statements": {
        "creation_statements": [MAKE, 'GRANT SELECT ON public.items TO "{{name}}"'],
        "renew_statements": ["ALTER ROLE \"{{name}}\" VALID UNTIL '{{expiration}}'"],
        "revocation_statements": ['REVOKE ALL ON public.items FROM "{{name}}"'],
    },
    "what no revocation takes away": {
        "creation_statements": [
            f"{MAKE} IN ROLE app_readonly",
            "INSERT INTO public.items VALUES (1, '{{name}}')",
            "CREATE SCHEMA of_the_administrator",
        ],
    },
    "objects of its own": {
        "creation_statements": [
            f"{MAKE} IN ROLE app_readonly",
            'GRANT "{{name}}" TO CURRENT_USER',
            'CREATE SCHEMA "{{name}}" AUTHORIZATION "{{name}}"',
            'CREATE TABLE "{{name}}".notes (id int)',
            'ALTER TABLE "{{name}}".notes OWNER TO "{{name}}"',
        ],
    },
}
WRONG = {
    "group": (
        {"member_of": ["nobody_made_this"]},
        "member_of: PostgreSQL refused: UndefinedObject (42704)",
    ),
    "heir": (
        {"member_of": ["app_readonly"], "reassign_owned_to": "nobody"},
        "reassign_owned_to: PostgreSQL refused: UndefinedObject (42704)",
    ),
    "missing table": (
        {"creation_statements": [MAKE, 'GRANT SELECT ON public.absent TO "{{name}}"']},
        "statement 2 of creation_statements: PostgreSQL refused: UndefinedTable (42P01)",
    ),
    "no role": (
        {"creation_statements": ["SELECT 1"]},
        "creation_statements make no role called {{name}}",
    ),
    "no login": (
        {"creation_statements": ['CREATE ROLE "{{name}}"']},
        "creation_statements make a role that cannot log in; write LOGIN after CREATE ROLE",
    ),
    "renewal": (
        {"creation_statements": [MAKE], "renew_statements": ['ALTER ROLL "{{name}}" NOLOGIN']},
        "statement 1 of renew_statements: PostgreSQL refused: SyntaxError (42601)",
    ),
    "revocation": (
        {
            "creation_statements": [MAKE],
            "revocation_statements": ["SELECT 1", 'DROP USER IF EXIST "{{name}}"'],
        },
        "statement 2 of revocation_statements: PostgreSQL refused: SyntaxError (42601)",
    ),
    "revocation that forgets a right": (
        {
            "creation_statements": [MAKE, 'GRANT SELECT ON public.items TO "{{name}}"'],
            "revocation_statements": ["SELECT 1"],
        },
        "DROP ROLE after revocation_statements: PostgreSQL refused:"
        " DependentObjectsStillExist (2BP01)",
    ),
    "object of another in a schema of its own": (
        {
            "creation_statements": [
                f"{MAKE} IN ROLE app_readonly",
                'GRANT "{{name}}" TO CURRENT_USER',
                'CREATE SCHEMA "{{name}}" AUTHORIZATION "{{name}}"',
                'CREATE TABLE "{{name}}".notes (id int)',
            ],
        },
        "DROP OWNED: PostgreSQL refused: DependentObjectsStillExist (2BP01)",
    ),
    "statement that never ends": (
        {"creation_statements": [MAKE, "SELECT pg_sleep(30)"]},
        "statement 2 of creation_statements: PostgreSQL refused: QueryCanceled (57014)",
    ),
}
IMPOSSIBLE = {
    "commit": (
        {"creation_statements": [MAKE, "-- and now\n COMMIT"]},
        "statement 2 of creation_statements would end the transaction, so it cannot be rehearsed",
    ),
    "prepared transaction": (
        {"creation_statements": [MAKE, "PREPARE  TRANSACTION 'x'"]},
        "statement 2 of creation_statements would end the transaction, so it cannot be rehearsed",
    ),
    "database": (
        {"creation_statements": [MAKE], "revocation_statements": ["VACUUM public.items"]},
        "statement 1 of revocation_statements cannot run inside a transaction, so it cannot be"
        " rehearsed (25001)",
    ),
    "commit in a block": (
        {"creation_statements": [MAKE, "DO $$ BEGIN COMMIT; END $$"]},
        "statement 2 of creation_statements cannot run inside a transaction, so it cannot be"
        " rehearsed (2D000)",
    ),
    "what only the left out statement would do": (
        {
            "creation_statements": [MAKE, 'GRANT SELECT ON public.items TO "{{name}}"'],
            "revocation_statements": [
                "DO $$ BEGIN PERFORM pg_terminate_backend(0);"
                ' REVOKE ALL ON public.items FROM "{{name}}"; END $$'
            ],
        },
        "statement 1 of revocation_statements ends sessions, so it was left out; without it, DROP"
        " ROLE after revocation_statements: PostgreSQL refused: DependentObjectsStillExist (2BP01)",
    ),
}


@pytest.mark.parametrize("role", GOOD.values(), ids=GOOD)
async def test_a_good_role_is_proved_and_nothing_is_left_of_it(
    engine: PostgresqlEngine, postgres: PostgresServer, role: Mapping[str, Any]
) -> None:
    before = postgres.execute(CENSUS)
    await rehearse(engine, role)
    assert postgres.execute(CENSUS) == before


@pytest.mark.parametrize(("role", "line"), WRONG.values(), ids=WRONG)
async def test_a_wrong_role_is_told_by_option_and_number_and_nothing_is_left_of_it(
    engine: PostgresqlEngine, postgres: PostgresServer, role: Mapping[str, Any], line: str
) -> None:
    before = postgres.execute(CENSUS)
    reason, error_class = await fault(engine, role)
    assert (reason, error_class is ErrorClass.UNSUPPORTED) == (line, False)
    assert postgres.execute(CENSUS) == before
    await rehearse(engine, GOOD["member_of"])


@pytest.mark.parametrize(("role", "line"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_what_cannot_be_rolled_back_is_told_and_not_run(
    engine: PostgresqlEngine, postgres: PostgresServer, role: Mapping[str, Any], line: str
) -> None:
    before = postgres.execute(CENSUS)
    assert await fault(engine, role) == (line, ErrorClass.UNSUPPORTED)
    assert postgres.execute(CENSUS) == before


async def test_nothing_of_the_clear_password_or_of_the_statement_is_told(
    engine: PostgresqlEngine, postgres: PostgresServer
) -> None:
    told = (await fault(engine, {"creation_statements": [MAKE, "SELECT hunter2 FROM nowhere"]}))[0]
    assert "hunter2" not in told
    assert "SCRAM" not in told


async def test_sessions_of_others_go_on(engine: PostgresqlEngine, postgres: PostgresServer) -> None:
    everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> 'nobody'"
    role = {"creation_statements": [MAKE], "revocation_statements": [everybody]}
    with postgres.connect() as session:
        await rehearse(engine, role)
        await rehearse(engine, GOOD["member_of"])
        assert session.execute("SELECT 1").fetchone() == (1,)


async def test_the_name_says_that_it_is_a_rehearsal(
    engine: PostgresqlEngine, postgres: PostgresServer
) -> None:
    tells = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'LH001', MESSAGE = '{{name}}'; END $$"
    with pytest.raises(EnginePermanent) as told:
        await rehearse(engine, {"creation_statements": [MAKE, tells]})
    assert "lhrehearsal_" not in told.value.reason
    assert "ERROR:  lhrehearsal_" in postgres.log()
