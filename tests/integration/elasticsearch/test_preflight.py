"""What is lacking is named before the first account is made, with what to run."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fakes.elasticsearch import Elasticsearch
from fakes.opensearch import OpenSearch
from fakes.search_cluster import User
from leasehold.plugin import EnginePermanent, ErrorClass, Secret
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.elasticsearch import ElasticsearchEngine
from servers.elasticsearch import KEY, USER, opened, server_of

make = EngineContract.issue
account_for = EngineContract.account


async def missing_for(
    fake: Elasticsearch, role: dict[str, Any], *privileges: str, reads: str = "app-*"
) -> tuple[str, ...]:
    """What an administrator with these privileges lacks."""
    server = server_of(fake)
    indices = [{"names": [reads], "privileges": ["read"]}]
    server.put_role("weak", {"cluster": ["monitor", *privileges], "indices": indices})
    server.put_user("weak", "weak")
    async with opened(server, username="weak") as engine:
        health = await engine.check([role])
    assert health.ok is not bool(health.missing)
    return health.missing


async def test_a_privilege_that_is_lacking_is_named_with_the_role_that_gives_it(
    es_fake: Elasticsearch,
) -> None:
    assert await missing_for(es_fake, dict(USER), "manage_security") == ()
    assert await missing_for(es_fake, dict(USER)) == (
        "lacks the cluster privilege manage_security: PUT /_security/role/leasehold"
        ' {"cluster": ["manage_security", "monitor"]}',
    )


async def test_keys_can_be_made_by_an_administrator_who_can_make_no_users(
    es_fake: Elasticsearch,
) -> None:
    rights = ("manage_api_key", "read_security")
    assert await missing_for(es_fake, dict(KEY), *rights) == ()
    async with opened(server_of(es_fake), username="weak") as engine:
        account = account_for(engine, KEY)
        issued = await make(engine, account)
        assert await engine.revoke(account) == REMOVED
        assert not await engine.login(issued.credential)
        assert account.name not in [name async for name in engine.accounts("")]


async def test_who_sees_only_its_own_keys_is_not_enough(es_fake: Elasticsearch) -> None:
    """Keys of another administrator would look as if they were gone."""
    lines = await missing_for(es_fake, dict(KEY), "manage_own_api_key")
    assert [line.split(":")[0] for line in lines] == [
        "lacks the cluster privilege manage_api_key",
        "lacks the cluster privilege read_security",
    ]


async def test_rights_of_a_key_are_those_that_its_maker_has_too(es_fake: Elasticsearch) -> None:
    """Derived rights are the intersection with the creator's, which the server does in silence."""
    rights = ("manage_api_key", "read_security")
    descriptors = {
        "one": {"cluster": ["manage_pipeline"]},
        "two": {"indices": [{"names": ["app-*"], "privileges": ["read", "write"]}]},
    }
    assert await missing_for(es_fake, {"role_descriptors": descriptors}, *rights) == (
        "role_descriptors: API keys would be without cluster privilege manage_pipeline, since the"
        " administrator has not got it; give it to a role of the administrator's",
        "role_descriptors: API keys would be without write on app-*, since the administrator has"
        " not got it; give it to a role of the administrator's",
    )


async def test_a_role_that_is_missing_is_named(
    es_engine: ElasticsearchEngine, os_engine: ElasticsearchEngine
) -> None:
    for engine in (es_engine, os_engine):
        health = await engine.check([USER, {"roles": ["app-writer"]}])
        [line] = health.missing
        assert line.startswith("role app-writer is missing")


async def test_an_api_key_makes_users_and_no_keys(es_fake: Elasticsearch) -> None:
    server = server_of(es_fake)
    descriptors = {"admin": {"cluster": ["monitor", "manage_security"]}}
    body = {"name": "administrator", "role_descriptors": descriptors}
    _, made = server.ask("POST", "/_security/api_key", body)
    key = Secret(made["encoded"])
    async with opened(server, username=None, password=None, api_key=key) as engine:
        assert (await engine.check([USER])).ok
        account = account_for(engine, USER)
        await make(engine, account)
        assert await engine.revoke(account) == REMOVED
        lines = (await engine.check([KEY])).missing
        assert lines[0].startswith("connection.api_key: an API key cannot make API keys")
        with pytest.raises(EnginePermanent):
            await make(engine, account_for(engine, KEY))


async def test_only_who_made_a_key_renews_it(es_fake: Elasticsearch) -> None:
    server = server_of(es_fake)
    async with opened(server) as first:
        account = account_for(first, KEY)
        await make(first, account)
    async with opened(server, username=server.admin) as second:
        with pytest.raises(EnginePermanent, match="made by another administrator"):
            await second.renew(account, datetime.now(UTC) + timedelta(hours=2))
        assert await second.revoke(account) == REMOVED


async def test_versions_that_are_too_old_are_told(es_fake: Elasticsearch) -> None:
    es_fake.version = "8.12.2"
    async with opened(server_of(es_fake)) as engine:
        health = await engine.check([USER])
    [line] = health.missing
    assert line.endswith("is older than 8.13, the oldest that is supported")


async def test_who_may_not_use_the_interface_of_opensearch_is_told_the_setting(
    os_fake: OpenSearch,
) -> None:
    server = server_of(os_fake)
    server.put_user("weak", "test-keeper")
    async with opened(server, username="weak") as engine:
        [line] = (await engine.check([USER])).missing
        assert "plugins.security.restapi.roles_enabled" in line
        with pytest.raises(EnginePermanent, match=r"restapi\.roles_enabled") as told:
            await make(engine, account_for(engine, USER))
        assert told.value.error_class is ErrorClass.DENIED


async def test_endpoints_of_opensearch_that_are_closed_are_told(
    os_fake: OpenSearch, os_engine: ElasticsearchEngine
) -> None:
    os_fake.disabled = {"INTERNALUSERS": ["DELETE"], "CACHE": ["DELETE", "PUT"]}
    lines = (await os_engine.check([USER])).missing
    assert [line.split(":")[0] for line in lines] == [
        "may not DELETE at INTERNALUSERS",
        "may not DELETE at CACHE",
    ]


async def test_opensearch_has_no_api_keys(
    os_fake: OpenSearch, os_engine: ElasticsearchEngine
) -> None:
    [line] = (await os_engine.check([KEY])).missing
    assert line == "role_descriptors: OpenSearch has no API keys; write roles"
    with pytest.raises(EnginePermanent) as told:
        await make(os_engine, account_for(os_engine, KEY))
    assert told.value.error_class is ErrorClass.UNSUPPORTED
    with pytest.raises(EnginePermanent, match="write username and password"):
        async with opened(server_of(os_fake), api_key=Secret("x"), username=None, password=None):
            pass


async def test_a_role_that_opensearch_gives_to_nobody_is_told(
    os_engine: ElasticsearchEngine,
) -> None:
    with pytest.raises(EnginePermanent, match="static or reserved, and cannot be given") as told:
        await make(os_engine, account_for(os_engine, {"roles": ["all_access"]}))
    assert told.value.error_class is ErrorClass.DENIED


async def test_a_role_that_opensearch_does_not_know_makes_no_user(
    os_fake: OpenSearch, os_engine: ElasticsearchEngine
) -> None:
    account = account_for(os_engine, {"roles": ["app-writer"]})
    with pytest.raises(EnginePermanent, match="one of the roles is missing: app-writer") as told:
        await make(os_engine, account)
    assert told.value.error_class is ErrorClass.ABSENT
    assert account.name not in os_fake.users


async def test_a_changed_password_of_the_administrator_shows(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    es_fake.users["test-keeper"] = User("another", ["test-keeper"])
    for node in es_fake.nodes:
        node.remembered.clear()
    with pytest.raises(EnginePermanent, match="refuses the administrator's login") as told:
        await es_engine.check()
    assert told.value.error_class is ErrorClass.DENIED
