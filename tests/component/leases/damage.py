"""P6: rows that were changed behind the daemon's back are found, named, and stop nobody else."""

from dataclasses import fields
from typing import Any

import pytest

from component.leases.home import Home, OnAStore, end, issue, revoking
from fakes.leases import START_MS, a_lease
from leasehold.errors import Unavailable
from leasehold.leases.names import middle_of
from leasehold.model import Lease

COLUMNS = [field.name for field in fields(Lease) if field.name != "id"]
LATER_MS = START_MS + 10**9
DAMAGE: list[Any] = ["somebody else", 7, -1, 1.5, b"\x00\xff\xfe", b""]


class DamageContract(OnAStore):
    """Subclass it, and say where stores live."""

    @pytest.mark.parametrize("column", [*COLUMNS, "mac"])
    async def test_a_change_of_any_column_is_found(self, home: Home, column: str) -> None:
        async with home.opened() as store:
            lease = await issue(store)
        for value in (*DAMAGE, home.broken_text(f"{getattr(lease, column, '')}x")):
            home.tamper(lease.id, **{column: value})
            async with home.opened() as store:
                with pytest.raises(Unavailable, match="was damaged"):
                    await store.get(lease.id)

    async def test_a_damaged_row_that_is_asked_for_by_its_id_is_counted_and_named(
        self, home: Home, caplog
    ) -> None:
        async with home.opened() as store:
            lease = await issue(store)
        home.tamper(lease.id, owner="somebody else")
        async with home.opened() as store:
            for _ in range(2):
                with pytest.raises(Unavailable, match="was damaged"):
                    await store.get(lease.id)
            assert (await store.counts()).damaged == 1
        [told] = [record.getMessage() for record in caplog.records]
        assert lease.id in told

    @pytest.mark.parametrize("value", DAMAGE[:4])
    async def test_a_damaged_row_is_named_with_its_account_and_stops_no_other(
        self, home: Home, value: object, caplog
    ) -> None:
        async with home.opened() as store:
            leases = [await issue(store, number) for number in range(4)]
        home.tamper(leases[1].id, owner=value)
        home.tamper(leases[2].id, owner=home.broken_text("team"))
        others = [leases[0], leases[3]]
        async with home.opened() as store:
            assert await store.find(limit=2) == others
            assert await store.ids(limit=2) == [lease.id for lease in others]
            assert await store.due("postgres-prod", LATER_MS, 2) == others
            assert (await store.counts()).damaged == 2
            await store.due("postgres-prod", LATER_MS, 2)
            assert await store.next_ms("postgres-prod") == leases[0].next_ms
            for lease in others:
                await end(store, lease)
            assert await store.next_ms("postgres-prod") is None, "nobody waits for the damaged"
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == 2, "each is told once"
        for lease, line in zip(leases[1:3], sorted(told), strict=True):
            assert lease.id in line
            assert lease.account in line

    async def test_a_damaged_row_is_not_taken_for_no_lease(self, home: Home) -> None:
        """Else its account would be an orphan that may be removed."""
        async with home.opened() as store:
            one, two = [await issue(store, n, id=f"db/creds/a/{str(n) * 26}") for n in (1, 2)]
        home.tamper(one.id, state="revoked", next_ms=None)
        async with home.opened() as store:
            found = await store.by_middle([middle_of(one.id), middle_of(two.id)])
            assert found == {middle_of(one.id): None, middle_of(two.id): two}
            assert (await store.counts()).damaged == 1

    async def test_rows_that_were_exchanged_are_both_found(self, home: Home) -> None:
        async with home.opened() as store:
            one, two = [await issue(store, number) for number in (1, 2)]
        home.swap(one.id, two.id)
        async with home.opened() as store:
            for lease in (one, two):
                with pytest.raises(Unavailable, match="was damaged"):
                    await store.get(lease.id)

    async def test_a_lease_that_was_lengthened_by_hand_is_not_trusted(self, home: Home) -> None:
        async with home.opened() as store:
            lease = await issue(store)
        home.tamper(lease.id, expires_ms=lease.max_expires_ms)
        async with home.opened() as store:
            assert await store.find() == []
            assert (await store.counts()).damaged == 1
            assert (await store.counts()).live == 1, "its account may stand"

    async def test_a_damaged_row_is_not_written_over(self, home: Home) -> None:
        """What it says of the account may be all that is left of it."""
        async with home.opened() as store:
            lease = await issue(store)
        home.tamper(lease.id, owner="somebody else", version=lease.version + 1)
        async with home.opened() as store:
            assert await store.write_many([revoking(lease)]) == []

    async def test_a_recipe_of_another_place_does_not_open(self, home: Home) -> None:
        async with home.opened() as store:
            lease = await issue(store)
        home.spoil_recipe(lease.recipe_id)
        async with home.opened() as store:
            with pytest.raises(Unavailable, match=lease.recipe_id):
                await store.recipe(lease.recipe_id)

    async def test_no_secret_of_a_recipe_stands_in_the_files(self, home: Home) -> None:
        async with home.opened() as store:
            await issue(store)
            assert b"hunter2" not in home.everything()
        assert a_lease(1).account.encode() in home.everything(), "the account's name does"
