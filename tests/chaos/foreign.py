"""Accounts of somebody else whose names look like ours, and what stands at each server of them.

Some only begin as ours do, some have the mark of the deployment and a tag that was guessed, some
the mark of another one.
"""

import random
from collections.abc import Mapping, Sequence

from chaos.world import Server
from servers.mysql import MysqlServer
from servers.postgres import PostgresServer
from servers.redis import RedisServer

AT_ONCE = 100
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def lookalikes(dice: random.Random, mark: str, count: int) -> list[str]:
    """Names that nobody with the key made; those of the deployment begin `lh<mark>_`."""
    found = set[str]()
    while len(found) < count:
        middle, tag = ("".join(dice.choices(_LETTERS, k=size)) for size in (16, 4))
        kinds = (f"lh_{middle}", f"lh{mark}_{middle}", f"lh{mark}_{middle}_{tag}")
        found.add(dice.choice((*kinds, f"lh{'zzzz' if mark != 'zzzz' else 'yyyy'}_{middle}_{tag}")))
    return sorted(found)


def make(server: Server, names: Sequence[str]) -> None:
    """Make these accounts, with a password each."""
    for at in range(0, len(names), AT_ONCE):
        some = names[at : at + AT_ONCE]
        if isinstance(server, PostgresServer):
            server.execute("; ".join(f"CREATE ROLE {it} LOGIN PASSWORD 'theirs'" for it in some))
        elif isinstance(server, MysqlServer):
            users = ", ".join(f"{it} IDENTIFIED BY 'theirs'" for it in some)
            server.execute(f"CREATE USER {users}")
        else:
            with server.connect() as client:
                for name in some:
                    client.execute_command("ACL", "SETUSER", name, "on", ">theirs", "+@read")


def drop(server: Server, names: Sequence[str]) -> None:
    """Take them away again."""
    for at in range(0, len(names), AT_ONCE):
        some = names[at : at + AT_ONCE]
        if isinstance(server, PostgresServer):
            server.execute(f"DROP ROLE {', '.join(some)}")
        elif isinstance(server, MysqlServer):
            server.execute(f"DROP USER {', '.join(some)}")
        else:
            server.ask("ACL", "DELUSER", *some)


def standing(server: Server, names: Sequence[str]) -> Mapping[str, object]:
    """All that the server has of each of them."""
    wanted = frozenset(names)
    rows: Sequence[Sequence[object]]
    if isinstance(server, PostgresServer):
        rows = server.execute("SELECT rolname, a::text FROM pg_authid a WHERE rolname LIKE 'lh%'")
    elif isinstance(server, MysqlServer):
        rows = server.execute("SELECT user, host, priv FROM mysql.global_priv")
    else:
        assert isinstance(server, RedisServer)
        rows = [(line.split()[1], line) for line in server.ask("ACL", "LIST")]
    return {str(name): rest for name, *rest in rows if name in wanted}
