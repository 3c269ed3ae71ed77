"""Who may end all leases below a prefix, and see how far that is: no prefix reaches past a rule."""

from pathlib import Path

import pytest

from fakes.bulk import bulk, live
from fakes.clock import on_virtual_time
from fakes.policy import GRANTS, HOLDER, NOBODY_KNOWN, OPERATOR, STRANGER
from leasehold.bundle import Grant
from leasehold.errors import Denied, Invalid, NotFound
from leasehold.model import LeaseState

READER, BRIEF = "database/creds/reader", "database/creds/brief"
COVERED = [
    ("database/creds/reader", "database/creds/reader", True),
    ("database/creds/reader", "database/creds/reader/", True),
    ("database/creds/reader", "database/creds/", False),
    ("database/creds/reader", "database/creds/reader-all", False),
    ("database/creds/reader", "database", False),
    ("database/creds/read*", "database/creds/reader", True),
    ("database/creds/read*", "database/creds/read", True),
    ("database/creds/*", "database/creds", True),
    ("database/creds/*", "database/creds/brief/", True),
    ("database/creds/*", "database/", False),
    ("database/creds/*", "cache/creds/user", False),
    ("*", "d", True),
]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(("path", "prefix", "may"), COVERED)
@on_virtual_time
async def test_a_prefix_is_revoked_only_where_all_below_it_may_be(
    tmp_path: Path, path: str, prefix: str, may: bool, force: bool
) -> None:
    revoker = Grant(identities=("operator",), paths=(path,), verbs=frozenset({"revoke-any"}))
    async with bulk(tmp_path, grants=(GRANTS[0], revoker)) as (world, many):
        await world.issue(READER)
        if may:
            reply = await many.revoke(prefix, force=force)
            assert await many.shown(reply)
        else:
            with pytest.raises(Denied):
                await many.revoke(prefix, force=force)
            await many.step()
            assert await live(world) == {READER: LeaseState.ACTIVE}
            assert (await world.audited())[""][-1]["event"] == "denied"


@on_virtual_time
async def test_holders_end_nothing_in_bulk_not_even_their_own(tmp_path: Path) -> None:
    """Known or not, a lease answers alike to who may not revoke there."""
    async with bulk(tmp_path) as (world, many):
        issued = await world.issue()
        for caller in (HOLDER, STRANGER, NOBODY_KNOWN):
            for prefix in (READER, issued.lease.id, issued.lease.id[:-4] + "aaaa", "*", "nowhere"):
                for force in (False, True):
                    with pytest.raises(Denied, match=r"^permission denied$"):
                        await many.revoke(prefix, caller=caller, force=force)
        await many.step()
        assert await live(world) == {READER: LeaseState.ACTIVE}


@on_virtual_time
async def test_an_order_is_shown_to_those_who_could_have_given_it(tmp_path: Path) -> None:
    one_role = Grant(identities=("stranger",), paths=(BRIEF,), verbs=frozenset({"revoke-any"}))
    async with bulk(tmp_path, grants=(*GRANTS, one_role)) as (_, many):
        reader, brief = await many.revoke(READER), await many.revoke(BRIEF)
        assert (await many.shown(brief, STRANGER))["prefix"] == f"{BRIEF}/"
        for caller, reply in ((STRANGER, reader), (HOLDER, brief)):
            with pytest.raises(NotFound):
                await many.shown(reply, caller)
        told = [await many.revocations.all(caller) for caller in (OPERATOR, STRANGER, HOLDER)]
        assert [len(orders) for orders in told] == [2, 1, 0]


@on_virtual_time
async def test_a_prefix_longer_than_any_id_is_refused(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (_, many):
        with pytest.raises(Invalid, match="has 257 characters; allowed are 256"):
            await many.revoke("x" * 257)
