"""Passwords that leasehold gave to accounts which stand: administrators' and static ones.

A password is written down before the target hears of it, as a candidate, and takes the place of the
old one when a login has proved it. So whatever dies in between, one of both is known to hold. A
candidate that may have reached the target is never thrown away before the target can have done
nothing with it any more: the same one is given again. All of it is sealed in the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from leasehold.bundle import EngineConfig
from leasehold.leases.store import Document, LeaseStore
from leasehold.model import Event
from leasehold.policy.references import resolve_connection
from leasehold.secret import Secret, revealed

KIND = "password"
RETRY_FIRST_MS = 5_000
RETRY_LAST_MS = 15 * 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is known of the password of `account` at `engine`.

    `password` holds since `rotated_ms`, as the `version`th that we gave; before the first one both
    are None. `candidate` is on its way, and may have reached the target since `sent_ms`. An earlier
    sending may arrive until `late_ms`; another password must not be given before. For an
    administrator `option` is where the password stands in the engine's connection, empty for
    others. `since_ms` is when the account was first to be rotated. After `failures` attempts that
    failed, the last with `last_error`, the next is at `retry_ms`. Instants are lease time.
    """

    engine: str
    account: str
    since_ms: int
    option: str = ""
    password: Secret | None = None
    rotated_ms: int | None = None
    version: int = 0
    candidate: Secret | None = None
    sent_ms: int | None = None
    late_ms: int | None = None
    failures: int = 0
    last_error: str = ""
    retry_ms: int | None = None

    @property
    def last_ms(self) -> int:
        """From when on the next rotation is reckoned."""
        return self.since_ms if self.rotated_ms is None else self.rotated_ms

    def next_ms(self, planned_ms: int | None) -> int | None:
        """When the next attempt is, if a rotation is planned then; None for never."""
        if self.candidate is not None:
            return self.retry_ms or 0
        if planned_ms is None:
            return None
        return max(planned_ms, self.retry_ms or 0, self.late_ms or 0)

    def intended(self, candidate: Secret, now_ms: int) -> "Kept":
        """This when `candidate` is about to be sent."""
        return replace(self, candidate=candidate, sent_ms=now_ms)

    def proved(self, before: "Kept", now_ms: int, settle_ms: int) -> "Kept":
        """This when a login has proved the candidate; `before` is what stood before the attempt."""
        late_ms = None if before.sent_ms is None else before.sent_ms + settle_ms
        return replace(
            self,
            password=self.candidate,
            rotated_ms=now_ms,
            version=self.version + 1,
            candidate=None,
            sent_ms=None,
            late_ms=late_ms,
            failures=0,
            last_error="",
            retry_ms=None,
        )

    def failed(self, now_ms: int, why: str) -> "Kept":
        """This after an attempt that failed and may have reached the target all the same."""
        wait_ms = min(RETRY_FIRST_MS << min(self.failures, 16), RETRY_LAST_MS)
        return replace(self, failures=self.failures + 1, last_error=why, retry_ms=now_ms + wait_ms)

    def refused(self, before: "Kept", now_ms: int, settle_ms: int, why: str) -> "Kept":
        """This after an attempt that surely changed nothing; `before` is what stood before it.

        The candidate goes, unless an earlier attempt with it may still reach the target.
        """
        failed = self.failed(now_ms, why)
        if before.sent_ms is not None and now_ms - before.sent_ms < settle_ms:
            return replace(failed, sent_ms=before.sent_ms)
        return replace(failed, candidate=None, sent_ms=None)

    def document(self) -> Document:
        """This as the store keeps it."""
        value = {name: getattr(self, name) for name in self.__slots__}
        for name in ("password", "candidate"):
            value[name] = value[name] and value[name].reveal()
        return Document(KIND, _name(self.engine, self.account), value)


def from_document(document: Document) -> Kept:
    """What `Kept.document` was made from."""
    value: dict[str, Any] = dict(document.value or {})
    for name in ("password", "candidate"):
        value[name] = value[name] and Secret(value[name])
    return Kept(**value)


class KeptPasswords:
    """All of them, in memory as they are in the store."""

    def __init__(self, store: LeaseStore) -> None:
        self._store = store
        self._kept: dict[tuple[str, str], Kept] = {}

    async def load(self) -> None:
        """Read them. Raises Unavailable when one does not open."""
        found = map(from_document, await self._store.documents(KIND))
        self._kept = {(each.engine, each.account): each for each in found}

    def get(self, engine: str, account: str) -> Kept | None:
        """What is known of an account's password."""
        return self._kept.get((engine, account))

    def all(self) -> Sequence[Kept]:
        """Every one, also of engines and accounts that the policy has no more."""
        return list(self._kept.values())

    def administrators(self) -> Sequence[Kept]:
        """Those of administrators, also of engines that the policy has no more."""
        return [kept for kept in self._kept.values() if kept.option]

    async def keep(
        self,
        kept: Kept,
        *events: Event,
        documents: Sequence[Document] = (),
        may_delay_audit: bool = False,
    ) -> None:
        """Write one down, with what else belongs to it. Raises Unavailable."""
        written = [kept.document(), *documents]
        await self._store.keep(written, *events, may_delay_audit=may_delay_audit)
        self._kept[kept.engine, kept.account] = kept

    async def forget(self, kept: Kept, *events: Event) -> None:
        """Know nothing of one any more. Raises Unavailable."""
        gone = Document(KIND, _name(kept.engine, kept.account), None)
        await self._store.keep([gone], *events, may_delay_audit=True)
        self._kept.pop((kept.engine, kept.account), None)

    def rotated(self, engine: str, connection: Mapping[str, Any]) -> Mapping[str, Any]:
        """The connection, resolved, with the password that its administrator has now."""
        kept = self.get(engine, account_of(connection))
        if kept is None or kept.password is None or not kept.option:
            return connection
        return {**connection, kept.option: kept.password}

    async def connection(self, config: EngineConfig) -> Mapping[str, Any]:
        """An engine's connection, with its secrets. Raises ConfigError.

        What the policy refers to is not even looked for once it was rotated: it may be gone.
        """
        options = {each.option for each in self.administrators() if each.engine == config.name}
        rest = {key: value for key, value in config.connection.items() if key not in options}
        resolved = await resolve_connection(rest)
        rotated = self.rotated(config.name, resolved)
        return await resolve_connection(config.connection) if rotated is resolved else rotated


def account_of(connection: Mapping[str, Any]) -> str:
    """The account that an engine logs in as, by its resolved connection; empty for the default."""
    return revealed(connection.get("username", ""))


def _name(engine: str, account: str) -> str:
    return f"{engine}/{account}"
