"""A role tried out: account made, renewed and taken away in one transaction that is rolled back.

Nothing of it is ever visible to another session, and no session of anybody is ended. What a
rollback would not undo is not run: a statement that ends the transaction makes the role impossible
to rehearse, and statements that end sessions are left out.
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from leasehold.plugin import EngineError, EnginePermanent, EngineTemporary, ErrorClass, failpoint
from leasehold_plugins.postgresql import recipes, statements
from leasehold_plugins.postgresql.errors import translate
from leasehold_plugins.postgresql.pools import Connection, is_superuser

PREFIX = "lhrehearsal_"
_ENDS_TRANSACTION = re.compile(
    r"\s*(abort|begin|commit|end|prepare\s+transaction|release|rollback|savepoint|start)\b",
    re.IGNORECASE,
)
_ENDS_SESSIONS = re.compile(r"\bpg_(cancel|terminate)_backend\b", re.IGNORECASE)
_NOT_INSIDE = ("25001", "2D000")
"""What the server says of a statement that cannot run inside a transaction."""
_CAN_LOGIN = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s"

Step = tuple[str, str]
"""What a statement is, in words, and the statement."""


async def rehearse(conn: Connection, role: Mapping[str, Any], secret: str, expiry: str) -> None:
    """Prove the role on `conn`, which is idle before and after. Raises EngineError."""
    name = PREFIX + secrets.token_hex(8)
    run = _Run(conn)
    async with conn.transaction(force_rollback=True):
        await run.all(_made(role, name, secret, expiry))
        await _see(conn, name)
        failpoint("postgresql.rehearse.made")
        if "renew_statements" in role:
            await run.all(_numbered("renew_statements", recipes.renewal(role, name, expiry)))
        await run.all(_gone(role, name, as_superuser=is_superuser(conn)))


def _made(role: Mapping[str, Any], name: str, secret: str, expiry: str) -> Iterator[Step]:
    commands = recipes.creation(role, name, secret, expiry)
    if "creation_statements" in role:
        yield from _numbered("creation_statements", commands)
    else:
        yield from (("member_of", command) for command in commands)


def _gone(role: Mapping[str, Any], name: str, *, as_superuser: bool) -> Iterator[Step]:
    account = statements.identifier(name)
    yield "disabling the account", f"ALTER ROLE {account} NOLOGIN PASSWORD NULL CONNECTION LIMIT 0"
    if not as_superuser:
        yield "becoming a member of the account", f"GRANT {account} TO CURRENT_USER"
    commands = recipes.revocation(role, name)
    if "revocation_statements" in role:
        yield from _numbered("revocation_statements", commands)
        yield "DROP ROLE after revocation_statements", f"DROP ROLE IF EXISTS {account}"
    else:
        words = "reassign_owned_to" if "reassign_owned_to" in role else "DROP OWNED"
        yield from ((words, command) for command in commands)
        yield "DROP ROLE", f"DROP ROLE IF EXISTS {account}"


def _numbered(option: str, commands: Iterable[str]) -> Iterator[Step]:
    for number, command in enumerate(commands, 1):
        yield f"statement {number} of {option}", command


async def _see(conn: Connection, name: str) -> None:
    row = await (await conn.execute(_CAN_LOGIN, (name,))).fetchone()
    if row is None:
        raise EnginePermanent(
            "creation_statements make no role called {{name}}", error_class=ErrorClass.INVALID
        )
    if not row[0]:
        raise EnginePermanent(
            "creation_statements make a role that cannot log in; write LOGIN after CREATE ROLE",
            error_class=ErrorClass.INVALID,
        )


@dataclass(slots=True)
class _Run:
    """Runs statements one by one, and remembers which it could not run."""

    conn: Connection
    left_out: list[str] = field(default_factory=list)

    async def all(self, steps: Iterable[Step]) -> None:
        for words, command in steps:
            if _ENDS_TRANSACTION.match(command):
                raise _unsupported(f"{words} would end the transaction, so it cannot be rehearsed")
            if _ENDS_SESSIONS.search(command):
                self.left_out.append(words)
                continue
            try:
                await self.conn.execute(command)
            except psycopg.Error as error:
                raise self._told(words, error) from error

    def _told(self, words: str, error: psycopg.Error) -> EngineError:
        found = translate(error, sent=False)
        if isinstance(found, EngineTemporary):
            return EngineTemporary(f"{words}: {found.reason}")
        if error.sqlstate in _NOT_INSIDE:
            return _unsupported(
                f"{words} cannot run inside a transaction, so it cannot be rehearsed"
                f" ({error.sqlstate})"
            )
        if self.left_out:
            return _unsupported(
                f"{self.left_out[0]} ends sessions, so it was left out; without it,"
                f" {words}: {found.reason}"
            )
        return EnginePermanent(f"{words}: {found.reason}", error_class=found.error_class)


def _unsupported(reason: str) -> EnginePermanent:
    return EnginePermanent(reason, error_class=ErrorClass.UNSUPPORTED)
