"""Taking accounts away: account locked, sessions ended on every instance, user dropped.

Oracle drops nobody who is connected, so sessions go first, and a session that was killed may be
listed for a while. Each stage can be repeated; a user that is gone counts as removed, since the
connection was checked to lead to the database that it was made at.
"""

import asyncio
from collections.abc import Mapping, Sequence

from leasehold.plugin import (
    Account,
    EngineError,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    Removal,
    Stage,
    TargetChanged,
    failpoint,
)
from leasehold_plugins.oracle import recipes
from leasehold_plugins.oracle.errors import (
    NO_SUCH_USER,
    OWNS_OBJECTS,
    STILL_CONNECTED,
    describe,
    translate,
)
from leasehold_plugins.oracle.link import SqlError
from leasehold_plugins.oracle.session import Session

REMOVED = Removal(stage=Stage.REMOVED)
SETTLE_S = 2.0
"""How long all accounts together wait for sessions to be gone, before they are left for later."""
LOOK_S = 0.1
SEES_SESSIONS = "SELECT 1 FROM gv$session WHERE ROWNUM = 1"
Results = dict[str, Removal | EngineError]
"""What became of an account, by its name."""


async def remove(session: Session, accounts: Sequence[Account]) -> list[Removal | EngineError]:
    """One result an account, in order. Raises EngineError when nothing could be done at all."""
    ours = {it.name: it for it in accounts if it.target == session.target}
    done: Results = {}
    if ours:
        done = await _Removing(session, ours).run()
    elsewhere = TargetChanged("the connection leads to another Oracle than the account was made at")
    return [done.get(it.name, elsewhere) for it in accounts]


class _Removing:
    """Some accounts on their way out; what has a result is touched no further."""

    def __init__(self, session: Session, accounts: Mapping[str, Account]) -> None:
        self._session = session
        self._accounts = accounts
        self._done: Results = {}
        self._time = asyncio.get_running_loop().time
        self._deadline = self._time() + SETTLE_S

    async def run(self) -> Results:
        for name in await self._standing():
            await self._lock(name)
        await self._end_sessions()
        failpoint("oracle.revoke.disabled")
        for name in self._left():
            await self._drop(name)
        return self._done

    def _left(self) -> list[str]:
        return [name for name in self._accounts if name not in self._done]

    async def _standing(self) -> list[str]:
        """Accounts that are there; the others are done."""
        rows = await self._session.execute(recipes.standing(list(self._accounts)))
        found = {str(name) for (name,) in rows}
        for name in self._accounts:
            if name.upper() not in found:
                self._done[name] = REMOVED
        return self._left()

    async def _lock(self, name: str) -> None:
        try:
            await self._session.execute(recipes.lock(name))
        except SqlError as error:
            self._done[name] = REMOVED if error.number == NO_SUCH_USER else translate(error)

    async def _end_sessions(self) -> None:
        if self._left() and not await self._session.may(SEES_SESSIONS):
            raise EnginePermanent(
                "sessions of accounts cannot be seen, so the accounts stay locked; the"
                " administrator lacks SELECT on sys.gv_$session",
                error_class=ErrorClass.DENIED,
            )
        while (names := self._left()) and (
            rows := await self._session.execute(recipes.sessions(names))
        ):
            if self._time() > self._deadline:
                for *_, user in rows:
                    self._done.setdefault(self._named(user), _still_open())
                return
            for sid, serial, instance, user in rows:
                await self._kill(self._named(user), int(sid), int(serial), int(instance))
            await asyncio.sleep(LOOK_S)

    async def _kill(self, name: str, sid: int, serial: int, instance: int) -> None:
        statement = recipes.kill(sid, serial, instance, rds=self._session.is_rds)
        try:
            await self._session.execute(statement)
        except SqlError as error:
            self._done[name] = translate(error)

    def _named(self, user: str) -> str:
        """The account as we write it."""
        return next(name for name in self._accounts if name.upper() == user)

    async def _drop(self, name: str) -> None:
        role = self._accounts[name].role
        try:
            for command in recipes.revocation(role, name):
                await self._session.execute(command)
        except SqlError as error:
            if error.number != NO_SUCH_USER:
                self._done[name] = _disabled(error)
                return
        self._done[name] = await self._dropped(name)

    async def _dropped(self, name: str) -> Removal | EngineError:
        statement = recipes.drop(self._accounts[name].role, name)
        while True:
            try:
                await self._session.execute(statement)
            except SqlError as error:
                if error.number == NO_SUCH_USER:
                    return REMOVED
                if error.number == OWNS_OBJECTS:
                    return _residue(
                        "the account owns objects (ORA-01922); owned_objects: drop would take them"
                        " along"
                    )
                if error.number != STILL_CONNECTED or self._time() > self._deadline:
                    return _disabled(error)
                await asyncio.sleep(LOOK_S)
            else:
                return REMOVED


def _still_open() -> EngineError:
    return EngineTemporary("a session of the account is still undoing its work")


def _disabled(error: SqlError) -> Removal:
    return _residue(describe(error.number))


def _residue(words: str) -> Removal:
    return Removal(stage=Stage.DISABLED, residue=words)
