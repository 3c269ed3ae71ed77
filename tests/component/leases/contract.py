"""What every store keeps when it is written to: durability, order and limits."""

import asyncio

import pytest

from component.leases.home import (
    RECIPE,
    Home,
    OnAStore,
    activated,
    end,
    ended,
    intent,
    issue,
    newer,
    pending,
    revoking,
)
from fakes.leases import START_MS, a_lease
from leasehold.errors import Conflict, LimitReached, NotFound, QuotaReached
from leasehold.leases.tally import holders
from leasehold.model import Caller, Event, EventType, LeaseState
from leasehold.quota import Kind


class WritingContract(OnAStore):
    """Subclass it, and say where stores live."""

    async def test_what_was_written_is_there_after_a_restart(self, home: Home) -> None:
        async with home.opened() as store:
            lease = await issue(store)
            deployment, waiting = store.deployment_id, await store.outbox(10)
            head = await store.checkpoint()
        async with home.opened() as store:
            assert await store.get(lease.id) == lease
            assert await store.recipe(RECIPE.id) == RECIPE
            assert await store.outbox(10) == waiting
            assert await store.checkpoint() == head
            assert store.deployment_id == deployment
            assert (await store.counts()).by_state[LeaseState.ACTIVE] == 1
            assert store.saved_anchor == home.clock.anchor()

    async def test_an_answer_comes_only_when_a_restart_would_find_it(self, home: Home) -> None:
        """The store is opened beside itself, as after a kill at the instant of the answer."""
        async with home.opened() as store:
            for number in range(5):
                lease = await issue(store, number)
                assert home.found_beside(lease.id) == (lease.state, lease.version)

    async def test_a_write_over_a_version_that_is_gone_is_a_conflict(self, store) -> None:
        lease = await issue(store)
        await store.write(revoking(lease))
        with pytest.raises(Conflict, match="changed by somebody else"):
            await store.write(newer(lease, last_error="late"))
        assert (await store.get(lease.id)).state is LeaseState.REVOKING

    async def test_of_many_who_change_one_lease_at_once_one_wins(self, store) -> None:
        lease = await issue(store)
        changes = [newer(lease, last_error=f"by {number}") for number in range(20)]
        results = await asyncio.gather(
            *(store.write(change) for change in changes), return_exceptions=True
        )
        won = [change for change, result in zip(changes, results, strict=True) if result is None]
        assert [type(result) for result in results if result is not None] == [Conflict] * 19
        assert await store.get(lease.id) == won[0].new

    async def test_of_many_changes_written_together_the_refused_are_left_out(self, store) -> None:
        leases = [await issue(store, number) for number in range(4)]
        await store.write(newer(leases[1], last_error="first"))
        changes = [revoking(lease) for lease in leases]
        assert await store.write_many(changes) == [changes[0], changes[2], changes[3]]
        assert (await store.get(leases[1].id)).last_error == "first"
        assert await store.write_many([]) == []

    async def test_a_change_that_cannot_be_written_fails_alone(self, store) -> None:
        """A plugin's nonsense must not stop the writes of others, now or later."""
        lease = pending(1)
        await store.write(intent(lease))
        nonsense = newer(lease, handle={"connection": object()})
        past_max = newer(lease, expires_ms=lease.max_expires_ms + 1)
        results = await asyncio.gather(
            *(issue(store, number) for number in range(2, 10)),
            store.write(nonsense),
            store.write(past_max),
            return_exceptions=True,
        )
        assert all(isinstance(result, Exception) for result in results[-2:])
        assert [lease.state for lease in results[:-2]] == [LeaseState.ACTIVE] * 8
        assert await store.get(lease.id) == lease
        await store.write(activated(lease))

    async def test_a_limit_counts_live_leases_of_the_role_and_of_the_mount(self, store) -> None:
        by_role, by_mount = {Kind.ROLE: 2}, {Kind.MOUNT: 3}
        leases = [await issue(store, number) for number in (1, 2)]
        with pytest.raises(LimitReached, match="2 live leases of 2 allowed") as caught:
            await store.write(intent(pending(3), limits=by_role))
        assert caught.value.retry_after_s > 0
        other = pending(4, id="database/creds/other/4", role="other")
        await store.write(intent(other, limits={**by_role, **by_mount}))
        with pytest.raises(LimitReached, match="mount database has 3"):
            await store.write(intent(pending(5), limits=by_mount))
        assert await store.get(pending(5).id) is None
        ending = revoking(leases[0])
        await store.write(ending)
        with pytest.raises(LimitReached):
            await store.write(intent(pending(5), limits=by_mount))
        await store.write(ended(ending.new))
        await store.write(intent(pending(5), limits=by_mount))

    @pytest.mark.parametrize("kind", [Kind.ENGINE, Kind.TENANT, Kind.IDENTITY])
    async def test_a_limit_counts_live_leases_whose_ever_they_are(self, store, kind) -> None:
        mine, others = {kind.value: "mine"}, {kind.value: "others"}
        await issue(store, 1, **mine)
        second = await issue(store, 2, **mine)
        await store.write(intent(pending(3, **others), limits={kind: 2}))
        with pytest.raises(QuotaReached, match=f"{kind} mine has 2 live leases of 2") as caught:
            await store.write(intent(pending(4, **mine), limits={kind: 2}))
        reached = caught.value
        assert (reached.kind, reached.name, reached.used, reached.most) == (kind, "mine", 2, 2)
        assert await store.live(kind) == {"mine": 2, "others": 1}
        await end(store, second)
        await store.write(intent(pending(4, **mine), limits={kind: 2}))

    async def test_the_first_end_is_that_of_live_leases_alone(self, store) -> None:
        first = await issue(store, 1, expires_ms=START_MS + 5_000)
        await issue(store, 2, expires_ms=START_MS + 9_000)
        for kind, name in holders(first):
            assert await store.first_end_ms(kind, name) == START_MS + 5_000
            assert await store.first_end_ms(kind, "nobody") is None
        await end(store, first)
        for kind, name in holders(first):
            assert await store.first_end_ms(kind, name) == START_MS + 9_000

    async def test_subscribers_get_events_in_the_order_of_the_changes(self, store) -> None:
        async def live(number: int) -> None:
            await end(store, await issue(store, number))

        await asyncio.gather(*(live(number) for number in range(30)))
        entries = await store.outbox(1_000)
        assert [entry.seq for entry in entries] == [*range(1, 61)]
        for number in range(30):
            mine = [e.event for e in entries if e.event.lease.id == a_lease(number).id]
            assert [event.type for event in mine] == [EventType.ISSUED, EventType.REVOKED]
            assert mine[0].lease.version < mine[1].lease.version

    async def test_events_wait_until_they_were_published_also_across_a_restart(
        self, home: Home
    ) -> None:
        async with home.opened() as store:
            for number in range(5):
                await issue(store, number)
            assert await store.outbox_size() == 5
            await store.published(3)
            assert [entry.seq for entry in await store.outbox(10)] == [4, 5]
        async with home.opened() as store:
            await store.published(5)
            assert await store.outbox(10) == []
            assert await store.outbox_size() == 0
            await issue(store, 6)
            assert [entry.seq for entry in await store.outbox(10)] == [6]

    async def test_what_concerns_no_lease_is_audited(self, home: Home, store) -> None:
        denied = Event.new(EventType.DENIED, START_MS, caller=Caller(1, 1, 1), path="a/b/c")
        await store.record(denied)
        assert home.audit.events == [denied]
        assert await store.outbox(10) == []

    async def test_a_recipe_is_kept_until_its_last_live_lease_ends(self, store) -> None:
        one, two = [await issue(store, number) for number in (1, 2)]
        await end(store, one)
        assert await store.recipe(RECIPE.id) == RECIPE
        assert await store.live_recipes() == [RECIPE.id]
        await end(store, two)
        assert await store.live_recipes() == []
        with pytest.raises(NotFound):
            await store.recipe(RECIPE.id)
        await issue(store, 3)
        assert await store.recipe(RECIPE.id) == RECIPE

    async def test_a_read_sees_every_write_that_returned(self, store) -> None:
        async def write_and_read(number: int) -> None:
            lease = pending(number)
            await store.write(intent(lease))
            assert await store.get(lease.id) == lease
            change = activated(lease)
            await store.write(change)
            assert await store.get(lease.id) == change.new
            assert change.new in await store.find(prefix=lease.id)
            ending = revoking(change.new, START_MS)
            assert [*await store.write_many([ending])] == [ending]
            assert ending.new in await store.due("postgres-prod", START_MS, 1_000)

        await asyncio.gather(*(write_and_read(number) for number in range(40)))

    async def test_whoever_subscribed_hears_of_each_batch(self, store) -> None:
        woken = asyncio.Event()
        store.subscribe(woken.set)
        await issue(store)
        async with asyncio.timeout(5):
            await woken.wait()
