"""The MongoDB engine: accounts are users with a password, or with the subject of a certificate.

Rights stand in roles of the databases. MongoDB ends no user by itself, though a certificate ends.
So each account bears the end of its lease in its custom data, for a second line to go by.
"""

import asyncio
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
    EnginePermanent,
    ErrorClass,
    Health,
    Issued,
    IssueRequest,
    Removal,
    Revocability,
    Secret,
    TargetChanged,
    failpoint,
    hookimpl,
    make_password,
)
from leasehold_plugins.mongodb import certificates, recipes
from leasehold_plugins.mongodb.deployment import Deployment
from leasehold_plugins.mongodb.errors import USER_EXISTS
from leasehold_plugins.mongodb.logins import opens
from leasehold_plugins.mongodb.preflight import preflight
from leasehold_plugins.mongodb.recipes import ADMIN, recipe
from leasehold_plugins.mongodb.removal import name_of, remove
from leasehold_plugins.mongodb.rotation import SHA_256, give

_OURS = "lh[a-z2-7]{4}_"
_PAGES = tuple(f"{_OURS}[{some}]" for some in ("a-d", "e-h", "i-l", "m-p", "q-t", "u-x", "yz2-7"))
"""A reply has to fit into 16 MB and `usersInfo` knows no pages, so names are asked for by the first
character that is random."""


class MongodbEngine(BatchEngine):
    """One server, replica set or sharded cluster, 5.0 or newer."""

    type: ClassVar[str] = "mongodb"
    revocability: ClassVar[Revocability] = Revocability.IMMEDIATE
    name_limit: ClassVar[int] = 64

    def __init__(self, name: str, connection: Mapping[str, Any]) -> None:
        """Keep the connection; nothing is opened yet."""
        super().__init__(name, connection)
        self.statement_timeout_s = float(connection.get("statement_timeout", 10))
        self._subject = str(connection.get("x509_subject", ""))
        self._deployment = Deployment(connection, self.statement_timeout_s)

    @property
    def target_id(self) -> str:
        """The `userId` of the mark that leasehold left, which members and backups share."""
        return self._deployment.target

    async def open(self) -> None:
        """Connect once. Raises EngineError."""
        await self._deployment.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._deployment.close()

    async def check(self, roles: Sequence[Mapping[str, Any]] = ()) -> Health:
        """Log in anew, and name the rights and roles that are lacking for `roles`."""
        has_ca = "x509_ca" in self.connection and "x509_ca_key" in self.connection
        async with self._deployment.fresh() as client:
            self._deployment.target = await self._deployment.mark(client)
            return await preflight(self._deployment, client, roles, has_ca=has_ca)

    async def ceilings(self, roles: Mapping[str, Mapping[str, Any]]) -> Sequence[Ceiling]:
        """Connections at the primary, whoever has them."""
        reply = await self._deployment.ask({"serverStatus": 1}, lane="issuing")
        used, free = (int(reply["connections"][key]) for key in ("current", "available"))
        remedy = "raise net.maxIncomingConnections, or have clients share connections"
        return [Ceiling(name="connections", used=used, most=used + free, remedy=remedy)]

    async def issue(self, request: IssueRequest) -> Issued:
        """Make the account; it is there when a majority of the replica set has it."""
        account, wanted = request.account, recipe(request.account.role)
        await self._require(account)
        user = wanted.user(account.name, self._subject)
        credential: dict[str, str | Secret] = {"username": user, "auth_source": wanted.db}
        command: dict[str, Any] = {
            "createUser": user,
            "roles": [{"role": role, "db": db} for role, db in wanted.roles],
            "customData": {"leasehold": _told(request)},
            "writeConcern": self._deployment.write_concern,
        }
        if wanted.by_certificate:
            made = await asyncio.to_thread(
                certificates.issue, self.connection, user, request.expires_at
            )
            credential |= {"certificate": made.certificate, "private_key": made.private_key}
        else:
            password = make_password(request.password_policy)
            command |= {"pwd": password, "mechanisms": [SHA_256]}
            credential["password"] = Secret(password)
        # After an attempt that was cut short, who stands there is this very account.
        confirmed = await self._deployment.ask(
            command, wanted.db, lane="issuing", done_if_repeated=(USER_EXISTS,)
        )
        if not confirmed:
            await self._deployment.settle(lane="issuing")
        failpoint("mongodb.issue.sent")
        return Issued(credential=credential)

    async def renew(self, account: Account, expires_at: datetime) -> None:
        """Move the end in the account's custom data. A certificate cannot be moved."""
        wanted = recipe(account.role)
        if wanted.by_certificate:
            raise EnginePermanent(
                "a certificate ends with its lease and cannot be renewed; ask for a new lease",
                error_class=ErrorClass.UNSUPPORTED,
            )
        await self._require(account)
        looked = await self._deployment.ask(
            {"usersInfo": {"user": account.name, "db": wanted.db}}, lane="issuing"
        )
        if not looked["users"]:
            raise EnginePermanent("the account is gone from MongoDB", error_class=ErrorClass.ABSENT)
        data = looked["users"][0].get("customData", {})
        data["leasehold"] = {**data.get("leasehold", {}), "until": expires_at}
        command = {
            "updateUser": account.name,
            "customData": data,
            "writeConcern": self._deployment.write_concern,
        }
        await self._deployment.ask(command, wanted.db, lane="issuing")

    async def _require(self, account: Account) -> None:
        """See that this is the deployment that the account belongs to. Raises TargetChanged."""
        if await self._deployment.mark_now() != account.target:
            raise TargetChanged("the connection leads to another MongoDB now")

    async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """Take many away, with one look before and one after, and one end of sessions for all."""
        return await remove(self._deployment, accounts, self._subject)

    async def login(self, credential: Mapping[str, str | Secret]) -> bool:
        """Whether the credential opens the deployment now."""
        return await opens(self._deployment.options(), credential)

    async def rotate_root(self, password: Secret) -> None:
        """Set the password of the user that we are."""
        username, source = str(self.connection["username"]), self._deployment.source
        await give(self._deployment, username, source, password, "changeOwnPassword")

    async def rotate_static(self, username: str, password: Secret) -> None:
        """Set the password of a user that stands in `admin`."""
        await give(self._deployment, username, ADMIN, password, "changePassword")

    async def accounts(self, pattern: str) -> AsyncIterator[str]:
        """Page through users in all databases; one by certificate is its common name."""
        wanted = re.compile(pattern)
        rest = {"$not": {"$regex": "|".join(_PAGES)}}
        for page in (*({"$regex": it} for it in _PAGES), rest):
            command = {"usersInfo": {"forAllDBs": True}, "filter": {"user": page}}
            reply = await self._deployment.ask(command, lane="revoking")
            for user in reply["users"]:
                name = name_of(user["user"], user["db"])
                if wanted.search(name):
                    yield name

    @classmethod
    def faults(cls, role: Mapping[str, Any]) -> list[str]:
        """Recipes that say too little or too much, or what is no recipe."""
        return recipes.faults(role)

    @classmethod
    def lint(cls, role: Mapping[str, Any]) -> list[str]:
        """Roles that let an account make accounts."""
        return recipes.lint(role)


def _told(request: IssueRequest) -> dict[str, Any]:
    """What stands in the account's custom data."""
    return {**request.labels, "comment": request.comment, "until": request.expires_at}


@hookimpl
def leasehold_engine() -> type[Engine]:
    """Hand over the engine class."""
    return MongodbEngine
