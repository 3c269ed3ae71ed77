"""Quotas hold whatever happens, and whoever is refused learns why and until when."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant

from component.lease_life import LeaseLife
from fakes.clock import FakeClock, on_virtual_time, virtual_clock
from fakes.policy import HOLDER, OPERATOR, STRANGER, a_bundle, roles_with
from fakes.world import World
from leasehold.admission.usage import Usage
from leasehold.errors import EngineTemporary, QuotaReached
from leasehold.leases.tally import holders
from leasehold.model import EventType, Lease, LeaseState
from leasehold.quota import ISSUES, MAX_LEASES, Kind, Quota, Quotas, Rate

MOST = {
    (Kind.IDENTITY, "holder"): 2,
    (Kind.IDENTITY, "stranger"): 3,
    (Kind.TENANT, "stranger"): 2,
    (Kind.ENGINE, "main"): 3,
    (Kind.ENGINE, "other"): 1,
}
QUOTAS = Quotas(
    named={place: Quota(max_leases=most) for place, most in MOST.items()},
    defaults={Kind.IDENTITY: Quota(max_leases=1)},
)


def only(kind: Kind, name: str, **allowed: Any) -> Quotas:
    return Quotas(named={(kind, name): Quota(**allowed)})


class QuotaWorld(World):
    """Everybody's quotas are small."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        super().__init__(folder, clock, a_bundle(quotas=QUOTAS))


class QuotaLife(LeaseLife):
    """The life of leases where a quota may refuse any issue."""

    world_class = QuotaWorld

    def is_well(self, path: str) -> bool:
        """A quota may stand in the way; that nothing else does is what `LeaseLife` looks at."""
        return False

    @invariant()
    def no_limit_is_passed(self) -> None:
        leases, told = self.do(self.both())
        live = [lease for lease in leases if lease.state is not LeaseState.REVOKED]
        counts = Counter(holder for lease in live for holder in holders(lease))
        assert all(counts[place] <= most for place, most in MOST.items())
        assert told == counts

    async def both(self) -> tuple[list[Lease], dict[tuple[Kind, str], int]]:
        """The leases as they are and as they are counted, at one instant."""
        await self.world.finish_what_is_under_way()
        async with self.world.store.alone() as store:
            counted = {kind: await store.live(kind) for kind in Kind}
            flat = {(kind, name): n for kind in Kind for name, n in counted[kind].items()}
            return await store.find(limit=100_000), flat


TestQuotaLife = QuotaLife.TestCase
TestQuotaLife.settings = settings(
    max_examples=25, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)
TestQuotaLife.pytestmark = pytest.mark.timeout(300)


@on_virtual_time
async def test_of_a_crowd_as_many_are_served_as_each_quota_allows(tmp_path: Path) -> None:
    async with QuotaWorld(tmp_path, virtual_clock()) as world:
        results = await asyncio.gather(
            *(world.issue("database/creds/reader") for _ in range(5)),
            *(world.issue("cache/creds/user", caller=STRANGER) for _ in range(5)),
            return_exceptions=True,
        )
        refused = [each for each in results if isinstance(each, QuotaReached)]
        assert Counter((each.kind, each.name) for each in refused) == {
            ("identity", "holder"): 3,
            ("engine", "other"): 4,
        }
        assert len(await world.leases()) == 3, "a refusal writes nothing"


@on_virtual_time
async def test_a_refusal_says_which_quota_how_many_when_and_what_to_do(tmp_path: Path) -> None:
    bundle = a_bundle(quotas=only(Kind.IDENTITY, "holder", max_leases=2))
    async with World(tmp_path, virtual_clock(), bundle) as world:
        await world.issue(ttl_s=720)
        await world.issue()
        world.clock.advance(s=10)
        with pytest.raises(QuotaReached) as caught:
            await world.issue()
        assert str(caught.value) == (
            "identity holder has 2 live leases of 2 allowed (quotas); the first of them ends in"
            " 710s unless it is renewed; come back then, or revoke those that nobody needs, see"
            " leasehold leases"
        )
        assert caught.value.retry_after_s == 60, "one may be revoked before it ends"
        world.clock.advance(s=700)
        with pytest.raises(QuotaReached) as caught:
            await world.issue()
        assert caught.value.retry_after_s == 10
        world.clock.advance(s=20)
        with pytest.raises(QuotaReached, match="some of them are ending now") as caught:
            await world.issue()
        assert caught.value.retry_after_s == 5
        await world.settle()
        await world.issue()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"roles": roles_with("reader", max_leases=1)}, "allowed (max_leases of the role);"),
        ({"mount_limits": {"database": 1}}, "allowed (lease_limits);"),
        ({"quotas": only(Kind.TENANT, "holder", max_leases=1)}, "tenant holder has 1"),
        ({"quotas": only(Kind.ENGINE, "main", max_leases=1)}, "engine main has 1"),
    ],
)
def test_a_refusal_says_where_the_limit_stands(tmp_path: Path, changes: Any, said: str) -> None:
    @on_virtual_time
    async def body() -> None:
        async with World(tmp_path, virtual_clock(), a_bundle(**changes)) as world:
            await world.issue()
            with pytest.raises(QuotaReached) as caught:
                await world.issue()
            assert said in str(caught.value)

    body()


@on_virtual_time
async def test_issues_come_no_faster_than_allowed_whatever_becomes_of_them(tmp_path: Path) -> None:
    bundle = a_bundle(quotas=only(Kind.IDENTITY, "holder", issues=Rate(3, 60)))
    async with World(tmp_path, virtual_clock(), bundle) as world:
        for _ in range(2):
            issued = await world.issue()
            await world.issuance.revoke(HOLDER, issued.lease.id)
        world.target.away = True
        with pytest.raises(EngineTemporary):
            await world.issue()
        world.target.away = False
        await world.settle()
        world.clock.advance(s=60)
        for _ in range(3):
            await world.issue()
        with pytest.raises(QuotaReached) as caught:
            await world.issue()
        assert "has had 3 new leases" in str(caught.value)
        assert (caught.value.what, caught.value.retry_after_s) == (ISSUES, 20)
        await world.issue(caller=STRANGER)
        world.clock.advance(s=20)
        await world.issue()


@on_virtual_time
async def test_a_quota_that_stays_reached_is_told_once_a_minute(tmp_path: Path) -> None:
    bundle = a_bundle(quotas=only(Kind.IDENTITY, "holder", max_leases=1))
    async with World(tmp_path, virtual_clock(), bundle) as world:
        await world.issue()
        for _ in range(5):
            with pytest.raises(QuotaReached):
                await world.issue()
        assert (await world.told()).count(EventType.QUOTA_REACHED) == 1
        world.clock.advance(s=60)
        with pytest.raises(QuotaReached):
            await world.issue()
        assert (await world.told()).count(EventType.QUOTA_REACHED) == 2
        lines = (await world.audited())[""]
        [first, _] = [line["detail"] for line in lines if line["event"] == "quota-reached"]
        assert first == {"about": "identity:holder", "limit": MAX_LEASES, "used": "1", "most": "1"}
        assert len([line for line in lines if line["event"] == "no-effect"]) == 6


@on_virtual_time
async def test_a_quota_that_is_new_counts_the_leases_there_are(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        kept = [await world.issue() for _ in range(3)]
        world.serve(a_bundle(quotas=only(Kind.IDENTITY, "holder", max_leases=2)))
        with pytest.raises(QuotaReached, match="has 3 live leases of 2 allowed"):
            await world.issue()
        for issued in kept[:2]:
            await world.issuance.revoke(HOLDER, issued.lease.id)
        await world.issue()
        await world.issuance.renew(HOLDER, kept[2].lease.id, 60)


@on_virtual_time
async def test_the_usage_shows_every_limit_the_fullest_first(tmp_path: Path) -> None:
    bundle = a_bundle(
        roles=roles_with("reader", max_leases=4),
        mount_limits={"database": 10},
        quotas=Quotas(
            named={
                (Kind.IDENTITY, "holder"): Quota(max_leases=2, issues=Rate(8, 60)),
                (Kind.TENANT, "holder"): Quota(max_leases=20),
                (Kind.ENGINE, "main"): Quota(max_leases=40),
            },
            defaults={Kind.IDENTITY: Quota(max_leases=9)},
        ),
    )
    async with World(tmp_path, virtual_clock(), bundle) as world:
        for _ in range(2):
            await world.issue()
        assert await world.admission.usage() == [
            Usage("identity", "holder", MAX_LEASES, 2, 2),
            Usage("role", "database/creds/reader", MAX_LEASES, 2, 4),
            Usage("identity", "holder", ISSUES, 2, 8),
            Usage("mount", "database", MAX_LEASES, 2, 10),
            Usage("tenant", "holder", MAX_LEASES, 2, 20),
            Usage("engine", "main", MAX_LEASES, 2, 40),
            Usage("identity", "operator", MAX_LEASES, 0, 9),
            Usage("identity", "stranger", MAX_LEASES, 0, 9),
        ]
        world.clock.advance(s=60)
        used = {(one.kind, one.what): one.used for one in await world.admission.usage()}
        assert used["identity", ISSUES] == 0


@on_virtual_time
async def test_an_operator_ends_leases_of_whoever_is_at_its_quota(tmp_path: Path) -> None:
    bundle = a_bundle(quotas=only(Kind.IDENTITY, "holder", max_leases=1))
    async with World(tmp_path, virtual_clock(), bundle) as world:
        issued = await world.issue()
        with pytest.raises(QuotaReached):
            await world.issue()
        assert await world.issuance.revoke(OPERATOR, issued.lease.id)
        await world.issue()
