"""What an engine is, to its author.

An engine makes accounts at one target and takes them away. The daemon gives it the account's
name, keeps the lease, guards each call (deadline, lane, breaker) and repeats what failed; so an
engine holds no lease, no timer and no retry. Two rules carry everything:

- `revoke` is idempotent. What is gone already counts as removed, if it is the same target.
- Whatever `issue` did before it failed, `revoke` of the same account clears away.

Constructors store arguments; `open` touches the network. An engine runs on the event loop; a driver
without asyncio is called through `asyncio.to_thread`.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from leasehold.bundle import PasswordPolicy
from leasehold.errors import EngineError, EnginePermanent, ErrorClass
from leasehold.secret import Secret


class Revocability(StrEnum):
    """How dead a revoked credential is."""

    IMMEDIATE = "immediate"
    SESSIONS_SURVIVE = "sessions-survive"
    BY_CUTOFF = "by-cutoff"
    SHARED = "shared"
    EXPIRY_ONLY = "expiry-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account at the target, as its lease knows it.

    `target` is the engine's `target_id` when the account was made. `role` holds the engine's own
    role options. `handle` is what `issue` returned; it may be empty after a crash, so the `name`
    alone must be enough to remove the account.
    """

    name: str
    target: str
    role: Mapping[str, Any]
    handle: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRequest:
    """What to make: `account` under exactly its name, to end by itself at `expires_at` (UTC).

    `expires_at` lies a grace after the lease's deadline, so that the target's own expiry is the
    second line and never the first. `comment` says whose the account is, in public words, for
    targets that keep one line; `labels` say the same by names (`lease`, `identity`, `owner`,
    `tenant`, `reason` and others), for targets that keep tags, and are empty where the policy
    wants nothing told. Both have common characters only, and are to be quoted all the same.
    """

    account: Account
    expires_at: datetime
    password_policy: PasswordPolicy
    comment: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A made account: the caller's `credential`, and the `handle` to keep, without secrets."""

    credential: Mapping[str, str | Secret]
    handle: Mapping[str, str] = field(default_factory=dict)


class Stage(StrEnum):
    """How far a removal came."""

    DISABLED = "disabled"
    """Nobody can log in and no session is left, but the account still stands."""
    REMOVED = "removed"
    """The account is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """The end of one `revoke`: how far it came, and in fixed words why not further.

    `note` is what it came upon on the way, for the event that tells the end (see `removed`).
    """

    stage: Stage
    residue: str = ""
    note: str = field(default="", compare=False)


def removed(
    *,
    was_there: bool = True,
    sessions: int = 0,
    owned: str = "",
    raised: bool = False,
    renamed: bool = False,
) -> Removal:
    """The account is gone, and this is how: in the same words at every target.

    `sessions` is how many were ended; `owned` says what became of what the account owned; `raised`
    that somebody had given it more than its recipe does; `renamed` that it had another name.
    """
    ended = f"{sessions} open session{'s' if sessions > 1 else ''} ended" if sessions else ""
    notes = (
        "" if was_there else "no account was there to remove",
        "somebody had renamed the account" if renamed else "",
        "somebody had given the account rights over the whole server" if raised else "",
        ended,
        owned,
    )
    return Removal(stage=Stage.REMOVED, note="; ".join(filter(None, notes)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What `check` found. `missing` lists rights or settings to grant, one clear line each."""

    ok: bool
    reason: str = ""
    missing: tuple[str, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What the target itself allows: `used` of `most`, by us and by everybody else.

    `name` and `remedy` (what to do when it is near) are short texts in fixed words. `roles` are the
    names of those whose accounts use it, None when all do.
    """

    name: str
    used: int
    most: int
    remedy: str = ""
    roles: frozenset[str] | None = None


class Engine(ABC):
    """One configured target.

    `name_limit` is the longest account name in bytes. `statement_timeout_s` is how long the target
    itself may work on one call; the daemon waits a little longer and looks for late creates twice
    that time afterwards (rule W7).
    """

    type: ClassVar[str]
    operations: ClassVar[frozenset[str]] = frozenset({"creds"})
    revocability: ClassVar[Revocability]
    name_limit: ClassVar[int] = 63
    renewable: ClassVar[bool] = True
    root_secret: ClassVar[str] = "password"  # noqa: S105 (the name of an option)
    """The option of the connection that `rotate_root` makes obsolete."""
    standing_passwords: ClassVar[PasswordPolicy] = PasswordPolicy()
    """What `rotate_root` and `rotate_static` are given, unless a policy names another one."""

    statement_timeout_s: float = 10.0

    def __init__(self, name: str, connection: Mapping[str, Any]) -> None:
        """Keep the engine's `name` and its validated `connection`, secrets resolved."""
        self.name = name
        self.connection = connection

    @property
    @abstractmethod
    def target_id(self) -> str:
        """The identity of the server behind the connection; known once `open` returned (W11)."""

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises EngineError when the target cannot be reached or refuses us."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of every connection; quiet when nothing is open."""

    @abstractmethod
    async def check(self, roles: Sequence[Mapping[str, Any]] = ()) -> Health:
        """Try the target now, and name the rights we lack for `roles` (their options).

        Log in anew where there is a login, so that a changed password shows; `target_id` is of the
        server that was met.
        """

    async def ceilings(self, roles: Mapping[str, Mapping[str, Any]]) -> Sequence[Ceiling]:
        """Measure what the target allows and what is used, for `roles` (their options by name).

        Optional. Near a ceiling the daemon warns, closer still it issues nothing more.
        """
        return ()

    @abstractmethod
    async def issue(self, request: IssueRequest) -> Issued:
        """Make the account. On any error the daemon calls `revoke` for it."""

    @abstractmethod
    async def renew(self, account: Account, expires_at: datetime) -> None:
        """Move the account's own expiry at the target to `expires_at` (UTC)."""

    @abstractmethod
    async def revoke(self, account: Account) -> Removal:
        """Take the account away in stages: disable, end sessions, drop.

        Raises TargetChanged when the connection leads elsewhere than to `account.target`.
        """

    async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """Take many away; one result an account, in order. Better in few round trips."""
        results: list[Removal | EngineError] = []
        for account in accounts:
            try:
                results.append(await self.revoke(account))
            except EngineError as error:
                results.append(error)
        return results

    @abstractmethod
    async def login(self, credential: Mapping[str, str | Secret]) -> bool:
        """Whether the credential opens the target now."""

    @abstractmethod
    def accounts(self, pattern: str) -> AsyncIterator[str]:
        """Page through the names of accounts that match `pattern`, a regular expression."""

    async def rehearse(
        self, role: Mapping[str, Any], expires_at: datetime, password_policy: PasswordPolicy
    ) -> None:
        """Prove that accounts of a role can be made and taken away, and leave nothing behind.

        It goes as far as the target can undo what was done; no session of anybody is ended, and no
        account of the daemon's naming is made. Raises EngineError with the option that is wrong in
        its words; of class UNSUPPORTED where nothing was proved either way, as this default does:
        it is not offered, and the daemon makes a real account instead to prove the role.
        """
        raise EnginePermanent(
            f"engine type {self.type} offers no rehearsal", error_class=ErrorClass.UNSUPPORTED
        )

    @classmethod
    def rehearses(cls) -> bool:
        """Whether `rehearse` is offered: whether the class brings its own."""
        return cls.rehearse is not Engine.rehearse

    async def rotate_root(self, password: Secret) -> None:
        """Give the account that we log in as this password. Optional.

        It may be asked for again with the same one. What is open stays open; the daemon then opens
        another engine, which has the new password, as the proof.
        """
        raise EnginePermanent(
            f"engine type {self.type} rotates no administrator", error_class=ErrorClass.UNSUPPORTED
        )

    async def rotate_static(self, username: str, password: Secret) -> None:
        """Give an account that stands, and is none of the daemon's making, this password. Optional.

        It may be asked for again with the same one; the daemon proves it by `login`. Raises
        EngineError of class ABSENT when there is no such account: none is made.
        """
        raise EnginePermanent(
            f"engine type {self.type} rotates no static roles", error_class=ErrorClass.UNSUPPORTED
        )

    async def check_rotation(self, username: str | None) -> Sequence[str]:
        """Name what keeps us from rotating an account that stands; None is ourselves. Optional.

        One line each, as `Health.missing` has them. Nothing is changed.
        """
        return ()

    @classmethod
    def rotates(cls) -> frozenset[str]:
        """Which of both are offered: `root`, `static`."""
        own = {
            "root": cls.rotate_root is not Engine.rotate_root,
            "static": cls.rotate_static is not Engine.rotate_static,
        }
        return frozenset(name for name, brought in own.items() if brought)

    @classmethod
    def faults(cls, role: Mapping[str, Any]) -> list[str]:
        """What is wrong with a role's options beyond their schema, one line each. No network.

        A line that begins `option: `, or `option[2]: ` for an item of a list, is shown there.
        """
        return []

    @classmethod
    def lint(cls, role: Mapping[str, Any]) -> list[str]:
        """Warnings about a role's options, one line each, in the same form. No network."""
        return []
