"""The engine on the fake of SQL Server, by logins and by users of a contained database."""

from typing import Any

from fakes.mssql import Database, FakeServer, User
from leasehold.plugin import Account, Issued, Secret
from leasehold.plugin.contract import EngineContract
from leasehold_plugins.mssql import MssqlEngine

LOGINS = {"url": "mssql://localhost/app", "username": "leasehold", "password": Secret("adm1n")}
CONTAINED = {**LOGINS, "url": "mssql://localhost/closed", "contained": True}
READER = {"member_of": ["app_readonly"]}


def new_server() -> FakeServer:
    """A server with two databases of an application, and a contained one."""
    made = FakeServer()
    for name in ("app", "reports"):
        made.databases[name] = Database(roles={"app_readonly": set()})
    made.databases["closed"] = Database(
        contained=True,
        roles={"app_readonly": set()},
        users={"leasehold": User(None, "adm1n")},
    )
    return made


def engine_for(server: FakeServer, connection: dict[str, Any]) -> MssqlEngine:
    return MssqlEngine("main", connection, server.dial)


async def issued(engine: MssqlEngine, **options: Any) -> tuple[Account, Issued]:
    """An account of a role with these options, and its credential."""
    account = EngineContract.account(engine, options or READER)
    return account, await EngineContract.issue(engine, account)


def clear(issued: Issued) -> str:
    password = issued.credential["password"]
    assert isinstance(password, Secret)
    return password.reveal()
