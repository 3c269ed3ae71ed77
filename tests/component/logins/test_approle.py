"""AppRole: a secret id is good for so many logins and so long, and nobody learns why one is not."""

import asyncio
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.clock import FakeClock
from fakes.ledger import Ledger
from fakes.policy import HOLDER, NOBODY_KNOWN
from fakes.secret_ids import AppRole, somebody_at
from fakes.world import World
from leasehold.errors import Invalid, LimitReached, Unavailable
from leasehold.model import EventType
from leasehold.plugin import LoginRefused
from leasehold.tokens import secret_id as life
from leasehold.tokens import secret_ids
from leasehold_plugins.auth_approle import AppRoleLogin

ALL = [("ci", role) for role in ("deploy", "other", "near", "brief")]


async def test_the_two_ids_stand_for_the_role(approle: AppRole) -> None:
    pair = await approle.pair(metadata={"job": "42", "role_name": "admin"})
    auth = await approle.login(pair)
    assert auth["policies"] == ["ci"]
    assert auth["metadata"] == {"job": "42", "role_name": "deploy"}
    speaker = await approle.logging_in.speaker(**pair)
    assert speaker.who == "approle:role=deploy"


async def test_it_is_good_for_as_many_logins_as_it_was_made_for(approle: AppRole) -> None:
    pair = await approle.pair(num_uses=2)
    [accessor] = await approle.keys()
    for left in (1, 0):
        await approle.login(pair)
        uses = [
            (await approle.data("lookup_by", secret_id_accessor=each))["secret_id_num_uses"]
            for each in await approle.keys()
        ]
        assert uses == [left][:left]
    refused, audited = await approle.logging_in.tried(**pair)
    assert str(refused) == "invalid role or secret ID"
    assert audited["decision"]["rule"] == "the role has no such secret id, or not any more"
    assert [each["left"] for each in approle.audited("secretid-used")] == ["1", "0"]
    [over] = approle.audited("secretid-expired")
    assert (over["about"], over["why"]) == (f"secretid:{accessor}", "it is used up")
    assert EventType.SECRET_ID_EXPIRED in await approle.world.told()


async def test_of_many_who_use_it_at_once_only_so_many_get_in(approle: AppRole) -> None:
    pair = await approle.pair(num_uses=3)
    peers = [somebody_at(f"192.0.2.{number}") for number in range(12)]
    results = await asyncio.gather(
        *(approle.login(pair, peer) for peer in peers), return_exceptions=True
    )
    assert sum(isinstance(each, dict) for each in results) == 3
    assert {str(each) for each in results if isinstance(each, Exception)} == {secret_ids.ANSWER}


async def test_a_crash_gives_no_use_back(approle: AppRole) -> None:
    pair = await approle.pair(num_uses=2)
    await approle.login(pair)
    await approle.world.crash()
    await approle.world.start()
    again = AppRole(approle.world)
    await again.login(pair)
    with pytest.raises(Invalid):
        await again.login(pair)


class FullDisk(Ledger):
    """Refuses documents while it is `full`."""

    full = False

    def __getattr__(self, name: str) -> Any:
        if self.full and name == "keep":
            return self.refuse
        return super().__getattr__(name)

    async def refuse(self, *_: Any, **__: Any) -> None:
        raise Unavailable("the disk is full")


async def test_what_the_disk_refuses_has_not_happened(tmp_path: Path) -> None:
    world = World(tmp_path, FakeClock())
    world.ledger_class = FullDisk
    async with world:
        approle = AppRole(world)
        pair = await approle.pair(num_uses=1)
        [accessor] = await approle.keys()
        world.store.full = True
        refused, _ = await approle.logging_in.tried(**pair)
        assert isinstance(refused, Unavailable)
        for name, fields in (("make", {}), ("destroy", {"secret_id": pair["secret_id"]})):
            with pytest.raises(Unavailable):
                await approle.reply(name, **fields)
        assert await approle.keys() == [accessor]
        world.store.full = False
        assert await approle.login(pair), "the use was given back"
        with pytest.raises(Invalid):
            await approle.login(pair)


async def test_nothing_of_it_is_in_what_is_kept(approle: AppRole) -> None:
    pair = await approle.pair()
    await approle.login(pair)
    kept = b"".join(
        file.read_bytes() for file in approle.world.state_dir.iterdir() if file.is_file()
    )
    assert b"secretid-issued" in kept
    assert pair["secret_id"].encode() not in kept


REFUSED: dict[str, dict[str, str]] = {
    "an unknown role": {"role_id": "4b825dc6-42cb-6eb9-a060-e54bf8d69288"},
    "another role": {"role_id": "other-role-id"},
    "an odd role": {"role_id": "\udcff"},
    "an unknown secret": {"secret_id": "lhs_" + "A" * 43},
    "its accessor": {"secret_id": "ACCESSOR"},
}


@pytest.mark.parametrize("name", REFUSED)
async def test_whatever_is_wrong_the_answer_is_the_same(approle: AppRole, name: str) -> None:
    pair = await approle.pair()
    [accessor] = await approle.keys()
    wrong = {
        key: accessor if value == "ACCESSOR" else value for key, value in REFUSED[name].items()
    }
    refused, audited = await approle.logging_in.tried(**{**pair, **wrong})
    assert isinstance(refused, Invalid)
    assert str(refused) == "invalid role or secret ID"
    assert audited["decision"]["rule"].startswith(("no role has", "the role has no such"))
    assert await approle.login(pair), "and nothing was used up"


async def test_what_is_missing_is_told_as_vault_does(approle: AppRole) -> None:
    for fields, words in (({}, "missing role_id"), ({"role_id": "x"}, "missing secret_id")):
        with pytest.raises(Invalid, match=f"^{words}$"):
            await approle.login(fields)


async def test_failures_are_limited(approle: AppRole) -> None:
    pair = await approle.pair()
    for _ in range(10):
        with pytest.raises(Invalid):
            await approle.login({**pair, "secret_id": "guess"})
    with pytest.raises(LimitReached, match="10 logins failed"):
        await approle.login(pair)
    assert await approle.login(pair, HOLDER), "which is of one peer"


async def test_it_ends_when_its_time_is_over(approle: AppRole) -> None:
    pair = await approle.pair(ttl=60)
    await approle.pair()
    approle.world.clock.advance(s=60)
    with pytest.raises(Invalid):
        await approle.login(pair)
    assert len(await approle.keys()) == 1
    await approle.world.secret_ids.sweep(ALL)
    assert (await approle.world.told()).count(EventType.SECRET_ID_EXPIRED) == 1


async def test_a_role_that_is_removed_takes_its_secret_ids_and_its_id_along(
    approle: AppRole,
) -> None:
    pair = await approle.pair()
    kept = await approle.pair("other")
    await approle.world.secret_ids.sweep(ALL[1:])
    await approle.world.secret_ids.sweep(ALL)
    assert (await approle.world.told()).count(EventType.SECRET_ID_REVOKED) == 1
    with pytest.raises(Invalid):
        await approle.login(pair)
    assert (await approle.pair())["role_id"] != pair["role_id"]
    assert await approle.world.secret_ids.redeem(NOBODY_KNOWN, "ci", *kept.values())


async def test_networks_bind_callers_by_tls_and_keep_out_the_socket(approle: AppRole) -> None:
    pair = await approle.pair("near", cidr_list=["10.1.0.0/16", "2001:db8::/64"])
    for address in ("10.2.0.1", "192.0.2.1", "2001:db8:1::1"):
        with pytest.raises(Invalid, match=r"^invalid role or secret ID$"):
            await approle.login(pair, somebody_at(address))
    with pytest.raises(Invalid, match="the Unix socket is in none; log in by TLS"):
        await approle.login(pair)
    redeem = approle.world.secret_ids.redeem
    assert await redeem(somebody_at("10.1.2.3"), "ci", *pair.values())
    with pytest.raises(LoginRefused):
        await redeem(somebody_at("10.1.2.3"), "ci", *pair.values())


@given(st.ip_addresses(), st.lists(st.ip_addresses(network="10.0.0.0/8"), min_size=1, max_size=3))
def test_an_address_is_within_its_networks_and_no_others(address: Any, bases: list[Any]) -> None:
    networks = [ip_network(f"{base}/24", strict=False) for base in bases]
    inside = any(address in each for each in networks)
    assert life.within(str(address), networks) == inside
    assert life.within(str(bases[0]), networks)


TERMS = (({}, 60, 5), ({"ttl": "1h", "num_uses": 9}, 120, 5), ({"num_uses": 2}, 60, 2))


@pytest.mark.parametrize(("asked", "life_s", "uses"), TERMS)
async def test_the_role_sets_terms_for_its_tokens(
    approle: AppRole, asked: dict[str, Any], life_s: int, uses: int
) -> None:
    auth = await approle.logging_in.login(**await approle.pair("brief"), **asked)
    assert (auth["lease_duration"], auth["num_uses"]) == (life_s, uses)


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({"a": {"role_id": "the-same"}, "b": {"role_id": "the-same"}}, "two roles have the same"),
        ({"a": {"secret_id_bound_cidrs": ["10.0.0.1/8"]}}, "roles.a.secret_id_bound_cidrs: "),
    ],
)
def test_roles_that_make_no_sense_are_refused_when_the_policy_is_prepared(
    roles: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        AppRoleLogin("ci", {"roles": roles}, lambda: 0.0)
