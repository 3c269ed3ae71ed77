"""Nodes that remember logins: a credential is dead when every node knows it, not before."""

import pytest

from fakes.elasticsearch import Elasticsearch, deaf
from fakes.opensearch import OpenSearch
from leasehold.plugin import EngineTemporary
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.elasticsearch import ElasticsearchEngine
from servers.elasticsearch import KEY, USER, server_of

make = EngineContract.issue
account_for = EngineContract.account


@pytest.mark.parametrize("role", [USER, KEY], ids=["user", "key"])
async def test_a_node_that_missed_the_change_is_told_again(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine, role: dict[str, object]
) -> None:
    server, slow = server_of(es_fake), es_fake.nodes[2]
    account = account_for(es_engine, role)
    issued = await make(es_engine, account)
    assert server.lets_in(issued.credential, slow.url)
    slow.misses_changes = True
    assert await es_engine.revoke(account) == REMOVED
    assert not server.lets_in(issued.credential, slow.url)


@pytest.mark.parametrize("role", [USER, KEY], ids=["user", "key"])
async def test_a_lease_is_not_over_while_a_node_may_let_its_credential_in(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine, role: dict[str, object]
) -> None:
    server, cut_off = server_of(es_fake), es_fake.nodes[2]
    account = account_for(es_engine, role)
    issued = await make(es_engine, account)
    assert server.lets_in(issued.credential, cut_off.url)
    deaf(cut_off)
    with pytest.raises(EngineTemporary, match="1 of 3 nodes did not clear their caches"):
        await es_engine.revoke(account)
    assert await es_engine.login(issued.credential), "one of the nodes is enough"
    [result] = await es_engine.revoke_many([account])
    assert isinstance(result, EngineTemporary)
    cut_off.misses_clears = False
    assert await es_engine.revoke(account) == REMOVED
    assert not await es_engine.login(issued.credential)


async def test_an_opensearch_node_that_missed_a_deletion_is_told_again_though_the_user_is_gone(
    os_fake: OpenSearch, os_engine: ElasticsearchEngine
) -> None:
    server, cut_off = server_of(os_fake), os_fake.nodes[2]
    account = account_for(os_engine, USER)
    issued = await make(os_engine, account)
    assert server.lets_in(issued.credential, cut_off.url)
    deaf(cut_off)
    with pytest.raises(EngineTemporary):
        await os_engine.revoke(account)
    assert account.name not in os_fake.users
    with pytest.raises(EngineTemporary):
        await os_engine.revoke(account)  # gone already, and yet not over
    assert server.lets_in(issued.credential, cut_off.url)
    cut_off.misses_clears = cut_off.misses_changes = False
    assert await os_engine.revoke(account) == REMOVED
    assert not server.lets_in(issued.credential, cut_off.url)


async def test_many_names_are_cleared_in_lines_that_a_node_takes(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    accounts = [account_for(es_engine, USER) for _ in range(200)]
    assert await es_engine.revoke_many(accounts) == [REMOVED] * 200
    cleared = [path for method, path, _ in es_fake.log if path.endswith("/_clear_cache")]
    assert len(cleared) > 1
