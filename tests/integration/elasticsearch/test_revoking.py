"""What an account made for itself goes with it, and what was asked for is looked at again."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from fakes.elasticsearch import Elasticsearch
from fakes.opensearch import OpenSearch
from leasehold.plugin import (
    Account,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    TargetChanged,
)
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.elasticsearch import ElasticsearchEngine
from servers.elasticsearch import KEY, OWN_ROLE, USER, login_of, server_of

make = EngineContract.issue
account_for = EngineContract.account


def later(hours: float = 1) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


async def test_keys_and_tokens_that_a_user_made_end_with_it(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    server = server_of(es_fake)
    server.put_role("app-reader", {"cluster": ["manage_own_api_key", "manage_token"]})
    account = account_for(es_engine, USER)
    issued = await make(es_engine, account)
    login = login_of(issued.credential)
    status, made = server.ask("POST", "/_security/api_key", {"name": "mine"}, login)
    assert status == 200
    derived = {"encoded": made["encoded"]}
    assert server.lets_in(derived)
    grant = {"grant_type": "client_credentials"}
    assert server.ask("POST", "/_security/oauth2/token", grant, login)[0] == 200
    assert await es_engine.revoke(account) == REMOVED
    assert not server.lets_in(derived)
    assert not es_fake.tokens


async def test_a_cluster_without_tokens_and_keys_has_none_to_end(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    account = account_for(es_engine, USER)
    await make(es_engine, account)
    es_fake.has_tokens = es_fake.has_keys = False
    assert await es_engine.revoke(account) == REMOVED
    assert [name async for name in es_engine.accounts("^lhtest")] == []


async def test_a_basic_license_has_no_tokens_and_hinders_no_revocation(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    es_fake.licensed = False
    account = account_for(es_engine, USER)
    issued = await make(es_engine, account)
    assert await es_engine.revoke(account) == REMOVED
    assert not await es_engine.login(issued.credential)


async def test_what_a_license_lacks_is_told_as_that_and_not_as_a_missing_right(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    es_fake.licensed = False
    index = {"names": ["app-*"], "privileges": ["read"], "query": '{"match_all": {}}'}
    role = {"role_descriptors": {"reader": {"indices": [index]}}}
    with pytest.raises(EnginePermanent, match="its license has not what the role asks") as told:
        await make(es_engine, account_for(es_engine, role))
    assert told.value.error_class is ErrorClass.UNSUPPORTED


async def test_every_key_of_a_name_ends_not_only_the_one_that_is_known(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    account = account_for(es_engine, KEY)
    first, second = await make(es_engine, account), await make(es_engine, account)
    known = Account(
        name=account.name, target=account.target, role=account.role, handle=second.handle
    )
    assert await es_engine.revoke(known) == REMOVED
    assert not await es_engine.login(first.credential)
    assert all(key.invalidated for key in es_fake.keys.values())


async def test_a_key_is_gone_only_when_no_search_finds_it_valid(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    account = account_for(es_engine, KEY)
    issued = await make(es_engine, account)
    es_fake.stubborn = {issued.handle["id"]}
    with pytest.raises(EngineTemporary, match="could not invalidate every API key"):
        await es_engine.revoke(account)
    es_fake.stubborn.clear()
    assert await es_engine.revoke(account) == REMOVED


async def test_a_key_ends_by_itself_and_a_renewal_moves_that(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    account = account_for(es_engine, KEY)
    issued = await make(es_engine, account)
    es_fake.late_s = 3500
    assert await es_engine.login(issued.credential)
    es_fake.late_s = 3700
    for node in es_fake.nodes:
        node.remembered.clear()
    assert not await es_engine.login(issued.credential)

    es_fake.late_s = 0
    await es_engine.renew(account, later(3))  # by its name alone
    es_fake.late_s = 3700
    assert await es_engine.login(issued.credential)


async def test_a_user_bears_the_end_of_its_lease_and_a_renewal_moves_only_that(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    account, end = account_for(es_engine, USER), later(5)
    issued = await make(es_engine, account)
    user = es_fake.users[account.name]
    assert user.about["metadata"]["leasehold"]["comment"] == "made by the engine contract"
    user.enabled, user.about["full_name"] = False, "switched off by somebody"
    await es_engine.renew(account, end)
    user = es_fake.users[account.name]
    assert user.about["metadata"]["leasehold"]["until"] == end.isoformat()
    assert (user.enabled, user.about["full_name"]) == (False, "switched off by somebody")
    assert user.roles == ["app-reader"]
    assert not await es_engine.login(issued.credential)


async def test_an_internal_user_bears_the_end_of_its_lease(
    os_fake: OpenSearch, os_engine: ElasticsearchEngine
) -> None:
    account, end = account_for(os_engine, USER), later(5)
    issued = await make(os_engine, account)
    await os_engine.renew(account, end)
    attributes = os_fake.users[account.name].about["attributes"]
    assert attributes["leasehold_until"] == end.isoformat()
    assert attributes["leasehold_comment"] == "made by the engine contract"
    assert await os_engine.login(issued.credential)


@pytest.mark.parametrize("role", [USER, KEY], ids=["user", "key"])
async def test_renewing_what_is_gone_revives_nothing(
    either: ElasticsearchEngine, role: dict[str, object]
) -> None:
    account = account_for(either, role)
    with pytest.raises(EnginePermanent) as told:
        await either.renew(account, later())
    assert told.value.error_class is ErrorClass.ABSENT
    assert account.name not in [name async for name in either.accounts("")]


async def test_a_user_that_is_there_already_is_not_taken_over_in_silence(
    either: ElasticsearchEngine,
) -> None:
    account = account_for(either, USER)
    await make(either, account)
    with pytest.raises(EnginePermanent) as told:
        await make(either, account)
    assert told.value.error_class is ErrorClass.CONFLICT
    assert await either.revoke(account) == REMOVED


@pytest.mark.parametrize("role", [USER, KEY, OWN_ROLE["elasticsearch"]], ids=["u", "k", "own"])
async def test_an_account_without_a_role_is_of_either_kind(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine, role: dict[str, object]
) -> None:
    account = account_for(es_engine, role)
    issued = await make(es_engine, account)
    orphan = Account(name=account.name, target=account.target, role={})
    assert await es_engine.revoke_many([orphan]) == [REMOVED]
    assert not await es_engine.login(issued.credential)
    assert account.name not in es_fake.roles


async def test_users_and_keys_go_together(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    accounts = [account_for(es_engine, role) for role in (USER, KEY, USER, KEY)]
    for account in accounts:
        await make(es_engine, account)
    assert await es_engine.revoke_many(accounts) == [REMOVED] * 4
    assert [name async for name in es_engine.accounts("^lhtest")] == []


async def test_what_is_of_another_cluster_is_not_taken_for_gone(
    es_engine: ElasticsearchEngine,
) -> None:
    here = account_for(es_engine, USER)
    elsewhere = Account(name=here.name, target="elasticsearch:other", role=USER)
    issued = await make(es_engine, here)
    with pytest.raises(TargetChanged):
        await es_engine.revoke(elsewhere)
    first, second = await es_engine.revoke_many([elsewhere, here])
    assert isinstance(first, TargetChanged)
    assert second == REMOVED
    assert not await es_engine.login(issued.credential)


async def test_opensearch_removes_many_in_one_change(
    os_fake: OpenSearch, os_engine: ElasticsearchEngine
) -> None:
    accounts = [account_for(os_engine, USER) for _ in range(20)]
    for account in accounts[::2]:
        await make(os_engine, account)
    os_fake.log.clear()
    assert await os_engine.revoke_many(accounts) == [REMOVED] * 20
    changes = [method for method, _, _ in os_fake.log if method != "GET"]
    assert changes == ["PATCH", "DELETE"], "one change, and one flush for those that were not there"


async def test_a_change_that_another_administrator_overtook_is_temporary_and_did_nothing(
    os_fake: OpenSearch, os_engine: ElasticsearchEngine
) -> None:
    account = account_for(os_engine, USER)
    os_fake.contended = 1
    with pytest.raises(EngineTemporary) as told:
        await make(os_engine, account)
    assert not told.value.outcome_unknown
    issued = await make(os_engine, account)
    os_fake.contended = 1
    with pytest.raises(EngineTemporary):
        await os_engine.revoke(account)
    assert await os_engine.revoke(account) == REMOVED
    assert not await os_engine.login(issued.credential)


async def test_a_definition_with_placeholders_is_filled_as_its_places_want(
    es_fake: Elasticsearch, es_engine: ElasticsearchEngine
) -> None:
    definition = {
        "indices": [
            {
                "names": ["{{name}}-*"],
                "privileges": ["read"],
                "query": '{"term": {"owner": "{{username}}"}}',
            }
        ]
    }
    text = json.dumps({"elasticsearch_role_definition": definition})
    account = account_for(es_engine, {"creation_statements": [text]})
    await make(es_engine, account)
    [made] = es_fake.roles[account.name]["indices"]
    assert made["names"] == [f"{account.name}-*"]
    assert json.loads(made["query"]) == {"term": {"owner": account.name}}
