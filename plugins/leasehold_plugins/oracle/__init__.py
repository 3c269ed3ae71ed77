"""The engine for Oracle Database: accounts are users of a pluggable database, with a password.

The recommended recipe is `member_of`: rights stand in a role. Oracle keeps no end of an account;
the second line, if one is wanted, is the life of passwords in a profile.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
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
    paged,
    revealed,
    varied,
)
from leasehold.plugin.dialling import Dialling
from leasehold.plugin.lanes import shares
from leasehold.plugin.statements import recipe_faults
from leasehold_plugins.oracle import address, recipes, statements
from leasehold_plugins.oracle.errors import refuses_login, translate
from leasehold_plugins.oracle.lanes import Lane
from leasehold_plugins.oracle.link import Dial, Lost, SqlError
from leasehold_plugins.oracle.making import LONGEST, make, renew
from leasehold_plugins.oracle.preflight import SEES_LIMITS, preflight
from leasehold_plugins.oracle.removal import SEES_SESSIONS, remove
from leasehold_plugins.oracle.rotation import UsedBefore, give, give_static
from leasehold_plugins.oracle.session import Session, open_session
from leasehold_plugins.oracle.thin import CONNECT_S, dial

PAGE = 1000
_GRANTS_ON = re.compile(r"\s*grant\s.*\son\s", re.IGNORECASE | re.DOTALL)
"""A right on an object; what grants a role, or lets an account log in, has no ON."""
_SESSIONS = (
    "SELECT (SELECT COUNT(*) FROM gv$session WHERE inst_id = USERENV('INSTANCE')),"
    " (SELECT TO_NUMBER(value) FROM v$parameter WHERE name = 'sessions') FROM dual"
)


class OracleEngine(BatchEngine):
    """One pluggable database, 12.2 or newer, on its own or a cluster. `dial` connects to it."""

    type: ClassVar[str] = "oracle"
    revocability: ClassVar[Revocability] = Revocability.IMMEDIATE
    name_limit: ClassVar[int] = 128
    standing_passwords: ClassVar[PasswordPolicy] = varied(PasswordPolicy(length=LONGEST))

    def __init__(self, name: str, connection: Mapping[str, Any], dial: Dial = dial) -> None:
        """Keep the connection; nothing is opened yet."""
        super().__init__(name, connection)
        self.statement_timeout_s = float(connection.get("statement_timeout", 10))
        self._dial = dial
        self._dialling = Dialling()
        self._target = ""
        issuing, revoking = shares(connection)
        self._issuing = Lane(self._connect, issuing)
        self._revoking = Lane(self._connect, revoking)

    @property
    def target_id(self) -> str:
        """The number of the database, and that of the container in it."""
        return self._target

    async def _connect(self) -> Session:
        async with self._dialling.in_task():
            session = await open_session(self.connection, self.statement_timeout_s, self._dial)
        self._target = session.target
        return session

    async def open(self) -> None:
        """Connect once. Raises EngineError."""
        async with self._revoking.session():
            pass

    async def close(self) -> None:
        """Close every connection."""
        await self._issuing.close()
        await self._revoking.close()

    async def check(self, roles: Sequence[Mapping[str, Any]] = ()) -> Health:
        """Log in anew, and name the rights that the administrator lacks for `roles`."""
        session = await self._connect()
        try:
            return await preflight(session, self.connection, roles)
        except (SqlError, Lost) as error:
            raise translate(error) from error
        finally:
            await session.close()

    async def ceilings(self, roles: Mapping[str, Mapping[str, Any]]) -> Sequence[Ceiling]:
        """Sessions of the instance we are at, whoever has them."""
        async with self._issuing.session() as session:
            if not (await session.may(SEES_LIMITS) and await session.may(SEES_SESSIONS)):
                return ()  # check names the right that is missing
            [(used, most)] = await session.execute(_SESSIONS)
        return [
            Ceiling(
                name="sessions",
                used=int(used),
                most=int(most),
                remedy="raise processes and sessions, or have clients share connections",
            )
        ]

    async def issue(self, request: IssueRequest) -> Issued:
        """Make the user, then grant it what it is for."""
        async with self._issuing.session() as session:
            password = await make(session, request)
        return Issued(credential={"username": request.account.name, "password": Secret(password)})

    async def renew(self, account: Account, expires_at: datetime) -> None:
        """See that the account stands, and do what `renew_statements` say."""
        async with self._issuing.session() as session:
            await renew(session, account, expires_at)

    async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """Take many away; what is asked of the database is asked for all at once."""
        async with self._revoking.session() as session:
            return await remove(session, accounts)

    async def login(self, credential: Mapping[str, str | Secret]) -> bool:
        """Whether the credential opens the database now."""
        where = address.read(revealed(self.connection["url"]))
        user, password = str(credential["username"]), revealed(credential["password"])
        try:
            link = await self._dial(where, user, password, CONNECT_S)
        except SqlError as error:
            if refuses_login(error):
                return False
            raise translate(error) from error
        await link.close()
        return True

    async def rotate_root(self, password: Secret) -> None:
        """Set the password of the user that we are."""
        async with self._issuing.session() as session:
            await give(session, self.connection["username"], password)

    async def rotate_static(self, username: str, password: Secret) -> None:
        """Set the password of a user that stands."""
        try:
            async with self._issuing.session() as session:
                await give_static(session, username, password, self.connection["username"])
        except UsedBefore:
            if not await self.login({"username": username, "password": password}):
                raise

    async def accounts(self, pattern: str) -> AsyncIterator[str]:
        """Page through users, and yield those that match in the small letters that we write.

        A user that was made with small letters, in quotes, is none of ours.
        """
        wanted = re.compile(pattern)
        async for name in paged(self._page, PAGE):
            if name == name.upper() and wanted.search(name.lower()):
                yield name.lower()

    async def _page(self, after: str) -> list[str]:
        async with self._revoking.session() as session:
            return [name for (name,) in await session.execute(recipes.page(after, PAGE))]

    @classmethod
    def faults(cls, role: Mapping[str, Any]) -> list[str]:
        """Statements that cannot be split or filled, and recipes that say too little or much."""
        found = recipe_faults(role)
        found += [
            f"{option}: belongs to member_of; creation_statements write it themselves"
            for option in ("profile", "tablespace")
            if option in role and "creation_statements" in role
        ]
        return found + statements.DIALECT.role_faults(role)

    @classmethod
    def lint(cls, role: Mapping[str, Any]) -> list[str]:
        """Rights that each account gets for itself."""
        if not statements.DIALECT.creates_by(_GRANTS_ON, role):
            return []
        return [
            "creation_statements: GRANT ON to each account; every right is one more row for every"
            " account in the dictionary, and how many it bears was not measured; grant to a role,"
            " use member_of"
        ]


@hookimpl
def leasehold_engine() -> type[Engine]:
    """Hand over the engine class."""
    return OracleEngine
