"""The Redis engine: accounts are ACL users with the SHA-256 of their password.

ACLs do not replicate and are not saved by themselves. So an account counts as made when every
server that can be reached has it, and as gone when none has it and that is saved.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar

from leasehold.plugin import (
    Account,
    BatchEngine,
    Ceiling,
    Engine,
    EngineError,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    Health,
    Issued,
    IssueRequest,
    PasswordPolicy,
    Removal,
    Revocability,
    Secret,
    failpoint,
    hookimpl,
    make_password,
    revealed,
)
from leasehold_plugins.redis import ceilings, rules
from leasehold_plugins.redis.errors import Away
from leasehold_plugins.redis.nodes import Lane, Session
from leasehold_plugins.redis.nodeset import NodeSet, all_of
from leasehold_plugins.redis.preflight import preflight
from leasehold_plugins.redis.removal import NODES, foreign, remove
from leasehold_plugins.redis.rotation import give, lacking
from leasehold_plugins.redis.saves import Saves
from leasehold_plugins.redis.trial import try_out


class RedisEngine(BatchEngine):
    """One set of servers with the same accounts: Redis 7.0 or newer, or Valkey."""

    type: ClassVar[str] = "redis"
    revocability: ClassVar[Revocability] = Revocability.IMMEDIATE
    name_limit: ClassVar[int] = 255

    def __init__(self, name: str, connection: Mapping[str, Any]) -> None:
        """Keep the connection; nothing is opened yet."""
        super().__init__(name, connection)
        self.statement_timeout_s = float(connection.get("statement_timeout", 5))
        self._nodes = NodeSet(connection, self.statement_timeout_s)
        self._administrator = str(connection["username"])

    @property
    def target_id(self) -> str:
        """The mark that the servers bear, which each shares with its replicas."""
        return self._nodes.target

    async def open(self) -> None:
        """Look at the servers, and mark those that are new. Raises EngineError."""
        await self._nodes.look()

    async def close(self) -> None:
        """Save what is not saved yet, and close every connection."""
        await self._nodes.close()

    async def check(self, roles: Sequence[Mapping[str, Any]] = ()) -> Health:
        """Log in anew everywhere; name rights, settings and rules that are wrong."""
        members = await self._nodes.look()
        return await preflight(members, roles, self._administrator, self._nodes.discover)

    async def ceilings(self, roles: Mapping[str, Mapping[str, Any]]) -> Sequence[Ceiling]:
        """The clients that a server takes; the same for all roles."""
        return await ceilings.measure(self._nodes, await self._nodes.serving())

    async def issue(self, request: IssueRequest) -> Issued:
        """Make the account at every server that can be reached; it is saved there soon."""
        account = request.account
        if not rules.is_ours(account.name):
            raise foreign(account.name)
        password = make_password(request.password_policy)
        digest = sha256(password.encode()).hexdigest()
        made = rules.creation(account.role, account.name, digest, request.expires_at)
        members = await self._nodes.serving()
        self._nodes.require(account.target)

        async def work(session: Session) -> None:
            failpoint("redis.issue.connected")
            await session.ask("ACL", "SETUSER", account.name, *made)
            failpoint("redis.issue.unsaved")

        results = await self._nodes.each(members, Lane.ISSUING, work, save=Saves.soon)
        failpoint("redis.issue.sent")
        having = [its for its, failed in zip(members, results, strict=True) if failed is None]
        for its, failed in zip(members, results, strict=True):
            # A replica that went away meanwhile was sent nothing.
            if failed is not None and (its.primary or not having or not isinstance(failed, Away)):
                raise failed
        return Issued(
            credential={"username": account.name, "password": Secret(password)},
            handle={NODES: " ".join(str(its.node) for its in having)}
            if self._nodes.discover == "replicas"
            else {},
        )

    async def renew(self, account: Account, expires_at: datetime) -> None:
        """Move the end that the account bears, and bring it to servers that lack it.

        A server lacks it that was away when it was made, is new, or has lost its ACL.
        """
        members = await self._nodes.serving()
        self._nodes.require(account.target)
        digests: set[str] = set()

        async def look(session: Session) -> bool:
            found = await session.ask("ACL", "GETUSER", account.name)
            about = dict(zip(found[::2], found[1::2], strict=True)) if found else {}
            digests.update(about.get("passwords", ()))
            return bool(found)

        there = all_of(await self._nodes.each(members, Lane.ISSUING, look))
        if len(digests) != 1:
            raise EnginePermanent(
                "the account is gone from Redis, or somebody changed its password",
                error_class=ErrorClass.ABSENT,
            )
        lacking = [its for its, has in zip(members, there, strict=True) if not has]
        made = rules.creation(account.role, account.name, digests.pop(), expires_at)
        moved = rules.renewal(account.role, account.name, expires_at)
        for some, said in ((lacking, made), ([m for m in members if m not in lacking], moved)):

            async def work(session: Session, said: Sequence[str] = said) -> None:
                await session.ask("ACL", "SETUSER", account.name, *said)

            if some:
                all_of(await self._nodes.each(some, Lane.ISSUING, work, save=Saves.soon))

    async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """Take many away, in one round trip and one save a server."""
        return await remove(self._nodes, accounts)

    async def login(self, credential: Mapping[str, str | Secret]) -> bool:
        """Whether the credential opens any of the servers now."""
        user, password = str(credential["username"]), revealed(credential["password"])
        silent: EngineTemporary | None = None
        for its in await self._nodes.members():
            try:
                if await its.node.opens(user, password):
                    return True
            except EngineTemporary as error:
                silent = error
        if silent is not None:
            raise silent
        return False

    async def rehearse(
        self, role: Mapping[str, Any], expires_at: datetime, password_policy: PasswordPolicy
    ) -> None:
        """Make an account and delete it in one transaction, at every server."""

        async def work(session: Session) -> None:
            await try_out(session, role)

        all_of(await self._nodes.each(await self._nodes.serving(), Lane.ISSUING, work))

    async def rotate_root(self, password: Secret) -> None:
        """Set the password of the user that we are, at every server of the set."""
        await give(self._nodes, self._administrator, password, self._administrator)

    async def rotate_static(self, username: str, password: Secret) -> None:
        """Set the password of a user that stands, at every server of the set."""
        await give(self._nodes, username, password, self._administrator)

    async def check_rotation(self, username: str | None) -> Sequence[str]:
        """Look at the user, the right to change it, and the aclfile, at every server."""
        ours = self._administrator
        return await lacking(self._nodes, ours if username is None else username, ours)

    async def accounts(self, pattern: str) -> AsyncIterator[str]:
        """The names at any of the servers; there are no pages, `ACL USERS` gives all at once.

        Raises EngineError while one of the servers is away, since what it has cannot be told.
        """
        wanted = re.compile(pattern)

        async def work(session: Session) -> list[str]:
            return [name for name in await session.ask("ACL", "USERS") if wanted.search(name)]

        found = all_of(await self._nodes.each(await self._nodes.members(), Lane.REVOKING, work))
        for name in sorted(set().union(*found)):
            yield name

    @classmethod
    def faults(cls, role: Mapping[str, Any]) -> list[str]:
        """Recipes that say too little or too much, or what is not theirs to say."""
        return rules.faults(role)

    @classmethod
    def lint(cls, role: Mapping[str, Any]) -> list[str]:
        """Rules that let an account make accounts."""
        return rules.lint(role)


@hookimpl
def leasehold_engine() -> type[Engine]:
    """Hand over the engine class."""
    return RedisEngine
