"""What Vault's clients look at: each caller sees what it may use, and no more."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.clock import FakeClock
from fakes.policy import ENGINES, HOLDER, NOBODY_KNOWN, OPERATOR, ROLES, STRANGER, a_bundle
from fakes.routed import Routed
from fakes.world import World
from leasehold.bundle import Bundle, Grant, Identity, Mount, Reference, TlsMatch
from leasehold.errors import Denied, Invalid, NotFound, Unsupported
from leasehold.model import Caller

PLACES = {
    "engine:main": "engines.yaml:2",
    "engine:other": "engines.yaml:9",
    "role:main/reader": "roles.yaml:3",
    "identity:holder": "access.yaml:1",
}


def bundle() -> Bundle:
    """The usual one; the holder may use one mount of two, and a secret is referred to."""
    main = replace(
        ENGINES["main"],
        connection={"host": "one", "password": Reference("file", "/etc/secret"), "mode": "tls"},
    )
    return a_bundle(
        engines={**ENGINES, "main": main},
        places=PLACES,
        mounts={"database": Mount(default_ttl_s=600, max_ttl_s=7_200), "cache": Mount()},
        grants=(
            Grant(
                identities=("holder",),
                paths=("database/creds/reader",),
                verbs=frozenset({"issue", "list"}),
                source="access.yaml:9",
            ),
            Grant(
                identities=("operator",),
                paths=("leasehold/*",),
                verbs=frozenset({"operate"}),
                source="access.yaml:14",
            ),
        ),
    )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, FakeClock(), bundle()) as made:
        yield made


@pytest.fixture
def ask(world: World) -> Routed:
    return Routed(world)


async def data(ask: Routed, url: str, caller: Caller = HOLDER, method: str = "GET") -> Any:
    reply = await ask(method, url, caller)
    assert reply.body is not None
    return reply.body["data"]


async def refusal(ask: Routed, method: str, url: str, caller: Caller = HOLDER) -> str:
    with pytest.raises(Unsupported) as refused:
        await ask(method, url, caller)
    return str(refused.value)


async def test_a_caller_sees_the_mounts_that_it_may_use(ask: Routed) -> None:
    seen = {
        caller: set(await data(ask, "/v1/sys/mounts", caller))
        for caller in (HOLDER, OPERATOR, STRANGER, NOBODY_KNOWN)
    }
    assert seen == {
        HOLDER: {"database/", "sys/"},
        OPERATOR: {"database/", "cache/", "sys/"},
        STRANGER: {"sys/"},
        NOBODY_KNOWN: {"sys/"},
    }


async def test_mounts_stand_at_the_top_as_well_where_old_clients_read_them(ask: Routed) -> None:
    for url in ("/v1/sys/mounts", "/v1/sys/auth", "/v1/sys/mounts/database"):
        body = (await ask("GET", url)).body
        assert body is not None
        assert body["data"].items() <= body.items()


async def test_a_mount_tells_the_limits_that_hold_on_it(ask: Routed) -> None:
    tune = await data(ask, "/v1/sys/mounts/database/tune")
    assert (tune["default_lease_ttl"], tune["max_lease_ttl"]) == (600, 7_200)
    info = await data(ask, "/v1/sys/mounts/database")
    assert info["type"] == "fake"
    assert info == await data(ask, "/v1/sys/mounts/database"), "the same whenever it is asked"


@pytest.mark.parametrize("mount", ["cache", "nothing"])
async def test_a_mount_of_others_is_told_like_one_that_is_not(ask: Routed, mount: str) -> None:
    with pytest.raises(Invalid, match="no engine that you may use is mounted"):
        await ask("GET", f"/v1/sys/mounts/{mount}")
    with pytest.raises(Denied):
        await ask("GET", f"/v1/sys/internal/ui/mounts/{mount}/creds/x")


async def test_the_preflight_of_kv_tells_the_mount_of_a_path(ask: Routed) -> None:
    found = await data(ask, "/v1/sys/internal/ui/mounts/database/creds/reader")
    assert (found["path"], found["type"], found["options"]) == ("database/", "fake", None)
    both = await data(ask, "/v1/sys/internal/ui/mounts")
    assert both["secret"].keys() == {"database/", "sys/"}
    assert both["auth"].keys() == {"unix/"}


async def test_certificates_are_a_way_to_log_in_where_an_identity_has_one(
    ask: Routed, world: World
) -> None:
    assert (await data(ask, "/v1/sys/auth")).keys() == {"unix/"}
    by_tls = Identity(name="far", owner="o", tenant="t", match=(TlsMatch(san="dns:far.example"),))
    world.serve(replace(bundle(), identities={"far": by_tls}))
    found = await data(ask, "/v1/sys/auth")
    assert {name: each["type"] for name, each in found.items()} == {
        "unix/": "unix",
        "cert/": "cert",
    }


async def test_a_refused_preflight_is_in_the_audit(ask: Routed, world: World) -> None:
    with pytest.raises(Denied):
        await ask("GET", "/v1/sys/internal/ui/mounts/cache/creds/user")
    lines = (await world.audited())[""]
    assert lines[-1]["event"] == "denied"
    assert lines[-1]["detail"]["path"] == "cache/creds/user"


@pytest.mark.parametrize(
    ("caller", "path", "words"),
    [
        (HOLDER, "database/creds/reader", ["create", "list", "read", "update"]),
        (HOLDER, "/database/creds/reader/", ["create", "list", "read", "update"]),
        (HOLDER, "database/creds/brief", ["deny"]),
        (HOLDER, "leasehold/status", ["deny"]),
        (HOLDER, "sys/leases/renew", ["create", "update"]),
        (OPERATOR, "leasehold/status", ["create", "read", "sudo", "update"]),
        (OPERATOR, "database/creds/reader", ["deny"]),
        (NOBODY_KNOWN, "database/creds/reader", ["deny"]),
    ],
)
async def test_capabilities_are_the_policy_in_vaults_words(
    ask: Routed, caller: Caller, path: str, words: list[str]
) -> None:
    for body in ({"paths": [path]}, {"path": path}):
        reply = await ask("POST", "/v1/sys/capabilities-self", caller, body)
        assert reply.body is not None
        assert reply.body[path] == words
        assert reply.body["data"] == {path: words, "capabilities": words}


async def test_a_path_cannot_take_the_place_of_what_a_reply_has(ask: Routed) -> None:
    body = {"paths": ["data", "auth"]}
    reply = await ask("POST", "/v1/sys/capabilities-self", HOLDER, body)
    assert reply.body is not None
    assert reply.body["data"] == {"data": ["deny"], "auth": ["deny"]}
    assert "auth" not in reply.body


async def test_a_request_for_capabilities_names_some_paths_and_not_too_many(ask: Routed) -> None:
    with pytest.raises(Invalid, match="paths must be specified"):
        await ask("POST", "/v1/sys/capabilities-self", HOLDER, {})
    with pytest.raises(Invalid, match="100 paths"):
        await ask("POST", "/v1/sys/capabilities-self", HOLDER, {"paths": ["x"] * 101})


async def test_an_identity_is_a_policy_to_itself_and_to_operators(ask: Routed) -> None:
    assert (await data(ask, "/v1/sys/policies/acl", method="LIST"))["keys"] == ["holder"]
    assert len((await data(ask, "/v1/sys/policy", OPERATOR))["keys"]) == 3
    text = (await data(ask, "/v1/sys/policies/acl/holder"))["policy"]
    assert text == (
        "# access.yaml:9: issue, list\n"
        'path "database/creds/reader" {\n'
        '  capabilities = ["create", "list", "read", "update"]\n'
        "}\n"
    )
    for url in ("/v1/sys/policies/acl/operator", "/v1/sys/policy/nobody"):
        with pytest.raises(NotFound):
            await ask("GET", url)


async def test_roles_are_shown_to_those_who_may_use_them(ask: Routed) -> None:
    assert await data(ask, "/v1/database/roles", method="LIST") == {"keys": ["reader"]}
    keys = (await data(ask, "/v1/database/roles/", OPERATOR, "LIST"))["keys"]
    assert keys == ["brief", "reader"]
    assert await data(ask, "/v1/database/roles/reader") == {
        "as": "r",
        "db_name": "main",
        "default_ttl": 3_600,
        "max_ttl": 86_400,
        "max_leases": None,
        "configured_at": "roles.yaml:3",
    }
    with pytest.raises(NotFound):
        await ask("LIST", "/v1/cache/roles")
    for name in ("brief", "nothing"):
        with pytest.raises(Denied):
            await ask("GET", f"/v1/database/roles/{name}")
    with pytest.raises(NotFound):
        await ask("GET", "/v1/database/roles/nothing", OPERATOR)


async def test_a_connection_is_shown_to_operators_without_its_secret(ask: Routed) -> None:
    assert await data(ask, "/v1/database/config", OPERATOR, "LIST") == {"keys": ["main"]}
    assert await data(ask, "/v1/database/config/main", OPERATOR) == {
        "plugin_name": "fake",
        "connection_details": {"host": "one", "mode": "tls"},
        "allowed_roles": ["brief", "reader"],
        "configured_at": "engines.yaml:2",
    }
    with pytest.raises(Denied):
        await ask("GET", "/v1/database/config/main")
    with pytest.raises(NotFound):
        await ask("LIST", "/v1/database/config")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
async def test_what_is_configured_is_refused_with_its_file_and_line(
    ask: Routed, method: str
) -> None:
    told = {
        url: await refusal(ask, method, f"/v1/{url}", caller)
        for url, caller in (
            ("database/roles/reader", HOLDER),
            ("database/config/main", OPERATOR),
            ("cache/config", OPERATOR),
            ("sys/mounts/database/tune", HOLDER),
            ("sys/policies/acl/holder", OPERATOR),
        )
    }
    for text, place in zip(
        told.values(),
        (
            "change roles: main/reader: at roles.yaml:3",
            "change engines: main: at engines.yaml:2",
            "change engines: other: at engines.yaml:9",
            "engines.yaml:2, or its limits under lease_limits: database:",
            "change identities: holder: at access.yaml:1",
        ),
        strict=True,
    ):
        assert place in text
        assert "policy files" in text


async def test_what_is_not_configured_yet_is_refused_with_what_to_add(ask: Routed) -> None:
    role = await refusal(ask, "POST", "/v1/database/roles/new")
    assert "add roles: main/new: to a policy file" in role
    engine = await refusal(ask, "POST", "/v1/files/config/new", OPERATOR)
    assert "add engines: new: with mount: files to a policy file" in engine
    assert "identities" in await refusal(ask, "POST", "/v1/auth/approle/role/web")
    assert "identities" in await refusal(ask, "POST", "/v1/sys/auth/approle")
    passwords = await refusal(ask, "PUT", "/v1/sys/policies/password/long")
    assert "password_policies: long:" in passwords


async def test_a_refusal_tells_nothing_that_the_caller_may_not_see(ask: Routed) -> None:
    """What exists on a mount that is closed to the caller looks like what does not."""
    for name in ("roles/user", "config/other"):
        there = await refusal(ask, "POST", f"/v1/cache/{name}")
        nowhere = await refusal(ask, "POST", f"/v1/nothing/{name}")
        assert there.replace("cache", "nothing") == nowhere


async def test_a_role_of_a_shared_mount_belongs_to_one_of_its_engines(tmp_path: Path) -> None:
    engines = {name: replace(engine, mount="database") for name, engine in ENGINES.items()}
    roles = {("database", role.name): role for role in ROLES.values()}
    async with World(tmp_path, FakeClock(), a_bundle(engines=engines, roles=roles)) as world:
        told = await refusal(Routed(world), "POST", "/v1/database/roles/new")
    assert "add roles: <engine>/new:, the engine being main or other, to a policy file" in told
