"""What every store keeps of the audit: before the change, never without, late where it may."""

import asyncio

import pytest

from component.leases.home import (
    Home,
    OnAStore,
    end,
    intent,
    issue,
    pending,
    renewed,
    revoking,
)
from fakes.leases import START_MS
from leasehold.errors import Unavailable
from leasehold.model import Event, EventType


class AuditContract(OnAStore):
    """Subclass it, and say where stores live."""

    async def test_without_an_audit_nothing_is_issued_and_nothing_renewed(
        self, home: Home, store
    ) -> None:
        lease = await issue(store, 1)
        home.audit.broken = True
        with pytest.raises(Unavailable, match="No space left"):
            await store.write(intent(pending(2)))
        with pytest.raises(Unavailable):
            await store.write(renewed(lease))
        with pytest.raises(Unavailable):
            await store.record(Event.new(EventType.DENIED, START_MS))
        assert await store.get(lease.id) == lease
        assert await store.find() == [lease]

    async def test_without_an_audit_revocation_goes_on_and_is_audited_later(
        self, home: Home
    ) -> None:
        async with home.opened() as store:
            leases = [await issue(store, number) for number in range(3)]
            audited = len(home.audit.lines)
            home.audit.broken = True
            gone = [await end(store, lease) for lease in leases]
            assert await store.find() == gone
            assert len(home.audit.lines) == audited
            assert len(await store.outbox(10)) == 6, "subscribers are told all the same"
        async with home.opened() as store:
            home.audit.broken = False
            await issue(store, 9)
            late = home.audit.lines[audited : audited + 6]
            assert [delayed for _, delayed in late] == [True] * 6
            types = [event.type for event, _ in late]
            assert types == [EventType.REVOKING, EventType.REVOKED] * 3
            assert [event.at_ms for event, _ in late] == [START_MS + 1_000, START_MS + 2_000] * 3
            assert not any(delayed for _, delayed in home.audit.lines[audited + 6 :])
            assert (await store.checkpoint()).seq == len(home.audit.lines)
            await issue(store, 10)
            assert len({event.id for event in home.audit.events}) == len(home.audit.events)

    async def test_what_nobody_waits_for_rides_along_with_the_next_write(
        self, home: Home, store
    ) -> None:
        lease, told = await issue(store), Event.new(EventType.DELIVERED, START_MS)
        appends = home.audit.appends
        store.record_soon(told)
        assert told not in home.audit.events
        await store.write(renewed(lease))
        assert home.audit.appends == appends + 1
        assert home.audit.events[-2] == told
        assert (await store.checkpoint()).seq == len(home.audit.lines)

    async def test_what_nobody_waits_for_is_written_although_nothing_else_is(
        self, home: Home
    ) -> None:
        one, two = (Event.new(EventType.DELIVERED, START_MS) for _ in range(2))
        async with home.opened() as store:
            written = asyncio.Event()
            store.subscribe(written.set)
            store.record_soon(one)
            async with asyncio.timeout(10):
                await written.wait()
            assert home.audit.events == [one]
            store.record_soon(two)
        assert home.audit.events == [one, two], "not even a stop loses it"

    async def test_what_nobody_waits_for_outlives_an_audit_that_is_away(
        self, home: Home, store
    ) -> None:
        lease, told = await issue(store), Event.new(EventType.DELIVERED, START_MS)
        home.audit.broken = True
        store.record_soon(told)
        with pytest.raises(Unavailable):
            await store.write(renewed(lease))
        await store.write(revoking(lease))
        home.audit.broken = False
        await store.record()
        assert [late for event, late in home.audit.lines if event == told] == [True]

    async def test_the_audit_hears_which_of_its_lines_the_store_has_for_good(
        self, home: Home
    ) -> None:
        async with home.opened() as store:
            await issue(store, 1)
            assert home.audit.stored == 1
            home.audit.broken = True
            with pytest.raises(Unavailable):
                await issue(store, 2)
            home.audit.broken = False
            await issue(store, 3)
            assert home.audit.stored == 3
        async with home.opened() as store:
            await issue(store, 4)
            assert home.audit.stored == 5

    async def test_the_head_of_the_audit_is_kept_with_the_change_that_it_tells(
        self, home: Home, store
    ) -> None:
        for number in range(3):
            await issue(store, number)
            assert (await store.checkpoint()).seq == len(home.audit.lines)

    async def test_late_audit_lines_alone_move_the_head_too(self, home: Home, store) -> None:
        lease = await issue(store)
        home.audit.broken = True
        await end(store, lease)
        home.audit.broken = False
        await store.published(1)
        assert (await store.checkpoint()).seq == len(home.audit.lines)

    async def test_the_audit_is_written_before_the_change_is(self, home: Home, store) -> None:
        """Else a kill between them would leave a change that nobody can account for."""
        lease = await issue(store)
        seen = []
        append = home.audit.append

        def look(events, **options):
            if any(event.lease for event in events):
                seen.append(home.found_beside(lease.id))
            return append(events, **options)

        home.audit.append = look
        await store.write(revoking(lease))
        assert seen == [(lease.state, lease.version)]
