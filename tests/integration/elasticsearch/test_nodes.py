"""Several nodes, of one cluster: who is away is passed over, who is a stranger is refused."""

import asyncio
from pathlib import Path

import pytest

from fakes.elasticsearch import Elasticsearch
from fakes.opensearch import OpenSearch
from fakes.search_cluster import Given
from leasehold.plugin import (
    EngineError,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    TargetChanged,
)
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.elasticsearch import ElasticsearchEngine
from servers.certificates import Authority
from servers.elasticsearch import KEY, USER, engine_for, opened, server_of

make = EngineContract.issue
account_for = EngineContract.account


async def test_a_node_that_is_away_is_passed_over_and_told_of(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    account = account_for(es_engine, USER)
    issued = await make(es_engine, account)
    es_fake.nodes[0].stop()
    assert await es_engine.login(issued.credential)
    health = await es_engine.check([USER])
    assert not health.ok
    assert "cannot be reached" in health.reason
    assert health.missing == ()
    assert await es_engine.revoke(account) == REMOVED
    await make(es_engine, account_for(es_engine, KEY))


async def test_whether_a_login_is_dead_is_not_known_while_a_node_is_away(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    account = account_for(es_engine, USER)
    issued = await make(es_engine, account)
    assert await es_engine.revoke(account) == REMOVED
    es_fake.nodes[2].stop()
    with pytest.raises(EngineTemporary):
        await es_engine.login(issued.credential)


async def test_a_node_without_a_master_does_not_serve(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    about = {"cluster_uuid": "_na_", "version": {"number": "8.19.4"}, "tagline": "You Know"}
    es_fake.nodes[0].override = Given(200, about)
    await make(es_engine, account_for(es_engine, USER))
    for node in es_fake.nodes:
        node.override = Given(503, {})
    with pytest.raises(EngineTemporary) as told:
        await make(es_engine, account_for(es_engine, USER))
    assert not told.value.outcome_unknown


async def test_nodes_of_different_clusters_are_not_one_target(es_fake: Elasticsearch) -> None:
    with Elasticsearch().running() as other:
        other.password, server = es_fake.password, server_of(es_fake)
        other.users = es_fake.users
        other.roles = es_fake.roles
        with pytest.raises(EnginePermanent, match="of different clusters") as told:
            async with opened(server, nodes=[other.nodes[0].url]):
                pass
        assert told.value.error_class is ErrorClass.CONFLICT


async def test_a_cluster_that_was_replaced_behind_its_address_is_another_target(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    account = account_for(es_engine, USER)
    issued = await make(es_engine, account)
    del es_fake.users[account.name]
    es_fake.uuid = "another"
    for attempt in (es_engine.revoke(account), make(es_engine, account)):
        with pytest.raises(TargetChanged):
            await attempt
    with pytest.raises(TargetChanged):
        [name async for name in es_engine.accounts("")]
    assert (await es_engine.check()).ok
    assert es_engine.target_id == "elasticsearch:another"
    with pytest.raises(TargetChanged):
        await es_engine.revoke(account)
    assert not await es_engine.login(issued.credential)


async def test_a_flavour_that_is_wrong_is_told_with_what_to_write(
    es_fake: Elasticsearch, os_fake: OpenSearch
) -> None:
    for server, right in (
        (server_of(es_fake), "elasticsearch"),
        (server_of(os_fake), "opensearch"),
    ):
        [wrong] = {"elasticsearch", "opensearch"} - {right}
        with pytest.raises(EnginePermanent, match=f"write flavour: {right}"):
            async with opened(server, flavour=wrong):
                pass


async def test_what_is_no_cluster_is_told(es_fake: Elasticsearch) -> None:
    server = server_of(es_fake)
    es_fake.nodes[0].override = Given(200, {"hello": "world"})
    with pytest.raises(EnginePermanent, match="neither Elasticsearch nor OpenSearch"):
        async with opened(server):
            pass


async def test_a_reply_that_was_lost_leaves_the_outcome_unknown(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    account = account_for(es_engine, KEY)
    for node in es_fake.nodes:
        node.after = lambda method, path: (method, path) != ("POST", "/_security/api_key")
    with pytest.raises(EngineTemporary) as told:
        await make(es_engine, account)
    assert told.value.outcome_unknown
    [key] = es_fake.keys.values()
    assert key.name == account.name
    assert await es_engine.revoke(account) == REMOVED
    assert key.invalidated, "the name alone finds what nobody has seen"


@pytest.mark.parametrize(
    ("status", "kind", "unknown"),
    [
        (401, ErrorClass.DENIED, False),
        (403, ErrorClass.DENIED, False),
        (400, ErrorClass.INVALID, False),
        (429, None, False),
        (500, None, True),
        (503, None, True),
    ],
)
async def test_what_a_node_refuses_with_is_told_by_its_status_and_none_of_its_words(
    es_fake: Elasticsearch,
    es_engine: ElasticsearchEngine,
    status: int,
    kind: ErrorClass | None,
    unknown: bool,
) -> None:
    def fail(method: str, path: str) -> bool:
        refusal = es_fake.error(status, "some_exception")
        for node in es_fake.nodes:
            node.override = Given(status, refusal) if path == "/" else None
        return True

    for node in es_fake.nodes:
        node.after = fail  # the look is answered, what follows is refused
    with pytest.raises(EngineError) as told:
        await make(es_engine, account_for(es_engine, USER))
    assert "secret words" not in str(told.value)
    if kind is None:
        assert isinstance(told.value, EngineTemporary)
        assert told.value.outcome_unknown is unknown
        assert f"({status} some_exception)" in told.value.reason
    else:
        assert told.value.error_class is kind


async def test_an_engine_over_tls_trusts_who_it_is_told_to(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Elasticsearch(pair=authority.server()).running() as fake:
        server = server_of(fake, ca=str(authority.file))
        async with opened(server) as engine:
            issued = await make(engine, account_for(engine, USER))
            assert await engine.login(issued.credential)
        distrustful = engine_for(server, tls_ca=None)
        with pytest.raises(EngineTemporary, match="cannot be trusted or speaks no TLS"):
            await distrustful.open()
        await distrustful.close()
        with pytest.raises(EnginePermanent, match=r"connection.tls_ca: the file cannot be used"):
            await engine_for(server, tls_ca=str(tmp_path / "nowhere.pem")).open()


async def test_a_password_never_goes_to_another_host_in_clear() -> None:
    with Elasticsearch().running() as fake:
        server = server_of(fake)
        with pytest.raises(EnginePermanent, match="write https://"):
            await engine_for(server, url="http://search.example:9200").open()
        with pytest.raises(EnginePermanent, match=r"nodes\[0\] has a user or a password in it"):
            await engine_for(server, nodes=["https://a:b@search.example"]).open()


async def test_a_node_that_hangs_is_passed_over_before_anything_is_changed(
    es_fake: Elasticsearch,
) -> None:
    hanging = await asyncio.start_server(_silent, "127.0.0.1", 0)
    port = hanging.sockets[0].getsockname()[1]
    nodes = [es_fake.nodes[0].url]
    async with (
        hanging,
        opened(
            server_of(es_fake),
            url=f"http://127.0.0.1:{port}",
            nodes=nodes,
            statement_timeout=1,
        ) as engine,
    ):
        health = await engine.check()
        assert health.reason == f"no answer in time from 127.0.0.1:{port}"
        await make(engine, account_for(engine, USER))


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()
