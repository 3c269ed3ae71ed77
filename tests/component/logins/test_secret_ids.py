"""Secret ids: whoever may makes, sees and destroys them; nobody else learns that there are any."""

import sqlite3
from typing import Any

import pytest

from fakes.policy import HOLDER
from fakes.secret_ids import AppRole
from leasehold.errors import Denied, Invalid, LimitReached, NotFound, Unsupported
from leasehold.leases import sqlite_files
from leasehold.leases.tokens import digest
from leasehold.tokens import secret_id as life
from leasehold.tokens import secret_ids


async def test_what_is_destroyed_is_over(approle: AppRole) -> None:
    by_text, by_name = await approle.pair(), await approle.pair()
    found = await approle.data("lookup", secret_id=by_name["secret_id"])
    reply = await approle.reply("destroy", secret_id=by_text["secret_id"])
    assert reply.status == 204
    accessor = found["secret_id_accessor"]
    assert (await approle.reply("destroy_by", secret_id_accessor=accessor)).status == 204
    for pair in (by_text, by_name):
        with pytest.raises(Invalid):
            await approle.login(pair)
        assert (await approle.reply("destroy", secret_id=pair["secret_id"])).status == 204
        assert (await approle.reply("lookup", secret_id=pair["secret_id"])).status == 204
    for name in ("lookup_by", "destroy_by"):
        with pytest.raises(NotFound):
            await approle.reply(name, secret_id_accessor=accessor)
    with pytest.raises(NotFound):
        await approle.reply("accessors")


async def test_one_role_knows_nothing_of_anothers(approle: AppRole) -> None:
    pair = await approle.pair("other")
    [accessor] = await approle.keys("other")
    assert (await approle.reply("destroy", secret_id=pair["secret_id"])).status == 204
    with pytest.raises(NotFound):
        await approle.reply("destroy_by", secret_id_accessor=accessor)
    assert await approle.keys("other") == [accessor]


async def test_who_may_not_is_shown_nothing_and_makes_nothing(approle: AppRole) -> None:
    routes = approle.routes
    for route in (
        *(routes.role, routes.role_id, routes.make, routes.accessors, routes.lookup),
        *(routes.lookup_by, routes.destroy, routes.destroy_by),
    ):
        for role in ("deploy", "no-such-role"):
            with pytest.raises(Denied):
                await route(approle.ask(role, HOLDER, secret_id="x", secret_id_accessor="x"))
    with pytest.raises(NotFound):
        await routes.roles(approle.ask("", HOLDER))
    assert (await approle.data("roles"))["keys"] == ["brief", "deploy", "near", "other"]
    with pytest.raises(NotFound, match="no login method ci has a role no-such-role"):
        await approle.reply("make", "no-such-role")


async def test_a_role_is_shown_as_it_is_configured(approle: AppRole) -> None:
    shown = await approle.data("role")
    assert (shown["secret_id_ttl"], shown["secret_id_num_uses"]) == (600, 3)
    assert (await approle.data("role", "near"))["secret_id_num_uses"] == 1, "by default"
    assert "role_id" not in await approle.data("role", "other"), "which operate is needed for"
    assert (await approle.data("role_id", "other"))["role_id"] == "other-role-id"
    made = (await approle.data("role_id"))["role_id"]
    await approle.world.crash()
    await approle.world.start()
    assert (await AppRole(approle.world).data("role_id"))["role_id"] == made


WISHES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a longer life": ("deploy", {"ttl": "1h"}, "ttl: found 3600 s; the role allows 600 s at most"),
    "more uses": ("deploy", {"num_uses": 4}, "num_uses: found 4; the role allows 1 to 3"),
    "any number of uses": ("deploy", {"num_uses": 0}, "num_uses: found 0; the role allows 1 to 3"),
    "a wider network": ("near", {"cidr_list": "0.0.0.0/0"}, "0.0.0.0/0 is not within"),
    "one of another version": ("near", {"cidr_list": "::/0"}, "::/0 is not within"),
    "no network": ("deploy", {"cidr_list": ["ten"]}, "cidr_list: 'ten' does not appear"),
    "bound tokens": ("deploy", {"token_bound_cidrs": ["::1/128"]}, "token_bound_cidrs: tokens are"),
    "a novel": ("deploy", {"metadata": {"a": "b" * 3_000}}, "metadata: has more than the 2048"),
}


@pytest.mark.parametrize("name", WISHES)
async def test_a_wish_beyond_the_role_is_refused_and_makes_nothing(
    approle: AppRole, name: str
) -> None:
    role, wish, words = WISHES[name]
    with pytest.raises(Invalid) as refused:
        await approle.reply("make", role, **wish)
    assert words in str(refused.value)
    assert await approle.keys(role) == []


async def test_a_role_has_only_so_many(approle: AppRole) -> None:
    made = [life.new(("ci", "deploy"), 0, 600, 1)[1] for _ in range(secret_ids.MOST)]
    await approle.world.store.keep([each.document() for each in made])
    await approle.world.secret_ids.load()
    with pytest.raises(LimitReached, match="there are 4096 secret ids of deploy; destroy some"):
        await approle.pair()
    await approle.pair("other")


async def test_what_nobody_unwraps_is_revoked_also_after_a_crash(approle: AppRole) -> None:
    world = approle.world

    async def wrapped() -> None:
        reply = await approle.reply("make")
        body = {"data": reply.body["data"]}
        more = {"undelivered": reply.undelivered, "secret_id": reply.secret_id}
        await world.wrapping.wrap(HOLDER, "auth/ci/role/deploy/secret-id", 60, body, **more)

    await wrapped()
    world.clock.advance(s=60)
    await world.wrapping.sweep()
    assert await approle.keys() == []
    await wrapped()
    await world.crash()
    await world.start()
    again = AppRole(world)
    assert len(await again.keys()) == 1
    await world.wrapping.sweep()
    assert await again.keys() == []


async def test_a_body_that_only_looks_like_one_revokes_nothing(approle: AppRole) -> None:
    await approle.pair()
    [accessor] = await approle.keys()
    body = {"data": {"secret_id_accessor": accessor}, "secret_id": accessor}
    await approle.world.wrapping.wrap(HOLDER, "sys/wrapping/wrap", 60, body)
    approle.world.clock.advance(s=60)
    await approle.world.wrapping.sweep()
    assert await approle.keys() == [accessor]


async def test_one_that_could_not_be_handed_over_is_revoked(approle: AppRole) -> None:
    reply = await approle.reply("make")
    assert reply.undelivered is not None
    await reply.undelivered()
    assert await approle.keys() == []
    assert [each["cause"] for each in approle.audited("secretid-revoked")] == ["undelivered"]


async def test_no_secret_id_is_chosen_by_a_caller(approle: AppRole) -> None:
    with pytest.raises(Unsupported, match="can be guessed; ask secret-id for one"):
        await approle.reply("refuse_custom", secret_id="hunter2")


async def test_one_that_was_damaged_counts_as_missing_and_the_others_stand(
    approle: AppRole, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, whole = await approle.pair(), await approle.pair()
    await approle.world.crash()
    with sqlite3.connect(approle.world.state_dir / sqlite_files.DATABASE) as db:
        name = digest(damaged["secret_id"])
        db.execute("UPDATE document SET sealed = zeroblob(90) WHERE name = ?", (name,))
    db.close()
    await approle.world.start()
    again = AppRole(approle.world)
    assert f"secret-id {name} counts as missing" in caplog.text
    with pytest.raises(Invalid):
        await again.login(damaged)
    assert await again.login(whole)
