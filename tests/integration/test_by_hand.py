"""Whatever somebody did to an account, it ends as its role says, and the event says what was found.

One daemon over a PostgreSQL, a MariaDB and a Redis, and what a subscriber of its broker is told.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import redis

from servers.daemon import Daemon, eventually
from servers.mosquitto import Subscriber, mosquitto_server
from servers.mysql import PrivateMariadb
from servers.postgres import PostgresServer
from servers.redis import RedisServer, redis_server

pytestmark = pytest.mark.servers

POLICY = """\
engines:
  pg:
    type: postgresql
    connection:
      url: "postgresql://127.0.0.1:{postgres.port}/app"
      username: "{postgres.admin}"
      password: env:TEST_PG
      statement_timeout: 2
  maria:
    type: mysql
    connection:
      url: "mysql://127.0.0.1:{mariadb.port}"
      username: "{mariadb.admin}"
      password: env:TEST_MARIA
      statement_timeout: 2
  cache:
    type: redis
    connection:
      url: "{cache.url}"
      username: "{cache.keeper}"
      password: env:TEST_REDIS
      statement_timeout: 2
roles:
  pg/plain: {{member_of: [app_readonly]}}
  pg/heir: {{member_of: [app_readonly], reassign_owned_to: app_readonly}}
  pg/kept:
    creation_statements: CREATE ROLE "{{{{name}}}}" LOGIN PASSWORD '{{{{password}}}}'
    revocation_statements: SELECT 1
  maria/plain: {{member_of: [app_writer]}}
  maria/heir: {{member_of: [app_writer], reassign_definer_to: "leasehold@127.0.0.1"}}
  cache/plain: {{commands: [+@read], keys: ["app:*"]}}
identities:
  tests:
    owner: the-tests
    tenant: tests
    match: [{{unix: {{uid: {uid}}}}}]
access:
  - identities: [tests]
    paths: [pg/creds/*, maria/creds/*, cache/creds/*]
    verbs: [issue, revoke, revoke-any, list]
"""
ABSENT = "no account was there to remove"
RENAMED = "somebody had renamed the account"
RAISED = "somebody had given the account rights over the whole server"


@dataclass
class Hand:
    """The servers, by hand; and the daemon, with who listens to it."""

    pg: PostgresServer
    maria: PrivateMariadb
    cache: RedisServer
    daemon: Daemon
    subscriber: Subscriber

    def issue(self, path: str) -> tuple[str, str, str]:
        """A lease's id, its account, and the password."""
        reply = self.daemon.request("GET", f"/v1/{path.replace('/', '/creds/')}")
        data = reply.data
        return str(reply.json["lease_id"]), data["username"], data["password"]

    def end(self, lease_id: str) -> dict[str, Any]:
        """Revoke; returns the lease as the event tells it that ended it."""
        body = {"lease_id": lease_id}
        self.daemon.request("PUT", "/v1/sys/leases/revoke", body)
        return dict(eventually(lambda: self._told(lease_id), what="the event"))

    def _told(self, lease_id: str) -> dict[str, Any] | None:
        for event in self.subscriber.events:
            if event["type"] == "leasehold.lease.revoked" and event["subject"] == lease_id:
                data: dict[str, Any] = event["data"]
                return data
        return None

    def stands(self, engine: str, account: str) -> bool:
        server: Any = {"pg": self.pg, "maria": self.maria, "cache": self.cache}[engine]
        return account in server.accounts()


@pytest.fixture(scope="module")
def hand(
    postgres: PostgresServer, mariadb: PrivateMariadb, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hand]:
    postgres.reset()
    mariadb.reset()
    with (
        redis_server() as cache,
        mosquitto_server() as broker,
        broker.subscriber() as subscriber,
    ):
        servers = {"postgres": postgres, "mariadb": mariadb, "cache": cache}
        env = {
            "TEST_PG": postgres.password,
            "TEST_MARIA": mariadb.password,
            "TEST_REDIS": cache.password,
        }
        folder: Path = tmp_path_factory.mktemp("hand") / "d"
        policy = POLICY.format(**servers, uid=os.getuid())
        daemon = Daemon(folder, env, policy=policy, mqtt=broker.url)
        try:
            yield Hand(postgres, mariadb, cache, daemon.start(), subscriber)
        finally:
            daemon.stop()


Act = Callable[[Hand, str], object]


def pg(sql: str, database: str = "app") -> Act:
    return lambda hand, account: hand.pg.execute(sql.format(account), database)


def maria(*statements: str) -> Act:
    return lambda hand, account: hand.maria.execute(*(text.format(account) for text in statements))


def cache(*command: str) -> Act:
    return lambda hand, account: hand.cache.ask(*(word.format(account) for word in command))


VIEW = "CREATE DEFINER = '{}'@'%' VIEW app.by_hand AS SELECT 1"
RENAME = "RENAME USER '{0}'@'%' TO '{0}'@'127.0.0.1'"
NAMESAKE = "CREATE USER '{}'@'10.%' IDENTIFIED BY 'x'"


@pytest.mark.parametrize(
    ("role", "act", "told"),
    [
        ("pg/plain", pg('CREATE TABLE by_hand (); ALTER TABLE by_hand OWNER TO "{}"'),
         "what it owned was dropped"),
        ("pg/plain", pg('CREATE SCHEMA by_hand AUTHORIZATION "{}"', "other"),
         "what it owned was dropped"),
        ("pg/heir", pg('CREATE TABLE by_hand (); ALTER TABLE by_hand OWNER TO "{}"'),
         "what it owned went to app_readonly"),
        ("pg/plain", pg('GRANT ALL ON items TO "{}"'), None),
        ("pg/plain", pg('DROP ROLE "{}"'), ABSENT),
        ("pg/plain", pg('ALTER ROLE "{}" SUPERUSER'), RAISED),
        ("pg/plain", pg('ALTER ROLE "{}" RENAME TO by_hand'), RENAMED),
        ("pg/plain", pg("ALTER ROLE \"{}\" PASSWORD 'x' VALID UNTIL 'infinity'"), None),
        ("pg/plain", pg('ALTER ROLE "{}" NOLOGIN'), None),
        ("maria/heir", maria(VIEW), "what named it as DEFINER went to leasehold@127.0.0.1"),
        ("maria/plain", maria("DROP USER '{}'@'%'"), ABSENT),
        ("maria/plain", maria("GRANT ALL ON *.* TO '{}'@'%'"), RAISED),
        ("maria/plain", maria("SET PASSWORD FOR '{}'@'%' = PASSWORD('x')"), None),
        ("maria/plain", maria("ALTER USER '{}'@'%' ACCOUNT LOCK"), None),
        ("maria/plain", maria(RENAME), None),
        ("maria/plain", maria(NAMESAKE), None),
        ("cache/plain", cache("ACL", "DELUSER", "{}"), ABSENT),
        ("cache/plain", cache("ACL", "SETUSER", "{}", "resetpass", ">x"), None),
        ("cache/plain", cache("ACL", "SETUSER", "{}", "off"), None),
        ("cache/plain", cache("ACL", "SETUSER", "{}", "+@all", "~*"), None),
    ],
)  # fmt: skip
def test_an_account_that_was_changed_by_hand_is_gone_and_the_event_says_what_was_found(
    hand: Hand, role: str, act: Act, told: str | None
) -> None:
    lease_id, account, _ = hand.issue(role)
    act(hand, account)
    try:
        ended = hand.end(lease_id)
        assert (ended["state"], ended["reason"]) == ("revoked", told)
        assert not hand.stands(role.partition("/")[0], account)
    finally:
        hand.pg.execute("DROP TABLE IF EXISTS by_hand")
        hand.maria.execute("DROP VIEW IF EXISTS app.by_hand")


@contextlib.contextmanager
def session(hand: Hand, engine: str, user: str, password: str) -> Iterator[Callable[[], object]]:
    """An open session, as what uses it."""
    if engine == "pg":
        with contextlib.closing(hand.pg.connect(user=user, password=password)) as conn:
            yield lambda: conn.execute("SELECT 1")
    elif engine == "maria":
        conn = hand.maria.connect(user=user, password=password)
        yield lambda: conn.cursor().execute("SELECT 1")
        conn._force_close()
    else:
        with hand.cache.connect(user, password) as client:
            # Of the client itself, which would connect again.
            kept = client.connection_pool.get_connection()

            def ask() -> object:
                kept.send_command("GET", "app:1")
                return kept.read_response()

            yield ask
            kept.disconnect()


DROP = {
    "pg": pg('DROP ROLE "{}"'),
    "maria": maria("DROP USER '{}'@'%'"),
    "cache": cache("ACL", "DELUSER", "{}"),
}
ENDED = "2 open sessions ended"


@pytest.mark.parametrize(
    ("engine", "dropped", "told"),
    [
        ("pg", False, ENDED),
        ("maria", False, ENDED),
        ("cache", False, ENDED),
        ("pg", True, f"{ABSENT}; {ENDED}"),
        ("maria", True, f"{ABSENT}; {ENDED}"),
        ("cache", True, ABSENT),  # Redis ends them with the user
    ],
)
def test_sessions_end_with_the_lease_also_of_an_account_that_somebody_dropped(
    hand: Hand, engine: str, dropped: bool, told: str
) -> None:
    lease_id, account, password = hand.issue(f"{engine}/plain")
    with (
        session(hand, engine, account, password) as first,
        session(hand, engine, account, password) as second,
    ):
        first(), second()
        if dropped:
            DROP[engine](hand, account)
        assert hand.end(lease_id)["reason"] == told
        for ask in (first, second):
            with pytest.raises((psycopg.Error, pymysql.MySQLError, redis.RedisError)):
                ask()


@pytest.mark.parametrize(
    ("role", "act", "tidy", "why"),
    [
        ("pg/kept", pg('CREATE TABLE by_hand (); ALTER TABLE by_hand OWNER TO "{}"'),
         pg("DROP TABLE by_hand"), "objects still depend on the account (2BP01)"),
        ("maria/plain", maria(VIEW),
         maria("DROP VIEW app.by_hand"), "1 objects name the account as their DEFINER"),
    ],
)  # fmt: skip
def test_what_the_role_keeps_is_said_and_the_account_can_be_used_by_nobody_until_it_is_gone(
    hand: Hand, role: str, act: Act, tidy: Act, why: str
) -> None:
    lease_id, account, password = hand.issue(role)
    act(hand, account)
    body = {"lease_id": lease_id}
    hand.daemon.request("PUT", "/v1/sys/leases/revoke", body)
    leases = hand.daemon.request("GET", "/v1/leasehold/leases?limit=500").data["leases"]
    [lease] = [each for each in leases if each["lease_id"] == lease_id]
    assert (lease["state"], lease["last_error"]) == ("disabled", why)
    server: Any = hand.pg if role.startswith("pg") else hand.maria
    assert not server.can_log_in(account, password)
    tidy(hand, account)
    assert hand.end(lease_id)["state"] == "revoked"
    assert not hand.stands(role.partition("/")[0], account)
