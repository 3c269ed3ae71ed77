"""The engine for MySQL and MariaDB: accounts with a password, whose verifier is made here.

The recommended recipe is `member_of`: rights stand in a role, and an account is one row more.
Neither server has an end of an account to the second, so the second line is a password that expires
after whole days. PyMySQL blocks; it runs in threads.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

import pymysql

from leasehold.plugin import (
    Account,
    BatchEngine,
    Ceiling,
    Engine,
    EngineError,
    Health,
    Issued,
    IssueRequest,
    Removal,
    Revocability,
    Secret,
    hookimpl,
    make_password,
    paged,
    revealed,
)
from leasehold.plugin.dialling import Dialling
from leasehold.plugin.lanes import Driver, Lane, shares
from leasehold.plugin.statements import BadStatement, recipe_faults
from leasehold_plugins.mysql import statements
from leasehold_plugins.mysql.connecting import CONNECT_S, address_of, close, connect
from leasehold_plugins.mysql.errors import refuses_login, translate
from leasehold_plugins.mysql.given_up import GivenUp
from leasehold_plugins.mysql.making import make, renew
from leasehold_plugins.mysql.preflight import preflight
from leasehold_plugins.mysql.removal import remove
from leasehold_plugins.mysql.rotation import give, give_ours, lacking
from leasehold_plugins.mysql.session import Session

PAGE = 1000
_DRIVER = Driver("MySQL", (pymysql.MySQLError,), translate)

_GRANTS_ON = re.compile(r"\s*grant\s.*\son\s", re.IGNORECASE | re.DOTALL)
"""A right of its own; what grants a role has no ON."""


class MysqlEngine(BatchEngine):
    """One server, or one cluster whose servers have the same accounts."""

    type: ClassVar[str] = "mysql"
    revocability: ClassVar[Revocability] = Revocability.IMMEDIATE
    name_limit: ClassVar[int] = 32

    def __init__(self, name: str, connection: Mapping[str, Any]) -> None:
        """Keep the connection; nothing is opened yet."""
        super().__init__(name, connection)
        self.statement_timeout_s = float(connection.get("statement_timeout", 10))
        self._dialling = Dialling()
        self._target = ""
        self._given_up = GivenUp()
        issuing, revoking = shares(connection)
        self._issuing = Lane(self._connect, issuing, _DRIVER, "issuing")
        self._revoking = Lane(self._connect, revoking, _DRIVER, "revoking")

    @property
    def target_id(self) -> str:
        """MySQL's server_uuid, MariaDB's server_uid, or the name of the cluster."""
        return self._target

    def _connect(self) -> Session:
        with self._dialling.in_thread():
            session = Session(self.connection, self.statement_timeout_s, self._given_up)
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
            return preflight(session, roles, is_cluster="cluster" in self.connection)
        except pymysql.MySQLError as error:
            raise translate(error) from error
        finally:
            session.close()

    async def ceilings(self, roles: Mapping[str, Mapping[str, Any]]) -> Sequence[Ceiling]:
        """Connections, whoever has them."""
        return [await self._issuing.run(_connections)]

    async def issue(self, request: IssueRequest) -> Issued:
        """Make the account: one statement on MySQL, three on MariaDB."""
        password = make_password(request.password_policy)
        await self._issuing.run(lambda session: make(session, request, password))
        return Issued(credential={"username": request.account.name, "password": Secret(password)})

    async def renew(self, account: Account, expires_at: datetime) -> None:
        """Move the day on which the password expires, or do what `renew_statements` say."""
        await self._issuing.run(lambda session: renew(session, account, expires_at))

    async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """Take many away, each stage in one statement for all."""
        return await self._revoking.run(lambda session: remove(session, accounts))

    async def login(self, credential: Mapping[str, str | Secret]) -> bool:
        """Whether the credential opens the server now, from this host."""
        user, password = str(credential["username"]), revealed(credential["password"])
        return await asyncio.to_thread(self._login, user, password)

    def _login(self, user: str, password: str) -> bool:
        try:
            # Without a database, to which the account may have no right.
            where = replace(address_of(self.connection), database=None)
            conn, handle = connect(where, user, password, CONNECT_S)
            try:
                # A password that expired may let in to no more than its change.
                conn.query("SELECT 1")
            finally:
                close(conn, handle)
        except pymysql.MySQLError as error:
            if refuses_login(error):
                return False
            raise translate(error) from error
        return True

    async def rotate_root(self, password: Secret) -> None:
        """Set the password of the account that we are."""
        await self._issuing.run(lambda session: give_ours(session, password))

    async def rotate_static(self, username: str, password: Secret) -> None:
        """Set the password of an account that stands, at each of its hosts."""
        await self._issuing.run(lambda session: give(session, username, password))

    async def check_rotation(self, username: str | None) -> Sequence[str]:
        """Look at the rights for an account that stands, and at how it logs in."""
        return await self._issuing.run(lambda session: lacking(session, username))

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
        if "host" in role and "creation_statements" in role:
            found.append(
                "host: belongs to member_of; creation_statements write the host themselves"
            )
        return found + statements.DIALECT.role_faults(role)

    @classmethod
    def lint(cls, role: Mapping[str, Any]) -> list[str]:
        """Statements that work today and will hurt."""
        created = role.get("creation_statements", [])
        try:
            made = statements.render(created, statements.EXAMPLE)
            in_clear = statements.sends_password(created)
        except BadStatement:
            return []
        warnings = []
        if in_clear:
            warnings.append(
                "creation_statements: {{password}} stands where no verifier can, so the clear"
                " password is sent and may stand in the server's logs; write IDENTIFIED BY"
                " '{{password}}' or use {{verifier}}"
            )
        if any(_GRANTS_ON.match(text) for text in made):
            warnings.append(
                "creation_statements: GRANT ON to each account; with 5,000 such accounts the server"
                " takes four times as long to make one more; grant to a role, use member_of"
            )
        if made and not any("password expire" in text.lower() for text in made):
            warnings.append(
                "creation_statements: set no PASSWORD EXPIRE INTERVAL {{expire_days}} DAY, so the"
                " server would never end the password if leasehold were dead"
            )
        return warnings


def _connections(session: Session) -> Ceiling:
    [(most,)] = session.execute("SELECT @@global.max_connections")
    [(_, used)] = session.execute("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
    return Ceiling(
        name="connections",
        used=int(used),
        most=int(most),
        remedy="raise max_connections, or have clients share connections",
    )


def _page(session: Session, after: str) -> list[str]:
    query = "SELECT DISTINCT user FROM mysql.user WHERE user > %s ORDER BY user LIMIT %s"
    return [name for (name,) in session.execute(query, (after, PAGE))]


@hookimpl
def leasehold_engine() -> type[Engine]:
    """Hand over the engine class."""
    return MysqlEngine
