"""What the administrator lacks, found before the first account is made, with the line to run.

The server is asked for each right by HAS_PERMS_BY_NAME, which counts what comes by roles too.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from leasehold.plugin import Health
from leasehold_plugins.mssql import recipes
from leasehold_plugins.mssql.session import Session
from leasehold_plugins.mssql.statements import identifier, literal

OLDEST = 13
"""SQL Server 2016, the first with DROP USER IF EXISTS."""
_FIXED = "db_"
"""How the names of the roles begin that every database has; only db_owner may change them."""

Roles = Sequence[Mapping[str, Any]]


def preflight(session: Session, roles: Roles) -> Health:
    """Look at the server, and at the rights that roles with these options need."""
    missing = [*_Look(session).missing(roles)]
    reason = "rights or settings are missing" if missing else ""
    return Health(
        ok=not missing, reason=reason, missing=tuple(missing), version=str(session.server)
    )


class _Look:
    def __init__(self, session: Session) -> None:
        self._session = session
        [(me,)] = session.execute("SELECT SUSER_SNAME()")
        self._me = identifier(str(me))

    def missing(self, roles: Roles) -> Iterator[str]:
        session, server = self._session, self._session.server
        if server.major < OLDEST and server.takes_verifier:
            yield f"{server} is older than SQL Server 2016, the oldest that is supported"
            return
        if session.contained:
            yield from self._containment()
        else:
            if server.is_azure_database:
                yield (
                    "Azure SQL Database makes no logins from a database; write contained: true in"
                    " the connection"
                )
                return
            yield from self._server()
        yield from self._sessions()
        home = server.database
        for database in sorted({it for role in roles for it in recipes.databases_of(role, home)}):
            groups = {
                group
                for role in roles
                if database in recipes.databases_of(role, home)
                for group in role.get("member_of", ())
            }
            yield from self._database(database, sorted(groups))

    def _server(self) -> Iterator[str]:
        query = "SELECT CONVERT(int, SERVERPROPERTY('IsIntegratedSecurityOnly'))"
        [(windows_only,)] = self._session.execute(query)
        if windows_only:
            yield (
                "the server takes logins of Windows only; switch it to SQL Server and Windows"
                " authentication, and start it anew"
            )
        if not self._session.sees_accounts:
            yield f"cannot make logins: {self._grant('ALTER ANY LOGIN')}"

    def _containment(self) -> Iterator[str]:
        server = self._session.server
        if server.is_azure_database:
            return
        query = "SELECT containment FROM sys.databases WHERE name = DB_NAME()"
        [(containment,)] = self._session.execute(query)
        if not containment:
            name = identifier(server.database)
            yield (
                f"the database has no contained users: ALTER DATABASE {name}"
                " SET CONTAINMENT = PARTIAL;"
            )
        query = (
            "SELECT CONVERT(int, value_in_use) FROM sys.configurations"
            " WHERE name = N'contained database authentication'"
        )
        if self._session.execute(query) != [(1,)]:
            yield (
                "the server takes no logins of contained users:"
                " EXEC sp_configure 'contained database authentication', 1; RECONFIGURE;"
            )

    def _sessions(self) -> Iterator[str]:
        session, server = self._session, self._session.server
        if not session.sees_sessions:
            line = (
                self._grant("VIEW DATABASE STATE", server.database)
                if server.is_azure_database
                else self._grant("VIEW SERVER STATE")
            )
            yield f"cannot see sessions: {line}"
        if server.is_azure_database:
            if not session.may("KILL DATABASE CONNECTION", on=server.database):
                line = self._grant("KILL DATABASE CONNECTION", server.database)
                yield f"cannot end sessions: {line}"
        elif not session.may("ALTER ANY CONNECTION"):
            yield f"cannot end sessions: {self._grant('ALTER ANY CONNECTION')}"

    def _database(self, database: str, groups: Sequence[str]) -> Iterator[str]:
        session, name = self._session, identifier(database)
        [(enters,)] = session.execute(f"SELECT HAS_DBACCESS({literal(database)})")
        if enters is None:
            yield f"database {database} is missing"
            return
        if not enters:
            yield (
                f"cannot enter database {database}: USE {name};"
                f" CREATE USER {self._me} FOR LOGIN {self._me};"
            )
            return
        if not session.may("ALTER ANY USER", on=database):
            yield f"cannot make users in {database}: {self._grant('ALTER ANY USER', database)}"
        for group in groups:
            yield from self._group(database, group)

    def _group(self, database: str, group: str) -> Iterator[str]:
        name, use = identifier(group), f"USE {identifier(database)};"
        if group.lower().startswith(_FIXED):
            query = "SELECT IS_ROLEMEMBER(N'db_owner')"
            if self._in(database, query) != [(1,)]:
                yield (
                    f"cannot add members to {group} in {database}, since only db_owner may; make a"
                    f" role of your own with its rights: {use} CREATE ROLE [app_role];"
                )
            return
        right = f"HAS_PERMS_BY_NAME({literal(name)}, N'ROLE', N'ALTER')"
        query = (
            f"SELECT {right}, (SELECT COUNT(*) FROM sys.database_principals"  # noqa: S608 (quoted)
            f" WHERE type = 'R' AND name = {literal(group)})"
        )
        [(may, there)] = self._in(database, query)
        if may:
            return
        if there:
            yield (
                f"cannot add members to role {group} in {database}: {use}"
                f" GRANT ALTER ON ROLE::{name} TO {self._me};"
            )
        else:
            yield (
                f"role {group} is missing in {database}, or cannot be seen: {use}"
                f" CREATE ROLE {name}; GRANT ALTER ON ROLE::{name} TO {self._me};"
            )

    def _in(self, database: str, query: str) -> list[tuple[Any, ...]]:
        if database == self._session.server.database:
            return self._session.execute(query)
        return self._session.execute(recipes.inside(database, query))

    def _grant(self, right: str, database: str = "master") -> str:
        return f"USE {identifier(database)}; GRANT {right} TO {self._me};"
