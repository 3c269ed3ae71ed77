"""Accounts for HTTP basic authentication: lines in the file that a web server looks names up in.

nginx opens its `auth_basic_user_file` at every request, so an account ends with its line. The file
knows no expiry: while leasehold is dead the lines stay, so `max_ttl` of such roles should be short.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from leasehold.plugin import (
    Account,
    BatchEngine,
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
    Stage,
    TargetChanged,
    hookimpl,
    make_password,
    revealed,
)

from leasehold_htpasswd import scrypt
from leasehold_htpasswd.userfile import Lines, UserFile

COST = 10
"""Passwords are drawn at random, so the cheapest hash cannot be searched either."""
COSTLY = 14
_UNFIT = re.compile(r"[:\x00-\x1f\x7f]+")


class HtpasswdEngine(BatchEngine):
    """One file of names and hashes."""

    type: ClassVar[str] = "htpasswd"
    revocability: ClassVar[Revocability] = Revocability.IMMEDIATE
    name_limit: ClassVar[int] = 255

    def __init__(self, name: str, connection: Mapping[str, Any]) -> None:
        """Keep where the file is; nothing is opened yet."""
        super().__init__(name, connection)
        self._file = UserFile(Path(connection["path"]))
        self._target = ""

    @property
    def target_id(self) -> str:
        """The mark in the file, which a copy of another file does not bear."""
        return self._target

    async def open(self) -> None:
        """Find the file, and mark it at the first time. Raises EngineError."""
        self._target = await asyncio.to_thread(self._file.identify)

    async def close(self) -> None:
        """Nothing stays open between two calls."""

    async def check(self, roles: Sequence[Mapping[str, Any]] = ()) -> Health:
        """Whether the file can be found, locked and replaced; no role needs more."""
        await self.open()
        return Health(ok=True)

    async def issue(self, request: IssueRequest) -> Issued:
        """Add a line. Raises EnginePermanent when the name has one already."""
        account = request.account
        password = make_password(request.password_policy)
        cost = int(account.role.get("cost", COST))
        line = ":".join(
            (
                account.name,
                await asyncio.to_thread(scrypt.hashed, password, cost),
                _UNFIT.sub(" ", request.comment),
            )
        )
        await self._change(account.target, partial(_added, account.name, line))
        return Issued(credential={"username": account.name, "password": Secret(password)})

    async def renew(self, account: Account, expires_at: datetime) -> None:
        """See that the line stands; it holds no expiry that could be moved."""
        if account.name not in _names(await asyncio.to_thread(self._file.read)):
            raise EnginePermanent("the file has no such account", error_class=ErrorClass.ABSENT)

    async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """Take many lines away by replacing the file once."""
        here = {account.name for account in accounts if account.target == self._target}
        if here:
            await self._change(self._target, partial(_without, here))
        return [
            Removal(stage=Stage.REMOVED) if account.name in here else _elsewhere()
            for account in accounts
        ]

    async def login(self, credential: Mapping[str, str | Secret]) -> bool:
        """Whether a web server would let this name and password in."""
        password = revealed(credential["password"])
        for line in await asyncio.to_thread(self._file.read):
            name, _, rest = line.partition(":")
            if name == credential["username"]:
                return await asyncio.to_thread(scrypt.fits, password, rest.partition(":")[0])
        return False

    async def accounts(self, pattern: str) -> AsyncIterator[str]:
        """The names in the file that match `pattern`."""
        for name in _names(await asyncio.to_thread(self._file.read)):
            if re.search(pattern, name):
                yield name

    async def _change(self, target: str, edit: Callable[[Lines], Lines]) -> None:
        """Replace the lines by what `edit` makes of them. Raises TargetChanged, EngineError."""
        if not await asyncio.to_thread(self._file.change, target, edit):
            raise _elsewhere()

    @classmethod
    def lint(cls, role: Mapping[str, Any]) -> list[str]:
        """A cost that the web server pays at every request."""
        cost = int(role.get("cost", COST))
        if cost <= COSTLY:
            return []
        return [
            f"cost: the web server needs {scrypt.memory_mib(cost)} MiB for a moment at each"
            f" request; {COST} is enough for passwords that are drawn at random"
        ]


def _names(lines: Lines) -> list[str]:
    return [line.partition(":")[0] for line in lines if line.strip() and not line.startswith("#")]


def _added(name: str, line: str, lines: Lines) -> Lines:
    if name in _names(lines):
        raise EnginePermanent("the file has this account", error_class=ErrorClass.CONFLICT)
    return [*lines, line]


def _without(names: set[str], lines: Lines) -> Lines:
    return [line for line in lines if line.partition(":")[0] not in names]


def _elsewhere() -> TargetChanged:
    return TargetChanged("the account was made in another file than the one that stands there")


@hookimpl
def leasehold_engine() -> type[Engine]:
    """Hand over the engine class."""
    return HtpasswdEngine
