"""The ceilings of a real PostgreSQL: measured as they are, and kept away from."""

import contextlib

import pytest

from integration.test_postgresql import engine_for
from servers.daemon import Daemon, eventually, policy_for
from servers.operator import asked, audited, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
GRANTING = {
    "creation_statements": [
        "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'",
        'GRANT SELECT ON items TO "{{name}}"',
    ]
}
FILL = """
    CREATE TABLE crowded (id int);
    DO $$ DECLARE each int := 0; BEGIN
        LOOP
            each := each + 1;
            EXECUTE format('CREATE ROLE filler%s', each);
            BEGIN
                EXECUTE format('GRANT SELECT ON crowded TO filler%s', each);
            EXCEPTION WHEN program_limit_exceeded THEN
                EXIT;
            END;
        END LOOP;
    END $$
"""
EMPTY = """
    DROP TABLE IF EXISTS crowded;
    DO $$ DECLARE each text; BEGIN
        FOR each IN SELECT rolname FROM pg_roles WHERE rolname LIKE 'filler%' LOOP
            EXECUTE format('DROP ROLE %I', each);
        END LOOP;
    END $$
"""


async def test_the_connections_of_everybody_are_counted(postgres: PostgresServer) -> None:
    postgres.reset()
    engine = engine_for(postgres)
    await engine.open()
    try:
        [before] = await engine.ceilings({"reader": {"member_of": ["app_readonly"]}})
        with contextlib.ExitStack() as stack:
            for _ in range(7):
                stack.enter_context(postgres.connect())
            [during] = await engine.ceilings({})
        settings = {
            name: int(postgres.execute(f"SHOW {name}")[0][0])
            for name in ("max_connections", "superuser_reserved_connections")
        }
        assert (before.name, before.roles) == ("connections", None)
        assert during.used >= before.used + 7
        assert (
            during.most <= settings["max_connections"] - settings["superuser_reserved_connections"]
        )
    finally:
        await engine.close()


async def test_the_row_of_a_table_is_full_when_one_grant_more_fails(
    postgres: PostgresServer,
) -> None:
    postgres.reset()
    engine = engine_for(postgres)
    await engine.open()
    try:
        roles = {"direct": GRANTING, "reader": {"member_of": ["app_readonly"]}}
        _, empty = await engine.ceilings(roles)
        assert empty.used * 100 < 20 * empty.most
        postgres.execute(FILL)
        _, full = await engine.ceilings(roles)
        assert 99 * full.most <= full.used * 100 <= 100 * full.most
        assert full.roles == {"direct"}
        assert "the table is " in full.remedy
        assert "crowded; grant to a group role" in full.remedy
    finally:
        postgres.execute(EMPTY)
        await engine.close()


def test_a_target_that_fills_up_is_told_and_then_left_alone(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    policy = policy_for(postgres)
    daemon.write_policy(policy)
    daemon.start()
    path = "/v1/database/creds/reader"
    assert daemon.request("GET", path).status == 200
    eventually(
        lambda: "connections" in [each["limit"] for each in asked(daemon, "quotas")["quotas"]]
    )
    shares = "\nquotas: {engines: {main: {ceiling_warn_pct: 1, ceiling_refuse_pct: 1}}}\n"
    daemon.write_policy(policy + shares)
    with postgres.connect():
        assert leasehold(daemon, "apply", "--yes").returncode == 0
        reply = eventually(lambda: (it := daemon.request("GET", path)).status == 429 and it)
    [text] = reply.json["errors"]
    assert text.startswith("engine main: connections ")
    assert "no more leases are issued; raise max_connections" in text
    assert reply.headers["Retry-After"] == "30"
    assert "engine main: connections" in leasehold(daemon, "status").stdout
    assert any(line["event"] == "ceiling-near" for line in audited(daemon))
