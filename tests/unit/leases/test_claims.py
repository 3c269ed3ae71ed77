import asyncio
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.clock import on_virtual_time, virtual_clock
from fakes.leases import a_lease
from leasehold.errors import Unavailable
from leasehold.leases.claims import Claims

HOLDERS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 5), st.integers(0, 5), st.booleans()),
    min_size=2,
    max_size=12,
)


@given(HOLDERS)
@on_virtual_time
async def test_two_holders_of_one_lease_never_overlap(holders) -> None:
    claims = Claims()
    inside: list[str] = []

    async def wait_for_it(lease_id: str, work_s: int) -> None:
        async with claims.of(lease_id, deadline_s=1_000):
            await at_work(lease_id, work_s)

    async def take_if_free(lease_id: str, number: int, work_s: int) -> None:
        taken = claims.take([a_lease(number)])
        for lease in taken:
            await at_work(lease.id, work_s)
        claims.give(taken)

    async def at_work(lease_id: str, work_s: int) -> None:
        assert lease_id not in inside
        inside.append(lease_id)
        await asyncio.sleep(work_s)
        inside.remove(lease_id)

    async def begin(number: int, at_s: int, work_s: int, patient: bool) -> None:
        lease_id = a_lease(number).id
        await asyncio.sleep(at_s)
        await (wait_for_it(lease_id, work_s) if patient else take_if_free(lease_id, number, work_s))

    async with asyncio.TaskGroup() as group:
        for holder in holders:
            group.create_task(begin(*holder))
    everything = [a_lease(number) for number in (1, 2, 3)]
    assert claims.take(everything) == everything, "all claims were given back"


@on_virtual_time
async def test_who_waits_too_long_is_told_to_come_again() -> None:
    claims, lease = Claims(), a_lease()
    began_ms = virtual_clock().now_ms()
    async with claims.of(lease.id):
        with pytest.raises(Unavailable, match="try again"):
            async with claims.of(lease.id, deadline_s=30):
                raise AssertionError("somebody else holds it")
    assert virtual_clock().now_ms() - began_ms == pytest.approx(30_000, abs=10)


@on_virtual_time
async def test_a_claim_is_given_back_when_its_holder_fails_or_is_cancelled() -> None:
    claims, lease = Claims(), a_lease()
    with pytest.raises(RuntimeError):
        async with claims.of(lease.id):
            raise RuntimeError
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), claims.of(lease.id):
            await asyncio.Event().wait()
    assert claims.take([lease]) == [lease]


async def test_a_watch_names_what_was_given_back_meanwhile_and_nothing_else() -> None:
    claims = Claims()
    early, during, held = (a_lease(number) for number in (1, 2, 3))
    async with claims.of(early.id):
        pass
    claims.take([held])
    with claims.watch() as touched:
        async with claims.of(during.id):
            pass
    async with claims.of(early.id):
        pass
    assert touched == {during.id}
    assert claims.take([early, during, held]) == [early, during]


async def test_a_watch_that_ends_ends_no_other() -> None:
    claims = Claims()
    lease = a_lease(1)
    with ExitStack() as longer:
        touched = longer.enter_context(claims.watch())
        with claims.watch():
            pass  # has seen what the longer one has: nothing
        async with claims.of(lease.id):
            pass
        assert touched == {lease.id}
