"""The daemon's own objects over a real SQLite store, with a fake clock and fake targets.

A `World` outlives its daemon: `crash` throws every object away as SIGKILL would, `start` makes new
ones from what is on the disk and at the targets.
"""

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import Set
from pathlib import Path
from typing import Any

from fakes.clock import FakeClock
from fakes.engine import FakeEngine, FakeTarget
from fakes.ledger import Fate, Ledger
from fakes.policy import HOLDER, NOBODY_KNOWN, a_bundle, connections
from leasehold.access import Access
from leasehold.admission.admission import Admission
from leasehold.background import Background
from leasehold.bundle import Bundle, EngineConfig, Generation, Role
from leasehold.creation import Creation
from leasehold.ending import Ending
from leasehold.engines.registry import Engines
from leasehold.events.audit import FileAudit
from leasehold.events.audit_line import GENESIS
from leasehold.events.audit_rotation import NEVER, Rotation
from leasehold.events.audit_verify import verify_audit
from leasehold.expiry import ExpiryWorker
from leasehold.holding import Holding
from leasehold.inspection import Inspection
from leasehold.issuance import Issuance, IssuedLease
from leasehold.kept import KeptPasswords
from leasehold.keys.keyfile import Key
from leasehold.leases.freeze import Freeze
from leasehold.leases.names import AccountNames
from leasehold.leases.sqlite import SQLiteStore
from leasehold.methods.catalog import load_method_class
from leasehold.methods.registry import Methods
from leasehold.model import Caller, EventType, Lease, LeaseState, Recipe
from leasehold.readiness import Readiness
from leasehold.reconcile.enforcer import Enforcer
from leasehold.reconcile.revocation_book import RevocationBook
from leasehold.removal import Remover
from leasehold.secret import Secret
from leasehold.tokens.secret_ids import SecretIds
from leasehold.tokens.sweep import TokenSweep
from leasehold.tokens.tokens import IssuedToken, Tokens, Wish
from leasehold.tokens.wrapping import Wrapping
from leasehold.warm import Warm

KEY = Key(id="0123456789abcdef", value=bytes(range(32)))
QUIET_MS = 15 * 60_000
"""Longer than the longest wait for another attempt, twice."""
ENDING = (LeaseState.PENDING, LeaseState.REVOKING, LeaseState.DISABLED)


class World:
    """One deployment: a state directory, targets named `one` and `two`, a policy, a clock."""

    engine_class: type[FakeEngine] = FakeEngine
    ledger_class: type[Ledger] = Ledger
    fate_class: type[Fate] = Fate
    worker_class: type[ExpiryWorker] = ExpiryWorker
    access_class: type[Access] = Access
    rotation: Rotation = NEVER

    def __init__(self, folder: Path, clock: FakeClock, bundle: Bundle | None = None) -> None:
        self.state_dir = folder / "state"
        self.clock = clock
        self.targets = {name: FakeTarget(f"id-of-{name}") for name in ("one", "two")}
        self.target = self.targets["one"]
        self.generation = self._generation(1, bundle or a_bundle())

    @staticmethod
    def _generation(number: int, bundle: Bundle) -> Generation:
        return Generation(number=number, bundle=bundle, connections=connections(bundle))

    async def __aenter__(self) -> "World":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self.fate = self.fate_class()
        self._store = SQLiteStore(self.state_dir, KEY)
        self._audit = FileAudit(
            self.state_dir / "audit.jsonl",
            KEY.derive("audit chain"),
            head=self._store.audit_head or GENESIS,
            wall=self.clock.wall,
            boot="boot",
            rotation=self.rotation,
        )
        self._store.start(self._audit, self.clock)
        self.store: Any = self.ledger_class(self._store, self.fate)
        members = {"targets": self.targets, "step": staticmethod(self.fate.step)}
        engine_class = type("Engine", (self.engine_class,), members)
        self.kept = KeptPasswords(self.store)
        await self.kept.load()
        self.engines = Engines(lambda _: engine_class, self.kept.rotated)
        self.serve(self.generation.bundle)
        self.remover = Remover(self.store, self.engines, self.clock)
        await self.remover.abandoned()
        self.access = self.access_class(lambda: self.generation, self.store, self.clock)
        self.worker = self.worker_class(self.store, self.clock, self.remover)
        self.ending = Ending(self.store, self.clock, self.remover)
        self.book = RevocationBook(self.store)
        await self.book.standing()
        self.enforcer = Enforcer(self.store, self.clock, self.ending, self.book, self.worker.hurry)
        self.readiness = Readiness(self.clock)
        self.creation = Creation(
            store=self.store,
            clock=self.clock,
            names=AccountNames(self.store.deployment_id, KEY.derive("account tag")),
            remover=self.remover,
            ending=self.ending,
            readiness=self.readiness,
        )
        of_tokens = self.ledger_class(self._store.tokens, self.fate)
        self.tokens = Tokens(self.access, of_tokens, self.clock)
        self.token_sweep = TokenSweep(self.tokens, of_tokens, self.store, self.ending)
        self.methods = Methods({}, load_method_class, lambda: self.clock.now_ms() / 1000)
        self.secret_ids = SecretIds(self.store, self.clock, self.methods)
        await self.secret_ids.load()
        self.wrapping = Wrapping(self.store, self.clock, self.ending, self.tokens, self.secret_ids)
        await self.wrapping.start()
        self._stopping = asyncio.Event()
        group: asyncio.Future[asyncio.TaskGroup] = asyncio.get_running_loop().create_future()
        self._host = asyncio.create_task(self._own(group))
        self.background = Background(await group)
        operations = {"fake": FakeEngine.operations}
        self.admission = Admission(
            lambda: self.generation, operations, self.engines, self.store, self.clock
        )
        self.freeze = Freeze()
        self.freeze.load({})
        self.holding = Holding(self.store, self.ending)
        self.warm = Warm(
            store=self.store,
            clock=self.clock,
            remover=self.remover,
            creation=self.creation,
            ending=self.ending,
            ends=self.book.ends,
        )
        self.issuance = Issuance(
            access=self.access,
            admission=self.admission,
            store=self.store,
            engines=self.engines,
            clock=self.clock,
            remover=self.remover,
            warm=self.warm,
            holding=self.holding,
            ending=self.ending,
            freeze=self.freeze,
            ends=self.book.ends,
            recipe_of=self._recipe_of,
            background=self.background,
        )
        self.inspection = Inspection(
            access=self.access,
            store=self.store,
            engines=self.engines,
            clock=self.clock,
            troubles=lambda: (),
        )

    async def _own(self, made: "asyncio.Future[asyncio.TaskGroup]") -> None:
        async with asyncio.TaskGroup() as group:
            made.set_result(group)
            await self._stopping.wait()

    async def stop(self) -> None:
        """Stop in order, after what is under way."""
        self._stopping.set()
        await self._host
        await self._let_go()

    async def crash(self) -> None:
        """Die on the spot."""
        self.fate.dead = True
        self._host.cancel()
        await asyncio.gather(self._host, return_exceptions=True)
        await self._let_go()

    async def _let_go(self) -> None:
        await self._store.close()
        self._audit.close()

    def serve(self, bundle: Bundle) -> None:
        """Serve another policy."""
        self.generation = self._generation(self.generation.number + 1, bundle)
        connections = self.generation.connections
        built = self.engines.build(
            {
                name: (its.type, its.mount, self.kept.rotated(name, connections[name]))
                for name, its in bundle.engines.items()
            }
        )
        self.engines.serve(built)

    def _recipe_of(self, config: EngineConfig, role: Role) -> Recipe:
        connection = self.generation.connections[config.name]
        text = json.dumps([config.name, connection["host"], dict(role.options)])
        return Recipe(
            id=hashlib.sha256(text.encode()).hexdigest()[:32],
            engine=config.name,
            engine_type=config.type,
            connection=connection,
            role=role.options,
        )

    # What a test does and looks at.

    async def issue(
        self,
        path: str = "database/creds/reader",
        *,
        caller: Caller = HOLDER,
        ttl_s: int | None = None,
    ) -> IssuedLease:
        return await self.issuance.issue(caller, *path.split("/"), ttl_s=ttl_s)

    async def login(self, caller: Caller = HOLDER, **wish: Any) -> IssuedToken:
        return await self.tokens.issue(caller, caller, "auth/unix/login", Wish(**wish))

    async def speak(self, text: Secret, peer: Caller = NOBODY_KNOWN) -> Caller:
        return await self.tokens.speaker(peer, text.reveal(), "some/path")

    async def sweep(self) -> None:
        for engine in await self.store.live_engines():
            await self.worker.sweep(engine)

    async def leases(self) -> list[Lease]:
        """Every lease, tombstones included."""
        async with self.store.alone() as store:
            return await store.find(limit=100_000)

    async def lease(self, lease_id: str) -> Lease:
        async with self.store.alone() as store:
            found = await store.get(lease_id)
        assert found is not None
        return found

    async def settle(self) -> None:
        """Let time pass until no lease is on its way anywhere, which must not take for ever."""
        began_ms = self.clock.now_ms()
        while self.clock.now_ms() - began_ms < QUIET_MS:
            await self.finish_what_is_under_way()
            await self.wrapping.sweep()
            await self.token_sweep.sweep()
            standing = await self.enforcer.carry_out()
            await self.sweep()
            if not standing and not any(lease.state in ENDING for lease in await self.leases()):
                return
            found = [await self.store.next_ms(name) for name in await self.store.live_engines()]
            left_ms = min((due for due in found if due is not None), default=0)
            left_ms -= self.clock.now_ms()
            self.clock.advance(ms=min(max(1_000, left_ms), 10_000))
        raise AssertionError(f"not quiet after {QUIET_MS} ms: {await self.leases()}")

    async def finish_what_is_under_way(self) -> None:
        """Wait for work that goes on although its caller has gone."""
        tasks = asyncio.all_tasks() - {asyncio.current_task(), self._host}
        if tasks:
            await asyncio.wait(tasks)

    async def assert_accounts_agree(self, dropped: Set[str] = frozenset()) -> None:
        """Accounts at the targets are those of live leases, but for what was `dropped` by hand."""
        leases = await self.leases()
        live = {lease.account for lease in leases if lease.state is not LeaseState.REVOKED}
        standing = {name for target in self.targets.values() for name in target.accounts}
        assert live - dropped <= standing <= live

    async def told(self, lease_id: str | None = None) -> list[EventType]:
        """What subscribers would hear, in order."""
        async with self.store.alone() as store:
            entries = await store.outbox(100_000)
        return [
            entry.event.type
            for entry in entries
            if lease_id is None or (entry.event.lease and entry.event.lease.id == lease_id)
        ]

    async def audited(self) -> dict[str, list[dict[str, Any]]]:
        """The audit's lines by lease, after the chain was verified."""
        path = self.state_dir / "audit.jsonl"
        async with self.store.alone() as store:
            head = await store.checkpoint()
            report = verify_audit(path, KEY.derive("audit chain"), lambda: head)
            assert report.findings == []
            found = defaultdict(list)
            for line in map(json.loads, path.read_text().splitlines()):
                found[line.get("lease", "")].append(line)
            return found
