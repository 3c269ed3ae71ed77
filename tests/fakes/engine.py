"""An engine in memory, and the target behind it, which fails in every way that a test asks for."""

import asyncio
import re
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from leasehold.plugin import (
    Account,
    Ceiling,
    Engine,
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
    Stage,
    TargetChanged,
)


class Fault(StrEnum):
    """What goes wrong with one call."""

    BEFORE = "the target is away, nothing was done"
    AFTER = "the reply is lost after the work was done"
    REFUSED = "the target says no, and will again"
    HANG = "no answer, nothing was done"
    HANG_AFTER = "no answer, the work was done"
    LATE = "no answer, the work is done when nobody waits any more"
    DEFECT = "the plugin raises what it should not"
    NONSENSE = "the plugin returns what it should not"
    LIE = "the plugin says that it was done, and nothing was"


class FakeTarget:
    """A server with accounts. `faults[verb]` are met by the next calls, one each, None is well.

    `away` refuses every call. `stubborn` accounts answer a revocation as they are told. `missing`
    are the rights that a check finds lacking, `lacking` those for a rotation, by account. Accounts
    are listed `page` at a time. Whoever logs in as the administrator needs the password `root`,
    unless that is empty.
    """

    LATE_S = 4.0
    """How long after the daemon stopped waiting a late call is carried out."""

    def __init__(self, identity: str = "target-1") -> None:
        self.identity = identity
        self.accounts: dict[str, datetime] = {}
        self.passwords: dict[str, str] = {}
        self.faults: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        self.stubborn: dict[str, Exception | Removal] = {}
        self.away = False
        self.root = ""
        self.version = "1"
        self.missing: tuple[str, ...] = ()
        self.lacking: dict[str | None, Sequence[str]] = {}
        self.page = 3
        self.ceilings: tuple[Ceiling, ...] = ()
        self.calls: Counter[str] = Counter()
        self.revoked: list[str] = []
        self.requests: list[IssueRequest] = []

    def fail(self, verb: str, *faults: Fault | None) -> None:
        self.faults[verb].extend(faults)

    def make(self, name: str, expires_at: datetime) -> None:
        self.accounts[name] = expires_at
        self.passwords[name] = f"hunter2-{name}"

    def drop(self, name: str) -> None:
        self.accounts.pop(name, None)
        self.passwords.pop(name, None)


async def _go_on() -> None:
    pass


class FakeEngine(Engine):
    """Reaches the target in `targets` that its connection names.

    `step` is awaited before and after each call reaches the target; a test may crash there.
    """

    type = "fake"
    operations = frozenset({"creds"})
    revocability = Revocability.IMMEDIATE
    targets: Mapping[str, FakeTarget] = {}
    step: Callable[[], Awaitable[None]] = staticmethod(_go_on)

    def __init__(self, name: str, connection: Mapping[str, Any]) -> None:
        super().__init__(name, connection)
        self._target = self.targets[connection["host"]]
        self.statement_timeout_s = float(connection.get("statement_timeout", 10))
        self._found = ""

    @property
    def target_id(self) -> str:
        return self._found

    async def open(self) -> None:
        await self._call("open")
        self._log_in()
        self._found = self._target.identity

    async def close(self) -> None:
        self._target.calls["close"] += 1

    async def check(self, roles: Sequence[Mapping[str, Any]] = ()) -> Health:
        await self._call("check")
        self._log_in()
        target = self._target
        self._found = target.identity
        reason = "rights are missing" if target.missing else ""
        return Health(ok=not reason, reason=reason, missing=target.missing, version=target.version)

    async def ceilings(self, roles: Mapping[str, Mapping[str, Any]]) -> Sequence[Ceiling]:
        await self._call("ceilings")
        return self._target.ceilings

    async def issue(self, request: IssueRequest) -> Issued:
        name = request.account.name

        def work() -> None:
            self._target.make(name, request.expires_at)
            self._target.requests.append(request)

        if await self._call("issue", work) is Fault.NONSENSE:
            return Issued(credential={}, handle={"conn": object()})  # type: ignore[dict-item]
        password = Secret(self._target.passwords.get(name, ""))
        return Issued(credential={"username": name, "password": password}, handle={"oid": "7"})

    async def renew(self, account: Account, expires_at: datetime) -> None:
        def work() -> None:
            if account.name in self._target.accounts:
                self._target.accounts[account.name] = expires_at

        await self._call("renew", work)

    async def revoke(self, account: Account) -> Removal:
        if account.target != self._target.identity:
            raise TargetChanged("the target is another one")
        if not self._target.away and account.name in self._target.stubborn:
            self._target.calls["revoke"] += 1
            answer = self._target.stubborn[account.name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        def work() -> None:
            self._target.revoked.append(account.name)
            self._target.drop(account.name)

        if await self._call("revoke", work) is Fault.NONSENSE:
            return None  # type: ignore[return-value]
        return Removal(stage=Stage.REMOVED)

    async def login(self, credential: Mapping[str, str | Secret]) -> bool:
        await self._call("login")
        password = credential["password"]
        assert isinstance(password, Secret)
        return self._target.passwords.get(str(credential["username"])) == password.reveal()

    async def accounts(self, pattern: str) -> AsyncIterator[str]:
        names = [""]
        while names:
            await self._call("accounts")
            self._found = self._target.identity
            standing = (name for name in self._target.accounts if re.search(pattern, name))
            names = sorted(name for name in standing if name > names[-1])[: self._target.page]
            for name in names:
                yield name

    def _log_in(self) -> None:
        password = self.connection.get("password", Secret(""))
        if self._target.root not in ("", password.reveal()):
            raise EnginePermanent("the login is refused", error_class=ErrorClass.DENIED)

    async def rotate_root(self, password: Secret) -> None:
        def work() -> None:
            self._target.root = password.reveal()

        await self._call("rotate_root", work)

    async def rotate_static(self, username: str, password: Secret) -> None:
        if username not in self._target.passwords:
            raise EnginePermanent("there is no such account", error_class=ErrorClass.ABSENT)

        def work() -> None:
            self._target.passwords[username] = password.reveal()

        await self._call("rotate_static", work)

    async def check_rotation(self, username: str | None) -> Sequence[str]:
        await self._call("check_rotation")
        return self._target.lacking.get(username, ())

    async def _call(self, verb: str, work: Any = lambda: None) -> Fault | None:
        """Do `work` unless the fault that is due keeps it from being done."""
        target = self._target
        await self.step()
        target.calls[verb] += 1
        if target.away:
            raise EngineTemporary("the target cannot be reached")
        fault = target.faults[verb].popleft() if target.faults[verb] else None
        match fault:
            case Fault.BEFORE:
                raise EngineTemporary("the target cannot be reached")
            case Fault.REFUSED:
                raise EnginePermanent("not allowed (42501)", error_class=ErrorClass.DENIED)
            case Fault.AFTER:
                work()
                raise EngineTemporary("the reply was lost", outcome_unknown=True)
            case Fault.DEFECT:
                work()
                raise RuntimeError("password=hunter2")
            case Fault.HANG:
                await asyncio.Event().wait()
            case Fault.HANG_AFTER:
                work()
                await asyncio.Event().wait()
            case Fault.LATE:
                try:
                    await asyncio.Event().wait()
                finally:
                    # The server goes on with a statement whose client is gone, for as long as its
                    # own timeout lets it.
                    asyncio.get_running_loop().call_later(target.LATE_S, work)
            case None | Fault.NONSENSE:
                work()
        await self.step()
        return fault


class RehearsingEngine(FakeEngine):
    """One that can try a role without leaving anything; a role of the group `nobody` is refused."""

    async def rehearse(
        self, role: Mapping[str, Any], expires_at: datetime, password_policy: PasswordPolicy
    ) -> None:
        await self._call("rehearse")
        if role.get("group") == "nobody":
            raise EnginePermanent("group: there is no nobody", error_class=ErrorClass.ABSENT)
        if role.get("group") == "lasting":
            raise EnginePermanent("group: it lasts", error_class=ErrorClass.UNSUPPORTED)
