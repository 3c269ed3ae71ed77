"""Proof of a plan's new or changed roles, before they are served.

First the engine rehearses the role, where it can without leaving anything; then a drill makes a
real account and sees it gone. What went well is remembered, so that an unchanged role is not proved
again. Of accounts that stand, and whose passwords are to change, the engine is asked whether it may
change them. A target that is away proves nothing and holds nothing up.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from leasehold.background import Background
from leasehold.bundle import Bundle, Role
from leasehold.clock import Clock
from leasehold.ending import target_expiry
from leasehold.engines.guarded import GuardedEngine
from leasehold.engines.registry import Engines
from leasehold.errors import EngineError, EngineTemporary, ErrorClass, LeaseholdError, Unavailable
from leasehold.leases.store import LeaseStore
from leasehold.reconcile.changes import Check, CheckResult, Plan, Unsafe
from leasehold.reconcile.drill import TTL_S, Drill, Trial, operation_of
from leasehold.reconcile.objects import role_address
from leasehold.reconcile.proofs import KIND, Proof, from_document, proof_name, to_prove
from leasehold.reconcile.rotatable import Rotatable, to_check
from leasehold.reconcile.safety import REHEARSAL_FAILED
from leasehold.serving import Prepared, Serving

logger = logging.getLogger(__name__)

AT_ONCE = 4
"""Proofs that run at the same time on one engine, so that callers are not held up."""


@dataclass(frozen=True, slots=True)
class _Task:
    """One role to prove, the name of its proof, and what is remembered of that."""

    role: Role
    name: str
    known: Proof | None

    @property
    def address(self) -> str:
        """The role's."""
        return role_address(self.role)

    @property
    def engine(self) -> str:
        """Where it is proved."""
        return self.role.engine


@dataclass(frozen=True, slots=True)
class _Run:
    """What has come of the tasks of one plan so far."""

    prepared: Prepared
    checks: list[Check] = field(default_factory=list)
    troubles: list[LeaseholdError] = field(default_factory=list)


class Rehearsal:
    """Proves roles, those of one plan at a time."""

    def __init__(
        self,
        *,
        serving: Serving,
        engines: Engines,
        store: LeaseStore,
        clock: Clock,
        drill: Drill,
        background: Background,
    ) -> None:
        self._serving = serving
        self._engines = engines
        self._store = store
        self._clock = clock
        self._drill = drill
        self._background = background

    async def known(self, plan: Plan, wanted: Bundle) -> Plan:
        """The plan with what is remembered of its roles. No target is touched."""
        checks = [
            _check(each, CheckResult.PENDING, "rights are looked at when it is applied")
            for each in self._rotatables(wanted)
        ]
        for task in await self._tasks(wanted):
            known = task.known
            if known is None:
                check = _check(task, CheckResult.PENDING, "is proved when it is applied")
            elif known.holds(self._clock.now_ms()):
                check = _check(task, CheckResult.OK, known.message, known.ms)
            else:
                last = f"; last time: {known.message}" if not known.passed else ""
                check = _check(task, CheckResult.PENDING, f"is proved again when applied{last}")
            checks.append(check)
        return _with(plan, checks)

    @asynccontextmanager
    async def proved(
        self, plan: Plan, prepared: Prepared, *, within_s: float | None = None
    ) -> AsyncIterator[Plan]:
        """The plan with its roles proved; one that failed makes it unsafe.

        `prepared` is served, or not, before this is left. Raises Unavailable when leasehold itself
        cannot prove anything now, or not all of it within `within_s` seconds.
        """
        tasks: list[_Task | Rotatable] = [
            *await self._tasks(prepared.bundle),
            *self._rotatables(prepared.bundle),
        ]
        if not tasks:
            yield plan
            return
        async with self._engines.trying(prepared.engines):
            yield _with(plan, await self._prove(tasks, prepared, within_s))

    def _rotatables(self, wanted: Bundle) -> list[Rotatable]:
        served = self._serving.served
        return to_check(None if served is None else served.bundle, wanted)

    async def _tasks(self, wanted: Bundle) -> list[_Task]:
        served = self._serving.served
        roles = [role for _, role in to_prove(None if served is None else served.bundle, wanted)]
        if not roles:
            return []
        proofs = {each.name: from_document(each) for each in await self._store.documents(KIND)}
        now_ms = self._clock.now_ms()
        if old := [proof.forgotten() for proof in proofs.values() if proof.is_old(now_ms)]:
            await self._store.keep(old)
        named = [(role, proof_name(role, wanted.engines[role.engine])) for role in roles]
        return [_Task(role, name, proofs.get(name)) for role, name in named]

    async def _prove(
        self,
        tasks: Sequence[_Task | Rotatable],
        prepared: Prepared,
        within_s: float | None,
    ) -> list[Check]:
        run, by_engine = _Run(prepared), defaultdict(list)
        for task in tasks:
            by_engine[task.engine].append(task)
        try:
            async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
                for name, mine in by_engine.items():
                    group.create_task(self._on_engine(name, mine, run), name=f"prove {name}")
        except TimeoutError:
            raise Unavailable(
                f"{len(run.checks)} of {len(tasks)} new or changed roles are proved within"
                f" {within_s:g} s; what is proved is remembered, so apply again"
            ) from None
        if run.troubles:
            raise run.troubles[0]
        for check in run.checks:
            if check.result is CheckResult.SKIPPED:
                logger.warning("%s was not proved: %s", check.address, check.message)
        return run.checks

    async def _on_engine(self, name: str, tasks: Sequence[_Task | Rotatable], run: _Run) -> None:
        engine = run.prepared.engines.engine(name)
        try:
            await engine.probe()
        except EngineError as refusal:
            away = isinstance(refusal, EngineTemporary)
            result = CheckResult.SKIPPED if away else CheckResult.FAILED
            run.checks.extend(_check(task, result, refusal.reason) for task in tasks)
            return
        lanes = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(self._one(task, engine, run, lanes))

    async def _one(
        self, task: _Task | Rotatable, engine: GuardedEngine, run: _Run, lanes: asyncio.Semaphore
    ) -> None:
        async with lanes:
            if isinstance(task, Rotatable):
                run.checks.append(await _may_rotate(task, engine))
                return
            known = task.known
            if known is not None and known.holds(self._clock.now_ms(), engine.target_id):
                run.checks.append(_check(task, CheckResult.OK, known.message, known.ms))
                return
            try:
                proving = self._prove_one(task, engine, run.prepared)
                run.checks.append(await self._background.finish(proving))
            except LeaseholdError as trouble:
                run.troubles.append(trouble)

    async def _prove_one(self, task: _Task, engine: GuardedEngine, prepared: Prepared) -> Check:
        """Prove one role, and remember how that went."""
        proof = await self._proof(task, engine, prepared)
        if not proof.passed and (away := await _away(engine)):
            return _check(task, CheckResult.SKIPPED, away)
        await self._store.keep([proof.document()])
        result = CheckResult.OK if proof.passed else CheckResult.FAILED
        return _check(task, result, proof.message, proof.ms)

    async def _proof(self, task: _Task, engine: GuardedEngine, prepared: Prepared) -> Proof:
        loop = asyncio.get_running_loop()
        began_ms, began_s = self._clock.now_ms(), loop.time()
        fault, note = "", ""
        try:
            if engine.rehearses:
                until = target_expiry(self._clock, began_ms + TTL_S * 1000)
                await engine.rehearse(task.role.options, until, task.role.password_policy)
        except EngineError as refusal:
            if refusal.error_class is ErrorClass.UNSUPPORTED:
                note = f"not rehearsed: {refusal.reason}"
            else:
                fault = f"rehearsal: {refusal.reason}"
        if not fault:
            fault = (await self._drill.run(self._trial(task, engine, prepared))).fault
        return Proof(
            name=task.name,
            target=engine.target_id,
            at_ms=began_ms,
            passed=not fault,
            ms=round((loop.time() - began_s) * 1000),
            message="; ".join(filter(None, (fault, note))),
        )

    def _trial(self, task: _Task, engine: GuardedEngine, prepared: Prepared) -> Trial:
        config = prepared.bundle.engines[task.role.engine]
        return Trial(
            mount=config.mount,
            operation=operation_of(engine),
            role=task.role,
            recipe=self._serving.recipe(config, task.role, prepared.connections[config.name]),
            engine=engine,
            generation=self._serving.current().number,
        )


async def _away(engine: GuardedEngine) -> str:
    """Why the target does not answer, empty when it does."""
    try:
        await engine.probe()
    except EngineTemporary as away:
        return away.reason
    except EngineError:
        pass
    return ""


async def _may_rotate(task: Rotatable, engine: GuardedEngine) -> Check:
    """Ask the engine what keeps it from changing these passwords; nothing is changed."""
    if not engine.checks_rotation:
        return _check(task, CheckResult.SKIPPED, f"{engine.type} tells it at the rotation")
    try:
        lines = [line for name in task.accounts for line in await engine.check_rotation(name)]
    except EngineError as refusal:
        away = isinstance(refusal, EngineTemporary)
        return _check(task, CheckResult.SKIPPED if away else CheckResult.FAILED, refusal.reason)
    told = "; ".join(line.removesuffix(";") for line in lines)
    return _check(task, CheckResult.FAILED if lines else CheckResult.OK, told)


def _check(
    task: _Task | Rotatable, result: CheckResult, message: str, ms: int | None = None
) -> Check:
    return Check(address=task.address, result=result, ms=ms, message=message)


def _with(plan: Plan, checks: Sequence[Check]) -> Plan:
    failed = [
        Unsafe(REHEARSAL_FAILED, f"{check.address}: {check.message}")
        for check in checks
        if check.result is CheckResult.FAILED
    ]
    return replace(
        plan,
        checks=tuple(sorted(checks, key=lambda check: check.address)),
        unsafe=tuple(sorted((*plan.unsafe, *failed), key=lambda each: (each.code, each.message))),
    )
