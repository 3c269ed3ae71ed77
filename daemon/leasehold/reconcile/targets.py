"""The server behind each engine: whether it can be reached, is the same, and lets us do our work.

It is remembered, so that another one in its place shows (rule W11). What is remembered holds for
the connection as the policy writes it: an operator who points an engine elsewhere meant to.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from leasehold.bundle import Bundle, EngineConfig
from leasehold.engines.registry import Engines
from leasehold.errors import EngineError, ErrorClass, LeaseholdError
from leasehold.leases.store import Document, LeaseStore
from leasehold.reconcile.findings import Kind, Looked, Scope, Sighting, What
from leasehold.reconcile.rotatable import accounts_to_rotate

DOCUMENT = "target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The server that an engine led to. `connection` is a digest of the engine's options."""

    engine: str
    identity: str
    version: str
    connection: str

    def document(self) -> Document:
        """This as the store keeps it."""
        return Document(DOCUMENT, self.engine, asdict(self))

    def forgotten(self) -> Document:
        """What takes it out of the store."""
        return Document(DOCUMENT, self.engine, None)

    def differences(self, known: "Target") -> Iterator[Sighting]:
        """How this one differs from the one that is remembered."""
        if self.identity != known.identity:
            why = f"leads to {self.identity} and led to {known.identity}, whose leases wait for it"
            yield Sighting(What.TARGET_CHANGED, why)
        elif self.version != known.version:
            why = f"has version {self.version} and had {known.version}"
            yield Sighting(What.VERSION_CHANGED, why)


def from_document(document: Document) -> Target:
    """What `Target.document` was made from."""
    value: Mapping[str, Any] = document.value or {}
    return Target(**value)


class TargetLook:
    """Looks at one target at a time, and remembers it at the first."""

    def __init__(self, store: LeaseStore, engines: Engines) -> None:
        self._store = store
        self._engines = engines

    async def known(self, engine: str) -> Target | None:
        """The server that is remembered. Raises Unavailable."""
        document = await self._store.document(DOCUMENT, engine)
        return None if document is None else from_document(document)

    async def look(self, bundle: Bundle, name: str, *, accept: bool = False) -> Looked:
        """Look at the target of an engine of `bundle` now; with `accept`, remember it as it is.

        Raises Unavailable; and with `accept` the EngineError that a look finds otherwise.
        """
        reach, server = Scope(Kind.TARGET, name, "reach"), Scope(Kind.TARGET, name, "server")
        roles = [role.options for role in bundle.roles.values() if role.engine == name]
        try:
            engine = self._engines.current(name)
            health = await engine.check(roles, accounts_to_rotate(bundle, name))
            if engine.failure is not None:
                raise engine.failure
        except LeaseholdError as trouble:
            if accept:
                raise
            return {reach: [Sighting(_no_reach(trouble), str(trouble))]}
        now = Target(
            engine=name,
            identity=engine.target_id,
            version=health.version,
            connection=_digest(bundle.engines[name]),
        )
        known = await self.known(name)
        if known is None or accept or known.connection != now.connection:
            await self._store.keep([now.document()])
            known = now
        missing = [Sighting(What.RIGHT_MISSING, line) for line in health.missing]
        unwell = [] if health.ok or missing else [Sighting(What.UNREACHABLE, health.reason)]
        return {reach: unwell, server: [*now.differences(known), *missing]}

    async def forget(self, engines: Collection[str]) -> None:
        """Remember nothing of engines other than these."""
        known = map(from_document, await self._store.documents(DOCUMENT))
        gone = [target.forgotten() for target in known if target.engine not in engines]
        if gone:
            await self._store.keep(gone)


def _no_reach(trouble: LeaseholdError) -> What:
    refused = isinstance(trouble, EngineError) and trouble.error_class is ErrorClass.DENIED
    return What.ADMIN_REFUSED if refused else What.UNREACHABLE


def _digest(config: EngineConfig) -> str:
    """Of an engine's options as the policy writes them, references unresolved."""
    text = json.dumps([config.type, config.connection], sort_keys=True, default=asdict)
    return hashlib.sha256(text.encode()).hexdigest()
