"""One connection of the administrator: which server it is, and what we may see of it.

The identity is the server's name (machine and instance) where accounts are logins, since logins
stay at their server; it is the database's own GUID where accounts are contained in a database,
since they go with it to another replica and into a copy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leasehold.plugin import EnginePermanent, ErrorClass, revealed
from leasehold_plugins.mssql import address
from leasehold_plugins.mssql.address import Address, invalid
from leasehold_plugins.mssql.errors import refuses_login, translate
from leasehold_plugins.mssql.link import Dial, Link, Lost, Row, SqlError
from leasehold_plugins.mssql.statements import identifier, literal

AZURE_DATABASE, MANAGED_INSTANCE = 5, 8
"""Values of EngineEdition: where the server takes no verifier; at the first, no login from here."""
_ABOUT = (
    "SELECT CONVERT(nvarchar(128), SERVERPROPERTY('ProductVersion')),"
    " CONVERT(int, SERVERPROPERTY('EngineEdition')),"
    " CONVERT(nvarchar(256), SERVERPROPERTY('ServerName')), DB_NAME(),"
    " (SELECT CONVERT(nvarchar(36), service_broker_guid) FROM sys.databases WHERE name = DB_NAME())"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What answers: its version as it writes it, its edition, and the database we are in."""

    version: str
    edition: int
    database: str

    @property
    def major(self) -> int:
        """13 is SQL Server 2016, 16 is 2022."""
        return int(self.version.partition(".")[0])

    @property
    def is_azure_database(self) -> bool:
        """Whether it is Azure SQL Database, where each database is a server by itself."""
        return self.edition == AZURE_DATABASE

    @property
    def takes_verifier(self) -> bool:
        """Whether CREATE LOGIN takes a password that is hashed already."""
        return self.edition not in (AZURE_DATABASE, MANAGED_INSTANCE)

    def __str__(self) -> str:
        return f"{'Azure SQL' if not self.takes_verifier else 'SQL Server'} {self.version}"


class Session:
    """An open connection. Raises EngineError when it cannot be made, the link's errors after."""

    def __init__(self, connection: Mapping[str, Any], limit_s: int, dial: Dial) -> None:
        self.contained = bool(connection.get("contained", False))
        where, password = where_of(connection), revealed(connection["password"])
        try:
            self._link: Link = dial(
                where, revealed(connection["username"]), password, where.database, limit_s
            )
        except SqlError as error:
            if refuses_login(error):
                raise EnginePermanent(
                    "SQL Server refuses the administrator's login; look at username, password and"
                    " the database in url",
                    error_class=ErrorClass.DENIED,
                ) from error
            raise translate(error) from error
        try:
            self._prepare(limit_s)
        except (SqlError, Lost) as error:
            self.close()
            raise translate(error) from error
        except BaseException:
            self.close()
            raise

    def _prepare(self, limit_s: int) -> None:
        self.execute(f"SET XACT_ABORT ON; SET LOCK_TIMEOUT {limit_s * 1000}")
        [(version, edition, name, database, guid)] = self.execute(_ABOUT)
        self.server = Server(version=str(version), edition=int(edition), database=str(database))
        identity = f"database:{guid}" if self.contained else f"server:{name}"
        self.target = f"mssql:{identity}".lower()

    def execute(self, statement: str) -> list[Row]:
        """Run one batch and return the rows of its last result. Raises SqlError, Lost."""
        return self._link.execute(statement)

    def go_home(self) -> None:
        """Back to the database in the URL, from where a role's own USE went."""
        if not self.server.is_azure_database:
            self.execute(f"USE {identifier(self.server.database)}")

    def may(self, right: str, *, on: str | None = None) -> bool:
        """Whether we have a right at the server, or in the database `on`."""
        where = "NULL, NULL" if on is None else f"{literal(identifier(on))}, N'DATABASE'"
        [(found,)] = self.execute(f"SELECT HAS_PERMS_BY_NAME({where}, {literal(right)})")
        return bool(found)

    @property
    def sees_accounts(self) -> bool:
        """Whether the server shows us accounts of others, so that one not shown is gone."""
        if self.contained:
            return self.may("ALTER ANY USER", on=self.server.database)
        return self.may("ALTER ANY LOGIN")

    @property
    def sees_sessions(self) -> bool:
        """Whether the server shows us sessions of others."""
        if self.server.is_azure_database:
            return self.may("VIEW DATABASE STATE", on=self.server.database)
        return self.may("VIEW SERVER STATE") or (
            self.server.major >= 16 and self.may("VIEW SERVER PERFORMANCE STATE")
        )

    def is_alive(self) -> bool:
        """Whether the server left the idle connection open, told without a round trip."""
        return self._link.is_alive()

    def is_open(self) -> bool:
        """Whether the connection outlived its last statement."""
        return self._link.is_open()

    def abort(self) -> None:
        """Cut the connection off, so that a thread that waits for it goes on at once."""
        self._link.abort()

    def close(self) -> None:
        """Close the connection, quietly."""
        self._link.close()


def where_of(connection: Mapping[str, Any]) -> Address:
    """Where `connection` leads. Raises EnginePermanent."""
    where = address.read(revealed(connection["url"]))
    if connection.get("contained") and where.database == address.SYSTEM:
        raise invalid(
            "connection.url names no database, and contained accounts live in one; write"
            " mssql://host:1433/database"
        )
    return where
