"""The PostgreSQL engine: accounts are roles that may log in, with a SCRAM verifier for a password.

The recommended recipe is `member_of`: rights stand in a group role, and an account is one row more.
A GRANT per account writes into the table's own row, which is full at about 2,400 accounts.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import psycopg

from leasehold.plugin import (
    Account,
    BatchEngine,
    Ceiling,
    Engine,
    EngineError,
    EngineTemporary,
    Health,
    Issued,
    IssueRequest,
    PasswordPolicy,
    Removal,
    Revocability,
    Secret,
    TargetChanged,
    failpoint,
    hookimpl,
    paged,
    revealed,
)
from leasehold.plugin.statements import BadStatement, recipe_faults
from leasehold_plugins.postgresql import ceilings, looking, recipes, statements
from leasehold_plugins.postgresql.errors import translate
from leasehold_plugins.postgresql.iam import TokenPasswords
from leasehold_plugins.postgresql.passwords import Password, Passwords
from leasehold_plugins.postgresql.pools import Connection, Pools
from leasehold_plugins.postgresql.preflight import preflight
from leasehold_plugins.postgresql.rehearsal import rehearse
from leasehold_plugins.postgresql.removal import Remover, run_together
from leasehold_plugins.postgresql.rotation import give, lacking

PAGE = 1000


class PostgresqlEngine(BatchEngine):
    """One PostgreSQL cluster, 14 or newer."""

    type: ClassVar[str] = "postgresql"
    revocability: ClassVar[Revocability] = Revocability.IMMEDIATE
    name_limit: ClassVar[int] = 63

    def __init__(self, name: str, connection: Mapping[str, Any]) -> None:
        """Keep the connection; nothing is opened yet."""
        super().__init__(name, connection)
        self.statement_timeout_s = float(connection.get("statement_timeout", 10))
        self._pools = Pools(connection, self.statement_timeout_s)
        self._passwords = Passwords()
        self._account_tokens = TokenPasswords("aws_iam", connection.get("aws_region"))
        self._remover = Remover(self._pools)

    @property
    def target_id(self) -> str:
        """The cluster's system identifier, which replicas and restored backups share."""
        return self._pools.target

    async def open(self) -> None:
        """Connect once, then keep two pools. Raises EngineError."""
        await self._pools.open()

    async def close(self) -> None:
        """Close every connection."""
        self._passwords.close()
        self._account_tokens.close()
        await self._pools.close()

    async def check(self, roles: Sequence[Mapping[str, Any]] = ()) -> Health:
        """Log in anew, and name the rights that the administrator lacks for `roles`."""
        groups = [group for role in roles for group in recipes.groups_of(role)]
        heirs = [role["reassign_owned_to"] for role in roles if "reassign_owned_to" in role]
        async with self._pools.fresh() as conn:
            return await preflight(conn, groups, heirs)

    async def ceilings(self, roles: Mapping[str, Mapping[str, Any]]) -> Sequence[Ceiling]:
        """Connections, and grants on tables where accounts of these roles get some."""
        async with self._pools.fresh() as conn:
            return await ceilings.measure(conn, roles)

    async def issue(self, request: IssueRequest) -> Issued:
        """Make the account in one transaction and one round trip."""
        account = request.account
        password = await self._password_for(account, request.password_policy)
        expiry = request.expires_at.isoformat()
        recipe = (account.role, account.name, password.verifier, expiry)
        name = statements.identifier(account.name)
        commands = [
            *recipes.creation(*recipe),
            f"COMMENT ON ROLE {name} IS {statements.literal(request.comment)}",
            looking.oid_query(account.name),
        ]
        async with self._pools.issuing() as conn:
            if self._pools.target_of(conn) != account.target:
                raise TargetChanged("PostgreSQL was replaced by another cluster meanwhile")
            failpoint("postgresql.issue.connected")
            try:
                made = await run_together(conn, commands)
                while made.nextset():
                    pass
                [(oid,)] = await made.fetchall()
            except psycopg.Error as error:
                await _roll_back(conn, recipes.rollback(*recipe))
                raise translate(error, sent=True) from error
            failpoint("postgresql.issue.sent")
        return Issued(
            credential={"username": account.name, "password": password.clear},
            handle={looking.OID: str(oid)},
        )

    async def _password_for(self, account: Account, policy: PasswordPolicy) -> Password:
        if recipes.by_token(account.role):
            token = await self._pools.token(self._account_tokens, account.name)
            return Password(token, verifier="")
        return await self._passwords.take(policy)

    async def renew(self, account: Account, expires_at: datetime) -> None:
        """Move VALID UNTIL, or do what the role's `renew_statements` say."""
        commands = recipes.renewal(account.role, account.name, expires_at.isoformat())
        async with self._pools.issuing() as conn:
            if self._pools.target_of(conn) != account.target:
                raise TargetChanged("the account was made at another PostgreSQL cluster")
            await run_together(conn, commands)

    async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """Take many away, those on which nothing hangs in one statement."""
        return await self._remover.remove(accounts)

    async def login(self, credential: Mapping[str, str | Secret]) -> bool:
        """Whether the credential opens the database now."""
        user, password = str(credential["username"]), revealed(credential["password"])
        parameters = {**self._pools.place(), "user": user, "password": password}
        try:
            async with await psycopg.AsyncConnection.connect(**parameters):
                return True
        except psycopg.OperationalError as error:
            # Only a refusal of this very user names it; anything else is the target's trouble.
            if "FATAL" in str(error) and user in str(error):
                return False
            raise EngineTemporary("PostgreSQL cannot be reached") from error

    async def rotate_root(self, password: Secret) -> None:
        """ALTER ROLE of the administrator itself."""
        async with self._pools.issuing() as conn:
            await give(conn, self._pools.username, password)

    async def rotate_static(self, username: str, password: Secret) -> None:
        """ALTER ROLE of an account that stands."""
        async with self._pools.issuing() as conn:
            await give(conn, username, password)

    async def check_rotation(self, username: str | None) -> Sequence[str]:
        """Look at the rights for an account that stands; our own password every role may change."""
        if username is None:
            return ()
        async with self._pools.fresh() as conn:
            return await lacking(conn, username)

    async def rehearse(
        self, role: Mapping[str, Any], expires_at: datetime, password_policy: PasswordPolicy
    ) -> None:
        """Make an account and take it away in a transaction that is rolled back."""
        password = await self._passwords.take(password_policy)
        async with self._pools.issuing() as conn:
            await rehearse(conn, role, password.verifier, expires_at.isoformat())

    async def accounts(self, pattern: str) -> AsyncIterator[str]:
        """Page through roles whose name matches."""
        query = (
            "SELECT rolname FROM pg_roles WHERE rolname ~ %s AND rolname > %s"
            " ORDER BY rolname LIMIT %s"
        )

        async def page(after: str) -> list[str]:
            async with self._pools.revoking() as conn:
                rows = await (await conn.execute(query, (pattern, after, PAGE))).fetchall()
            return [name for (name,) in rows]

        async for name in paged(page, PAGE):
            yield name

    @classmethod
    def faults(cls, role: Mapping[str, Any]) -> list[str]:
        """Statements that cannot be split or filled, and recipes that say too little or much."""
        found = recipe_faults(role)
        if recipes.by_token(role) and "member_of" not in role:
            found.append("login: rds_iam goes with member_of, not with creation_statements")
        return found + statements.DIALECT.role_faults(role)

    @classmethod
    def lint(cls, role: Mapping[str, Any]) -> list[str]:
        """Statements that work today and will hurt."""
        try:
            made = statements.render(role.get("creation_statements", []), statements.EXAMPLE)
        except BadStatement:
            return []
        warnings = []
        if recipes.grants_on_tables(role):
            warnings.append(
                "creation_statements: GRANT on tables to each account; a table's row is full at"
                " about 2,400 accounts (SQLSTATE 54000); grant to a group role, use member_of"
            )
        if recipes.grants_on_others(role):
            warnings.append(
                "creation_statements: GRANT on a database, schema or function to each account; with"
                " 10,000 such accounts one GRANT takes 30 times as long, and accounts are removed"
                " one by one; grant to a group role, use member_of"
            )
        if made and not any("valid until" in text.lower() for text in made):
            warnings.append(
                "creation_statements: set no VALID UNTIL '{{expiration}}', so the server would not"
                " end the password if leasehold were dead"
            )
        return warnings


async def _roll_back(conn: Connection, commands: Sequence[str]) -> None:
    if commands and not conn.closed:
        await run_together(conn, commands)


@hookimpl
def leasehold_engine() -> type[Engine]:
    """Hand over the engine class."""
    return PostgresqlEngine
