"""The servers that `crowd.py` crowds with accounts, each with a bare driver beside it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.bare_accounts import BareAccounts, BareMariadb, BarePostgres, BareRedis
from bench.world import World
from servers.mysql import PrivateMariadb
from servers.redis import RedisServer

MEMBER = "member_of: [app_readonly]"


@dataclass(frozen=True)
class Target:
    """A server that accounts crowd at. `accounts` are those of ours that it has now."""

    kind: str
    url: str
    username: str
    password: str
    recipe: str
    accounts: Callable[[], Sequence[str]]
    bare: BareAccounts


@contextmanager
def postgresql(world: World) -> Iterator[Target]:
    server = world.postgres
    url = f"postgresql://127.0.0.1:{server.port}/app?sslmode=disable"
    bare = BarePostgres(server)
    yield Target("postgresql", url, server.admin, server.password, MEMBER, server.accounts, bare)
    world.clear()


@contextmanager
def mariadb(_: World) -> Iterator[Target]:
    server = PrivateMariadb("--skip-general-log")
    try:
        server.start().reset()
        url, bare = f"mysql://127.0.0.1:{server.port}", BareMariadb(server)
        yield Target("mysql", url, server.admin, server.password, MEMBER, server.accounts, bare)
    finally:
        server.remove()


@contextmanager
def redis(_: World) -> Iterator[Target]:
    server = RedisServer()
    try:
        server.start()
        recipe, bare = "commands: [+@read], keys: ['app:*']", BareRedis(server)
        yield Target(
            "redis", server.url, server.keeper, server.password, recipe, server.accounts, bare
        )
    finally:
        server.remove()
