"""Passwords of users that stand, changed at a cluster whose nodes remember logins."""

import pytest

from fakes.elasticsearch import Elasticsearch
from fakes.opensearch import OpenSearch
from leasehold.plugin import EnginePermanent, EngineTemporary, ErrorClass, Secret
from leasehold_plugins.elasticsearch import ElasticsearchEngine
from servers.elasticsearch import SearchServer, opened, server_of

NEW = Secret("a-password-of-a-test-0123456789")
BILLING = "test-billing"


def credential(name: str, password: Secret = NEW) -> dict[str, str | Secret]:
    return {"username": name, "password": password}


async def test_the_administrator_gives_itself_another_password(search: SearchServer) -> None:
    search.put_user("test-turning", *search.user(search.keeper)[search.roles_key])
    old = credential("test-turning", Secret(search.password))
    async with opened(search, username="test-turning") as engine:
        await engine.rotate_root(NEW)
        assert search.lets_in(credential("test-turning"))
        assert not search.lets_in(old)
        async with opened(search, username="test-turning", password=NEW) as again:
            assert again.target_id == engine.target_id
            await again.rotate_root(NEW)
            assert await again.login(credential("test-turning"))
    search.delete_user("test-turning")


async def test_a_static_user_gets_its_password_and_keeps_what_else_it_has(
    either: ElasticsearchEngine, search: SearchServer
) -> None:
    search.put_user(BILLING, "app-reader")
    before = search.user(BILLING)
    for _ in range(2):
        await either.rotate_static(BILLING, NEW)
    assert await either.login(credential(BILLING))
    assert not search.lets_in(credential(BILLING, Secret(search.password)))
    assert search.user(BILLING) == before
    search.delete_user(BILLING)


async def test_a_user_that_is_missing_is_not_made(
    either: ElasticsearchEngine, search: SearchServer
) -> None:
    with pytest.raises(EnginePermanent) as told:
        await either.rotate_static("test-nobody", NEW)
    assert told.value.error_class is ErrorClass.ABSENT
    assert not search.lets_in(credential("test-nobody"))


async def test_a_node_that_forgets_nothing_leaves_the_outcome_unknown_until_it_does(
    es_engine: ElasticsearchEngine, es_fake: Elasticsearch
) -> None:
    server, deaf = server_of(es_fake), es_fake.nodes[2]
    server.put_user(BILLING, "app-reader")
    old = credential(BILLING, Secret(server.password))
    assert server.lets_in(old, url=deaf.url)
    deaf.misses_changes = deaf.misses_clears = True
    with pytest.raises(EngineTemporary, match="1 of 3 nodes did not clear") as told:
        await es_engine.rotate_static(BILLING, NEW)
    assert told.value.outcome_unknown
    assert server.lets_in(old, url=deaf.url), "so that is what the error is for"
    deaf.misses_clears = False
    await es_engine.rotate_static(BILLING, NEW)
    assert not server.lets_in(old, url=deaf.url)


async def test_the_old_password_of_the_administrator_dies_at_every_node(
    es_engine: ElasticsearchEngine, es_fake: Elasticsearch
) -> None:
    server, deaf = server_of(es_fake), es_fake.nodes[2]
    old = credential(server.keeper, Secret(server.password))
    assert server.lets_in(old, url=deaf.url)
    deaf.misses_changes = True
    await es_engine.rotate_root(NEW)
    assert not any(server.lets_in(old, url=node.url) for node in es_fake.nodes)


async def test_opensearch_says_that_a_node_missed_it_and_so_the_outcome_is_unknown(
    os_engine: ElasticsearchEngine, os_fake: OpenSearch
) -> None:
    server_of(os_fake).put_user(BILLING, "app-reader")
    os_fake.nodes[1].misses_changes = True
    with pytest.raises(EngineTemporary) as told:
        await os_engine.rotate_static(BILLING, NEW)
    assert told.value.outcome_unknown
    os_fake.nodes[1].misses_changes = False
    os_fake.contended = 1
    with pytest.raises(EngineTemporary) as told:
        await os_engine.rotate_static(BILLING, NEW)
    assert not told.value.outcome_unknown, "who is overtaken has done nothing"
    await os_engine.rotate_static(BILLING, NEW)
    assert await os_engine.login(credential(BILLING))


async def test_a_reserved_user_of_opensearch_is_refused_with_why(
    os_engine: ElasticsearchEngine, os_fake: OpenSearch
) -> None:
    with pytest.raises(EnginePermanent, match="the user is reserved") as told:
        await os_engine.rotate_static(os_fake.admin, NEW)
    assert told.value.error_class is ErrorClass.DENIED


async def test_an_administrator_of_a_file_is_refused_before_anything_is_sent(
    es_engine: ElasticsearchEngine, es_fake: Elasticsearch
) -> None:
    es_fake.of_a_file.add(SearchServer.keeper)
    with pytest.raises(EnginePermanent, match="is no native user") as told:
        await es_engine.rotate_root(NEW)
    assert told.value.error_class is ErrorClass.UNSUPPORTED
    assert not any(path.endswith("_password") for _, path, _ in es_fake.log)


async def test_a_disabled_user_is_refused_with_what_enables_it(
    es_engine: ElasticsearchEngine, es_fake: Elasticsearch
) -> None:
    server_of(es_fake).put_user(BILLING, "app-reader")
    es_fake.users[BILLING].enabled = False
    with pytest.raises(EnginePermanent, match=f"PUT /_security/user/{BILLING}/_enable"):
        await es_engine.rotate_static(BILLING, NEW)


async def test_who_may_only_manage_keys_rotates_itself_and_is_told_what_others_take(
    elastic: SearchServer,
) -> None:
    elastic.put_role("test-keys", {"cluster": ["monitor", "manage_api_key", "read_security"]})
    elastic.put_user("test-turning", "test-keys")
    elastic.put_user(BILLING, "app-reader")
    async with opened(elastic, username="test-turning") as engine:
        with pytest.raises(EnginePermanent, match="manage_security") as told:
            await engine.rotate_static(BILLING, NEW)
        assert told.value.error_class is ErrorClass.DENIED
        await engine.rotate_root(NEW)
        assert elastic.lets_in(credential("test-turning"))
    for name in ("test-turning", BILLING):
        elastic.delete_user(name)
