"""T32: in whatever order verbs and a crash cross, no promise is broken; and planted bugs are found.

`pytest -s` prints how many states there are. LEASEHOLD_EXAMPLES above 1 adds the programs that take
minutes.
"""

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from component.interleavings import Program, search
from component.life_model import LEGAL, LETTERS
from component.test_lease_life import EndsBeforeDrop
from component.turns import SearchedWorld, SeenLedger
from fakes.ledger import Fate
from fakes.policy import HOLDER, OPERATOR
from fakes.world import World
from leasehold.issuance import IssuedLease, RenewedLease
from leasehold.leases.claims import Claims
from leasehold.leases.sqlite import SQLiteStore
from leasehold.leases.store import Change
from leasehold.model import Cause, Lease, LeaseState

TTL_S = 4
LONGER_S = 3_000


async def nothing(world: World) -> None:
    pass


async def one_lease(world: World) -> IssuedLease:
    return await world.issue(ttl_s=TTL_S)


async def issue(world: World, made: IssuedLease | None) -> IssuedLease:
    return await world.issue(ttl_s=TTL_S)


async def revoke(world: World, made: IssuedLease) -> bool:
    return await world.issuance.revoke(OPERATOR, made.lease.id)


async def give_up(world: World, made: IssuedLease) -> bool:
    return await world.issuance.revoke(HOLDER, made.lease.id)


async def renew(world: World, made: IssuedLease) -> RenewedLease:
    return await world.issuance.renew(HOLDER, made.lease.id, LONGER_S)


async def expire(world: World, made: IssuedLease | None) -> None:
    """The end of the first lease comes, and the worker with it."""
    await world.fate.step()
    world.clock.advance(s=TTL_S)
    await world.worker.sweep("main")


ENDERS = {"revoke": revoke, "give up": give_up}


async def kept(world: World, made: IssuedLease | None, brought: Mapping[str, Any]) -> None:
    """What callers were told holds at once, and when all has come to rest."""
    told_over = made is not None and any(brought.get(name) is True for name in ENDERS)
    if made is not None and told_over:
        assert made.lease.account not in world.target.accounts, "it was said to be over"
    until = {
        each.lease.id: each.lease.expires_ms
        for each in (made, brought.get("issue"), brought.get("issue too"), brought.get("renew"))
        if isinstance(each, IssuedLease | RenewedLease)
    }
    await world.settle()
    await world.assert_accounts_agree()
    for lease in await world.leases():
        over, own = (
            lease.state is LeaseState.REVOKED,
            made is not None and lease.id == made.lease.id,
        )
        if own and (told_over or lease.cause in (Cause.HOLDER, Cause.OPERATOR)):
            assert over
        elif lease.id in until and not (own and "renew" not in brought):
            assert over == (world.clock.now_ms() >= until[lease.id])
        heard = "".join(LETTERS[event] for event in await world.told(lease.id))
        assert LEGAL.fullmatch(heard), heard
        assert heard.endswith("e") == over
    await world.audited()
    world.clock.advance(s=90_000)
    await world.settle()
    assert not world.target.accounts


WORKERS = {"issue": issue, "issue too": issue, "renew": renew, "expire": expire, **ENDERS}


def program(*workers: str, world: type[SearchedWorld] = SearchedWorld) -> Program:
    before = one_lease if {"renew", *ENDERS} & {*workers} else nothing
    return Program(before, {name: WORKERS[name] for name in workers}, kept, world)


SHORT = (("issue", "expire"), ("renew", "revoke"), ("revoke", "expire"))
LONG = (
    ("issue", "issue too"),
    ("renew", "expire"),
    ("renew", "revoke", "expire"),
    ("revoke", "give up", "expire"),
    ("issue", "revoke", "expire"),
    ("issue", "issue too", "expire"),
)
EVERYTHING = int(os.environ.get("LEASEHOLD_EXAMPLES", "1")) > 1
PROGRAMS = (*SHORT, *LONG) if EVERYTHING else SHORT


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("workers", PROGRAMS, ids="-".join)
def test_in_whatever_order_verbs_and_a_crash_cross_no_promise_is_broken(
    workers: tuple[str, ...],
) -> None:
    found = search(program(*workers))
    print(
        f"{' | '.join(workers)}: {found.states} states, {found.courses} courses, of which"
        f" {found.crashes} end in a crash; the longest has {found.longest} steps"
    )
    assert found.states > 20
    assert found.crashes > 20


class NoFence(SeenLedger):
    """A write does not ask whether the lease was changed since it was read."""

    def __getattr__(self, name: str) -> Any:
        member = super().__getattr__(name)
        if name not in ("write", "write_many"):
            return member

        async def call(changes: Any) -> Any:
            some = changes if name == "write_many" else [changes]
            fresh = [await self._on_top(change) for change in some]
            return await member(fresh if name == "write_many" else fresh[0])

        return call

    async def _on_top(self, change: Change) -> Change:
        if change.old is None:
            return change
        async with self.alone() as store:
            now = await store.get(change.new.id)
        assert now is not None
        return replace(change, old=now, new=replace(change.new, version=now.version + 1))


class NoClaims(Claims):
    """Everybody works on what he likes."""

    @asynccontextmanager
    async def of(self, lease_id: str, deadline_s: float = 30.0) -> AsyncIterator[None]:
        yield

    def take(self, leases: Iterable[Lease]) -> list[Lease]:
        return list(leases)

    def give(self, leases: Iterable[Lease]) -> None:
        pass


class Unfenced(SearchedWorld):
    """Neither claims nor versions keep two apart."""

    ledger_class = NoFence

    async def start(self) -> None:
        await super().start()
        self.remover.claims = NoClaims()


class EndsFirst(SearchedWorld, EndsBeforeDrop):
    """A lease is over in the ledger before its account is dropped."""


class ForgetsIntents(SeenLedger):
    """An intent is written only once the account stands."""

    def __init__(self, store: SQLiteStore, fate: Fate) -> None:
        super().__init__(store, fate)
        self._intents: dict[str, Change] = {}

    def __getattr__(self, name: str) -> Any:
        member = super().__getattr__(name)
        if name != "write":
            return member

        async def call(change: Change) -> None:
            if change.old is None:
                self._intents[change.new.id] = change
                return
            if intent := self._intents.pop(change.new.id, None):
                await member(intent)
            await member(change)

        return call


class LateIntent(SearchedWorld):
    """An intent is written only once the account stands."""

    ledger_class = ForgetsIntents


BUGS = {
    "no fence": (Unfenced, ("renew", "revoke")),
    "done before drop": (EndsFirst, ("revoke", "expire")),
    "late intent": (LateIntent, ("issue", "expire")),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found_by_some_order(name: str) -> None:
    world, workers = BUGS[name]
    with pytest.raises(AssertionError, match="by the choices"):
        search(program(*workers, world=world))
