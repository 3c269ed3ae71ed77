"""The SQL Server engine: accounts are a login, and a user of it in each database they may enter.

Or, where the connection says `contained`, users with a password of one database, without a login,
as Azure SQL Database has them. The recommended recipe is `member_of`: rights stand in a database
role. The server keeps no end of an account, so there is no second line here.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from leasehold.plugin import (
    Account,
    BatchEngine,
    Ceiling,
    Engine,
    EngineError,
    Health,
    Issued,
    IssueRequest,
    PasswordPolicy,
    Removal,
    Revocability,
    Secret,
    hookimpl,
    make_password,
    paged,
    revealed,
    varied,
)
from leasehold.plugin.dialling import Dialling
from leasehold.plugin.lanes import Driver, Lane, shares
from leasehold.plugin.statements import recipe_faults
from leasehold_plugins.mssql import recipes, statements
from leasehold_plugins.mssql.errors import refuses_login, translate
from leasehold_plugins.mssql.link import Dial, Lost, SqlError
from leasehold_plugins.mssql.making import make, renew
from leasehold_plugins.mssql.preflight import preflight
from leasehold_plugins.mssql.removal import remove
from leasehold_plugins.mssql.rotation import NotNow, give, give_ours
from leasehold_plugins.mssql.session import Session, where_of
from leasehold_plugins.mssql.tds import CONNECT_S, dial

PAGE = 1000
_GRANTS = re.compile(r"\s*grant\s", re.IGNORECASE)
_MAKERS = ("db_owner", "db_accessadmin")
_DRIVER = Driver("SQL Server", (SqlError, Lost), translate)
_CONNECTIONS = (
    "SELECT (SELECT COUNT(*) FROM sys.dm_exec_sessions WHERE is_user_process = 1),"
    " @@MAX_CONNECTIONS"
)


class MssqlEngine(BatchEngine):
    """One server, or one database whose accounts are contained. `dial` makes its connections."""

    type: ClassVar[str] = "mssql"
    revocability: ClassVar[Revocability] = Revocability.IMMEDIATE
    name_limit: ClassVar[int] = 128
    standing_passwords: ClassVar[PasswordPolicy] = varied(PasswordPolicy())

    def __init__(self, name: str, connection: Mapping[str, Any], dial: Dial = dial) -> None:
        """Keep the connection; nothing is opened yet."""
        super().__init__(name, connection)
        self.statement_timeout_s = float(connection.get("statement_timeout", 10))
        self._dial = dial
        self._dialling = Dialling()
        self._target = ""
        issuing, revoking = shares(connection)
        self._issuing = Lane(self._connect, issuing, _DRIVER, "issuing")
        self._revoking = Lane(self._connect, revoking, _DRIVER, "revoking")

    @property
    def target_id(self) -> str:
        """The server's name, or the GUID of the database whose accounts are contained."""
        return self._target

    def _connect(self) -> Session:
        with self._dialling.in_thread():
            session = Session(self.connection, int(self.statement_timeout_s), self._dial)
        self._target = session.target
        return session

    async def open(self) -> None:
        """Connect once. Raises EngineError."""
        await self._revoking.run(lambda _: None)

    async def close(self) -> None:
        """Close every connection."""
        await self._issuing.close()
        await self._revoking.close()

    async def check(self, roles: Sequence[Mapping[str, Any]] = ()) -> Health:
        """Log in anew, and name the rights that the administrator lacks for `roles`."""
        return await asyncio.to_thread(self._check, roles)

    def _check(self, roles: Sequence[Mapping[str, Any]]) -> Health:
        session = self._connect()
        try:
            return preflight(session, roles)
        except _DRIVER.errors as error:
            raise translate(error) from error
        finally:
            session.close()

    async def ceilings(self, roles: Mapping[str, Mapping[str, Any]]) -> Sequence[Ceiling]:
        """Connections, whoever has them; Azure SQL Database does not tell its limit."""
        return await self._issuing.run(_ceilings)

    async def issue(self, request: IssueRequest) -> Issued:
        """Make the login, then its users, with a statement for each database."""
        password = make_password(varied(request.password_policy))
        await self._issuing.run(lambda session: make(session, request, password))
        return Issued(credential={"username": request.account.name, "password": Secret(password)})

    async def renew(self, account: Account, expires_at: datetime) -> None:
        """See that the account stands, and do what `renew_statements` say."""
        await self._issuing.run(lambda session: renew(session, account, expires_at))

    async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """Take many away, each stage in few statements for all."""
        return await self._revoking.run(lambda session: remove(session, accounts))

    async def login(self, credential: Mapping[str, str | Secret]) -> bool:
        """Whether the credential opens the server now."""
        user, password = str(credential["username"]), revealed(credential["password"])
        return await asyncio.to_thread(self._login, user, password)

    def _login(self, user: str, password: str) -> bool:
        where = where_of(self.connection)
        # A login opens its own default database; it need not be a user of ours.
        database = where.database if self.connection.get("contained") else None
        try:
            self._dial(where, user, password, database, CONNECT_S).close()
        except SqlError as error:
            if refuses_login(error):
                return False
            raise translate(error) from error
        return True

    async def rotate_root(self, password: Secret) -> None:
        """Set the password of the login or user that we are."""
        old = revealed(self.connection["password"])
        await self._issuing.run(lambda session: give_ours(session, password, old))

    async def rotate_static(self, username: str, password: Secret) -> None:
        """Set the password of a login that stands; contained, of a user."""
        admin = revealed(self.connection["username"])
        try:
            await self._issuing.run(lambda session: give(session, username, password, admin))
        except NotNow:
            if not await self.login({"username": username, "password": password}):
                raise

    async def accounts(self, pattern: str) -> AsyncIterator[str]:
        """Page through the names of accounts, and yield those that match."""
        wanted = re.compile(pattern)
        async for name in paged(
            lambda after: self._revoking.run(partial(_page, after=after)), PAGE
        ):
            if wanted.search(name):
                yield name

    @classmethod
    def faults(cls, role: Mapping[str, Any]) -> list[str]:
        """Statements that cannot be split or filled, and recipes that say too little or much."""
        found = recipe_faults(role)
        if "databases" in role and "creation_statements" in role:
            found.append(
                "databases: belongs to member_of; creation_statements go into databases by USE"
            )
        found += [
            f"{key}: {name!a} holds a character that cannot be shown"
            for key in ("member_of", "databases")
            for name in role.get(key, ())
            if not name.isprintable()
        ]
        return found + statements.DIALECT.role_faults(role)

    @classmethod
    def lint(cls, role: Mapping[str, Any]) -> list[str]:
        """Roles that give too much, and rights that each account gets for itself."""
        warnings = [
            f"member_of: {group} may make users of its own, which outlive the account; make a role"
            " with the rights that are needed"
            for group in role.get("member_of", ())
            if group.lower() in _MAKERS
        ]
        if statements.DIALECT.creates_by(_GRANTS, role):
            warnings.append(
                "creation_statements: GRANT to each account; every right is one more row for every"
                " account in the database's permissions, and how many it bears was not measured;"
                " grant to a database role, use member_of"
            )
        return warnings


def _ceilings(session: Session) -> list[Ceiling]:
    if session.server.is_azure_database or not session.sees_sessions:
        return []
    [(used, most)] = session.execute(_CONNECTIONS)
    return [
        Ceiling(
            name="connections",
            used=int(used),
            most=int(most),
            remedy="raise user connections, or have clients share connections",
        )
    ]


def _page(session: Session, after: str) -> list[str]:
    query = recipes.page(after, PAGE, contained=session.contained)
    return [str(name) for (name,) in session.execute(query)]


@hookimpl
def leasehold_engine() -> type[Engine]:
    """Hand over the engine class."""
    return MssqlEngine
