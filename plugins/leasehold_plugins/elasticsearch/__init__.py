"""The Elasticsearch engine: accounts are native users, API keys, or internal users of OpenSearch.

An account is what its role makes: `roles` a user, `role_descriptors` an API key. Requests are few
and plain, so they are made with aiohttp; the client of Elastic refuses OpenSearch (decision 0024).
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from leasehold.plugin import (
    Account,
    Engine,
    EngineError,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    Health,
    Issued,
    IssueRequest,
    Removal,
    Revocability,
    Secret,
    Stage,
    failpoint,
    hookimpl,
    revealed,
)
from leasehold_plugins.elasticsearch import keys, recipes, rotation, users
from leasehold_plugins.elasticsearch.cluster import Cluster, Flavour, Session
from leasehold_plugins.elasticsearch.internal_users import InternalUsers
from leasehold_plugins.elasticsearch.preflight import preflight
from leasehold_plugins.elasticsearch.recipes import ApiKey, makes_keys, makes_users
from leasehold_plugins.elasticsearch.wire import Lane, api_key, basic

_REMOVED = Removal(stage=Stage.REMOVED)
_WHOAMI = {
    Flavour.ELASTICSEARCH: "/_security/_authenticate",
    Flavour.OPENSEARCH: "/_plugins/_security/authinfo",
}
"""What everybody who is let in may ask."""


class ElasticsearchEngine(Engine):
    """One cluster: Elasticsearch 8.13 or newer, or OpenSearch 2 or newer."""

    type: ClassVar[str] = "elasticsearch"
    revocability: ClassVar[Revocability] = Revocability.IMMEDIATE
    name_limit: ClassVar[int] = 255

    def __init__(self, name: str, connection: Mapping[str, Any]) -> None:
        """Keep the connection; nothing is opened yet."""
        super().__init__(name, connection)
        self.statement_timeout_s = float(connection.get("statement_timeout", 10))
        self._cluster = Cluster(connection, self.statement_timeout_s)
        self._internal = InternalUsers()

    @property
    def target_id(self) -> str:
        """The cluster's UUID, which all of its nodes tell."""
        return self._cluster.target

    async def open(self) -> None:
        """Look at the nodes. Raises EngineError unless one of them serves."""
        await self._cluster.look()

    async def close(self) -> None:
        """Close every connection."""
        await self._cluster.close()

    async def check(self, roles: Sequence[Mapping[str, Any]] = ()) -> Health:
        """Log in anew at every node; name rights and roles that are missing."""
        return await preflight(self._cluster, roles)

    async def issue(self, request: IssueRequest) -> Issued:
        """Make the account at a node that serves."""
        account = request.account
        made = recipes.recipe(account.role, account.name, request.expires_at.isoformat())
        session = await self._cluster.session(Lane.ISSUING, account.target)
        if self._cluster.flavour is Flavour.OPENSEARCH:
            if isinstance(made, ApiKey):
                raise EnginePermanent(
                    "role_descriptors: OpenSearch has no API keys; write roles",
                    error_class=ErrorClass.UNSUPPORTED,
                )
            issued = await self._internal.make(session, request, made)
        elif isinstance(made, ApiKey):
            issued = await keys.make(session, request, made)
        else:
            issued = await users.make(session, request, made)
        failpoint("elasticsearch.issue.sent")
        return issued

    async def renew(self, account: Account, expires_at: datetime) -> None:
        """Move the expiry of an API key, or the end that a user bears."""
        session = await self._cluster.session(Lane.ISSUING, account.target)
        if self._cluster.flavour is Flavour.OPENSEARCH:
            await self._internal.renew(session, account, expires_at)
        elif makes_keys(account.role):
            await keys.renew(session, account, expires_at)
        else:
            await users.renew(session, account, expires_at)

    async def revoke(self, account: Account) -> Removal:
        """Take one account away."""
        await self._remove(await self._cluster.session(Lane.REVOKING, account.target), [account])
        return _REMOVED

    async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """Take many away together; one by one where that fails, so that each has its result."""
        targets = {account.target for account in accounts}
        if len(targets) == 1:
            session = await self._cluster.session(Lane.REVOKING, targets.pop())
            try:
                await self._remove(session, accounts)
            except EngineTemporary as error:
                return [error] * len(accounts)
            except EngineError as error:
                if len(accounts) == 1:
                    return [error]
            else:
                return [_REMOVED] * len(accounts)
        return await super().revoke_many(accounts)

    async def login(self, credential: Mapping[str, str | Secret]) -> bool:
        """Whether the credential opens any of the nodes now."""
        clear = {key: revealed(value) for key, value in credential.items()}
        header = (
            api_key(clear["encoded"])
            if "encoded" in clear
            else basic(clear["username"], clear["password"])
        )
        return await self._cluster.opens(_WHOAMI[self._cluster.flavour], header)

    async def rotate_root(self, password: Secret) -> None:
        """Set the password of the user that we are; an API key is not rotated."""
        session = await self._cluster.session(Lane.ISSUING)
        if self._cluster.flavour is Flavour.OPENSEARCH:
            await self._internal.give(session, self.connection["username"], password)
        else:
            await rotation.give_ours(session, password)

    async def rotate_static(self, username: str, password: Secret) -> None:
        """Set the password of a user that stands."""
        session = await self._cluster.session(Lane.ISSUING)
        if self._cluster.flavour is Flavour.OPENSEARCH:
            await self._internal.give(session, username, password)
        else:
            await rotation.give(session, username, password)

    async def accounts(self, pattern: str) -> AsyncIterator[str]:
        """The names of users and of valid API keys that match."""
        wanted = re.compile(pattern)
        session = await self._cluster.session(Lane.REVOKING)
        if self._cluster.flavour is Flavour.OPENSEARCH:
            sources = [self._internal.names(session)]
        else:
            sources = [users.names(session), keys.names(session)]
        seen: set[str] = set()
        for source in sources:
            async for name in source:
                if name not in seen and wanted.search(name):
                    seen.add(name)
                    yield name

    async def _remove(self, session: Session, accounts: Sequence[Account]) -> None:
        if self._cluster.flavour is Flavour.OPENSEARCH:
            await self._internal.remove(session, accounts)
            return
        # An account without a lease has no role either: then it may be of either kind.
        either = [it for it in accounts if not makes_keys(it.role) and not makes_users(it.role)]
        of_users = [it for it in accounts if makes_users(it.role)]
        of_users += [it for it in either if await users.exists(session, it.name)]
        of_keys = [it for it in accounts if makes_keys(it.role)] + either
        if of_users:
            await users.remove(session, of_users)
        if of_keys:
            await keys.remove(session, of_keys)

    @classmethod
    def faults(cls, role: Mapping[str, Any]) -> list[str]:
        """Recipes that say too little or too much, or cannot be filled."""
        return recipes.faults(role)

    @classmethod
    def lint(cls, role: Mapping[str, Any]) -> list[str]:
        """Rights that let an account make accounts."""
        return recipes.lint(role)


@hookimpl
def leasehold_engine() -> type[Engine]:
    """Hand over the engine class."""
    return ElasticsearchEngine
