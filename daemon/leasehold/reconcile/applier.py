"""The one way to another generation: read the source, plan, judge, prove, write down, serve.

Nobody gets past the safety limits, neither a person nor a pull by night. A generation is durable
before it is served, in the transaction of what it asks of live leases; so a daemon that dies within
an apply comes back with the old one or the new one, and finishes what the new one asked for.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict

from leasehold.bundle import Bundle, Generation
from leasehold.clock import Clock
from leasehold.engines.registry import Engines
from leasehold.errors import ConfigError, LeaseholdError, Locked, PolicyRefused, Stale, Unsafe
from leasehold.failpoints import reach
from leasehold.leases.store import LeaseStore
from leasehold.model import Caller, Event, EventType
from leasehold.reconcile.changes import Action, Plan, RoleUsage, Usage
from leasehold.reconcile.diff import shortened_roles
from leasehold.reconcile.generations import Applied, history, outdated
from leasehold.reconcile.orders import orders
from leasehold.reconcile.plan import make_plan
from leasehold.reconcile.rehearsal import Rehearsal
from leasehold.serving import Files, Prepared, Serving
from leasehold.sources.source import Origin, Snapshot, Source

logger = logging.getLogger(__name__)

DAEMON = "daemon"
_ITSELF = "the daemon"
PROVE_S = 50.0
"""How long a person waits for the proof of roles; a request has a minute in all."""


class Applier:
    """Plans and applies.

    With `automatic`, what the source brings is applied at once, if it is safe; else a person does.
    """

    def __init__(
        self,
        *,
        source: Source,
        serving: Serving,
        store: LeaseStore,
        engines: Engines,
        clock: Clock,
        rehearsal: Rehearsal,
        automatic: bool,
    ) -> None:
        self._source = source
        self._serving = serving
        self._store = store
        self._engines = engines
        self._clock = clock
        self._rehearsal = rehearsal
        self._automatic = automatic
        self._tell: tuple[Callable[[], None], ...] = ()
        self._lock = asyncio.Lock()
        self._holder = ""
        self._told = ""
        self.trouble = ""
        """Why what the source has is not served, in one line; empty when it is."""

    @property
    def source_trouble(self) -> str:
        """Why the source cannot be watched just now, in one line; empty when it can."""
        return self._source.trouble

    def on_change(self, *tell: Callable[[], None]) -> None:
        """Call each of these when another generation is served from now on."""
        self._tell = tell

    async def start(self) -> Generation:
        """Serve the last generation; `follow` then takes what the source has.

        Without a generation the source must be good; its roles are not proved, so that no target
        has to be there for a first start. Raises ConfigError, PolicyRefused.
        """
        applied = await history(self._store)
        if applied:
            await self._resume(applied[-1])
        else:
            snapshot = await self._source.read()
            prepared = await self._serving.prepare(snapshot.files)
            await self._commit(prepared, await self._plan(prepared.bundle), snapshot, DAEMON)
        return self._serving.current()

    async def _resume(self, last: Applied) -> None:
        try:
            prepared = await self._serving.prepare(last.files, tolerant=True)
            self._serving.serve(prepared, last.number)
            await self._source.accepted(Origin(**last.origin))
        except ConfigError as trouble:
            lines = trouble.lines if isinstance(trouble, PolicyRefused) else (str(trouble),)
            for line in lines:
                logger.error("generation %d: %s", last.number, line)
            raise ConfigError(
                f"generation {last.number}, the last that was served, cannot be served any more:"
                f" {lines[0]}"
            ) from trouble

    async def follow(self) -> None:
        """Look at once, and whenever the source may have something else; never returns."""
        while True:
            await self.look()
            await self._source.changed()

    async def look(self) -> None:
        """Take what the source has now, or say why not. What is served stays when that fails."""
        async with self.alone():
            try:
                await self._look()
            except LeaseholdError as trouble:
                lines = trouble.lines if isinstance(trouble, PolicyRefused) else ()
                for line in lines:
                    logger.error("policy: %s", line)
                await self._refuse(EventType.POLICY_REFUSED, str(trouble))

    async def _look(self) -> None:
        snapshot = await self._source.read()
        prepared = await self._serving.prepare(snapshot.files)
        plan = await self._plan(prepared.bundle)
        if plan.unsafe or not self._automatic:
            await self._take(snapshot, prepared, plan)
            return
        async with self._rehearsal.proved(plan, prepared) as plan:
            await self._take(snapshot, prepared, plan)

    async def _take(self, snapshot: Snapshot, prepared: Prepared, plan: Plan) -> None:
        """Serve what the source has, or say why not."""
        if plan.unsafe:
            reasons = "; ".join(f"{unsafe.code}: {unsafe.message}" for unsafe in plan.unsafe)
            await self._refuse(
                EventType.POLICY_HELD, f"held for a person, plan {plan.checksum}: {reasons}"
            )
        elif plan.digest == self._serving.current().bundle.digest:
            # The text is the same, what its references lead to may not be.
            self._serving.serve(prepared, plan.generation)
            await self._source.accepted(snapshot.origin)
            self.trouble = self._told = ""
        elif self._automatic or plan.empty:
            await self._commit(prepared, plan, snapshot, DAEMON)
        else:
            await self._refuse(
                EventType.POLICY_HELD, f"plan {plan.checksum} waits for leasehold apply"
            )

    async def plan(self, files: Files | None = None) -> Plan:
        """What an apply of the source would do, or what `files` would do in its place.

        Raises ConfigError, PolicyRefused.
        """
        wanted = (await self._source.read()).files if files is None else files
        bundle = await self._serving.validate(wanted)
        return await self._rehearsal.known(await self._plan(bundle), bundle)

    async def apply(
        self, caller: Caller, who: str, *, checksum: str | None, allow: Collection[str]
    ) -> Plan:
        """Apply what the source has, as a person who may have seen the plan `checksum` of it.

        `allow` has codes of safety limits that this one apply may break. Raises Locked, Stale,
        Unsafe, ConfigError, PolicyRefused, and Unavailable when the roles cannot be proved now.
        """
        # The daemon's own look is soon over; another person's apply changes what was looked at.
        if self._lock.locked() and self._holder != _ITSELF:
            raise Locked(f"{self._holder} is at an apply just now; try again when that is over")
        async with self.alone(f"{who} ({caller.who})"):
            snapshot = await self._source.read()
            prepared = await self._serving.prepare(snapshot.files)
            plan = await self._plan(prepared.bundle)
            if checksum is not None and checksum != plan.checksum:
                raise Stale(
                    f"the plan is {plan.checksum} now, not {checksum}; look at it again with"
                    " leasehold plan"
                )
            _refuse_unsafe(plan, allow)
            async with self._rehearsal.proved(plan, prepared, within_s=PROVE_S) as plan:
                _refuse_unsafe(plan, allow)
                if plan.digest != self._serving.current().bundle.digest:
                    await self._commit(prepared, plan, snapshot, who, caller)
            return plan

    @asynccontextmanager
    async def alone(self, who: str = _ITSELF) -> AsyncIterator[None]:
        """No other generation is prepared or served until the block is left."""
        async with self._lock:
            self._holder = who
            yield

    async def _plan(self, wanted: Bundle) -> Plan:
        served = self._serving.served
        usage, live = await self._usage(served, wanted)
        return await asyncio.to_thread(  # a thousand roles take a while
            make_plan,
            None if served is None else served.bundle,
            wanted,
            generation=0 if served is None else served.number,
            usage=usage,
            live_leases=live,
            operations=self._serving.operations,
            unused=self._serving.unused(self._clock),
            revocability={each.name: each.revocability for each in self._engines.statuses()},
        )

    async def _usage(self, served: Generation | None, wanted: Bundle) -> tuple[Usage, int]:
        if served is None:
            return {}, 0
        holders = await self._store.holders()
        beyond = {
            place: await self._store.beyond(*place, max_s * 1000)
            for place, max_s in shortened_roles(served.bundle, wanted).items()
            if place in holders
        }
        usage = {
            place: RoleUsage(holders=held, beyond_new_max=beyond.get(place, 0))
            for place, held in holders.items()
        }
        return usage, sum(used.total for used in usage.values())

    async def _commit(
        self,
        prepared: Prepared,
        plan: Plan,
        snapshot: Snapshot,
        who: str,
        caller: Caller | None = None,
    ) -> None:
        served = self._serving.served
        number = 1 if served is None else served.number + 1
        now_ms = self._clock.now_ms()
        applied = Applied(
            number=number,
            digest=plan.digest,
            applied_ms=now_ms,
            by=who,
            origin=asdict(snapshot.origin),
            files=prepared.files,
        )
        asked = orders(
            None if served is None else served.bundle,
            prepared.bundle,
            number,
            self._serving.operations,
        )
        told = Event.new(
            EventType.POLICY_APPLIED,
            now_ms,
            caller=caller,
            generation=str(number),
            digest=plan.digest,
            checksum=plan.checksum,
            by=who,
            commit=snapshot.origin.commit,
            changes=_summary(plan),
        )
        await reach("apply.planned")
        await self._store.keep(
            [applied.document(), outdated(number), *(order.document() for order in asked)], told
        )
        await reach("apply.written")
        self._serving.serve(prepared, number)
        await reach("apply.served")
        await self._source.accepted(snapshot.origin)
        self.trouble = self._told = ""
        logger.info("generation %d is served: %s", number, _summary(plan))
        for tell in self._tell:
            tell()

    async def _refuse(self, kind: EventType, why: str) -> None:
        """Say, once for each reason, that the source is ahead of what is served."""
        self.trouble = why
        if why == self._told:
            return
        self._told = why
        logger.warning("the policy stays as it was: %s", why)
        try:
            await self._store.record(Event.new(kind, self._clock.now_ms(), why=why))
        except LeaseholdError as trouble:
            logger.error("not audited: %s: %s", kind, trouble)


def _refuse_unsafe(plan: Plan, allow: Collection[str]) -> None:
    """Raise Unsafe for limits that the plan breaks and `allow` does not name."""
    broken = [unsafe for unsafe in plan.unsafe if unsafe.code not in allow]
    if broken:
        reasons = "; ".join(f"{unsafe.code}: {unsafe.message}" for unsafe in broken)
        flags = "".join(f" --allow-unsafe {code}" for code in sorted({b.code for b in broken}))
        raise Unsafe(f"refused: {reasons}; allow it once with{flags}")


def _summary(plan: Plan) -> str:
    counts = [(action, plan.count(action)) for action in Action]
    return ", ".join(f"{action} {count}" for action, count in counts if count) or "no change"
