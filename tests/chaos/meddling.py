"""What an administrator of a target may do to an account of ours, at each engine, and undo."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chaos.journal import Held
from chaos.world import World
from servers.mysql import PrivateMariadb
from servers.postgres import PostgresServer
from servers.redis import RedisServer

SESSIONS = 50
OTHER = "meddled"
"""Who gets accounts granted, and what an account owns."""


@dataclass(frozen=True)
class Way:
    """What is done to an account, what it is called then, and whether it has to be kept."""

    act: Callable[[World, str], None] = lambda *_: None
    called: str = "{}"
    kept: bool = False
    sessions: int = 0


def _pg(statement: str) -> Callable[[World, str], None]:
    def act(world: World, account: str) -> None:
        server = world.servers["pg"]
        assert isinstance(server, PostgresServer)
        server.execute(statement.format(account))

    return act


def _my(statement: str) -> Callable[[World, str], None]:
    def act(world: World, account: str) -> None:
        server = world.servers["my"]
        assert isinstance(server, PrivateMariadb)
        server.execute(statement.format(account))

    return act


def _rd(*words: str) -> Callable[[World, str], None]:
    def act(world: World, account: str) -> None:
        server = world.servers["rd"]
        assert isinstance(server, RedisServer)
        server.ask(*(word.format(account) for word in words))

    return act


WAYS: dict[str, dict[str, Way]] = {
    "pg": {
        "dropped": Way(_pg('DROP ROLE "{}"')),
        "renamed": Way(_pg('ALTER ROLE "{0}" RENAME TO "was_{0}"'), called="was_{}"),
        "owns a database": Way(_pg(f'ALTER DATABASE {OTHER} OWNER TO "{{}}"'), kept=True),
        "granted to others": Way(_pg(f'GRANT "{{}}" TO {OTHER} WITH ADMIN OPTION')),
        "made a superuser": Way(_pg('ALTER ROLE "{}" SUPERUSER')),
        "sessions": Way(sessions=SESSIONS),
    },
    "my": {
        "dropped": Way(_my("DROP USER '{}'@'%'")),
        "defines a view": Way(
            _my(f"CREATE DEFINER = '{{}}'@'%' VIEW app.{OTHER} AS SELECT 1"), kept=True
        ),
        "may do everything": Way(_my("GRANT ALL ON *.* TO '{}'@'%' WITH GRANT OPTION")),
        "sessions": Way(sessions=SESSIONS),
    },
    "rd": {
        "dropped": Way(_rd("ACL", "DELUSER", "{}")),
        "may do everything": Way(_rd("ACL", "SETUSER", "{}", "+@all", "~*")),
        "sessions": Way(sessions=SESSIONS),
    },
}


@contextlib.contextmanager
def others(world: World) -> Iterator[None]:
    """What accounts are given, and who is given accounts."""
    pg = world.servers.get("pg")
    if isinstance(pg, PostgresServer):
        pg.execute(f"CREATE DATABASE {OTHER} TEMPLATE template0")
        pg.execute(f"CREATE ROLE {OTHER}")
    try:
        yield
    finally:
        if isinstance(pg, PostgresServer):
            pg.execute(f"DROP DATABASE IF EXISTS {OTHER}")
            pg.execute(f"DROP ROLE {OTHER}")


def give_up(world: World, engine: str) -> None:
    server = world.servers[engine]
    if isinstance(server, PostgresServer):
        server.execute(f"ALTER DATABASE {OTHER} OWNER TO {server.admin}")
    elif isinstance(server, PrivateMariadb):
        server.execute(f"DROP VIEW app.{OTHER}")


@contextlib.contextmanager
def session(world: World, held: Held) -> Iterator[Callable[[], object]]:
    """An open session of the account, as what uses it."""
    server = world.servers[held.engine]
    if isinstance(server, PostgresServer):
        with contextlib.closing(server.connect(user=held.account, password=held.password)) as conn:
            yield lambda: conn.execute("SELECT 1")
    elif isinstance(server, PrivateMariadb):
        link = server.connect(user=held.account, password=held.password)
        try:
            yield lambda: link.query("SELECT 1")
        finally:
            link._force_close()
    else:
        with server.connect(held.account, held.password) as client:
            kept = client.connection_pool.get_connection()  # the client would connect again

            def get() -> object:
                kept.send_command("GET", "app:1")
                return kept.read_response()

            yield get
            kept.disconnect()


def works(use: Callable[[], object]) -> bool:
    try:
        use()
    except Exception:  # of three drivers
        return False
    return True
