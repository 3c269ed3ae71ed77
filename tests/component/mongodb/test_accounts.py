"""What stands at the server: what is sent, what an account bears, and how accounts are found."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fakes.mongod import Mongod, mongod
from leasehold.bundle import PasswordPolicy
from leasehold.plugin import Account, EnginePermanent, EngineTemporary, ErrorClass, IssueRequest
from leasehold.plugin.contract import REMOVED
from leasehold_plugins.mongodb import MongodbEngine
from servers.mongodb_engine import SEEDS, account_for, clear, engine_for, issue, opened, quiet

pytestmark = quiet


@pytest.fixture
def server() -> Iterator[Mongod]:
    with mongod() as server:
        yield server


@pytest.fixture
async def engine(server: Mongod) -> AsyncIterator[MongodbEngine]:
    async with opened(engine_for(server)) as engine:
        yield engine


def data(server: Mongod, account: Account, db: str = "admin") -> dict[str, Any]:
    found: dict[str, Any] = server.users.users[account.name, db]["customData"]["leasehold"]
    return found


async def test_an_account_bears_its_end_and_whose_it_is_and_a_renewal_moves_the_end(
    engine: MongodbEngine, server: Mongod
) -> None:
    account = account_for(engine)
    until = datetime.now(UTC).replace(microsecond=0)
    request = IssueRequest(
        account=account,
        expires_at=until,
        password_policy=PasswordPolicy(),
        comment="leasehold x",
        labels={"identity": "shop"},
    )
    await engine.issue(request)
    told = {"identity": "shop", "comment": "leasehold x"}
    assert data(server, account) == {**told, "until": until.replace(tzinfo=None)}
    later = until + timedelta(hours=1)
    await engine.renew(account, later)
    assert data(server, account) == {**told, "until": later.replace(tzinfo=None)}


async def test_renewing_what_is_gone_is_told(engine: MongodbEngine) -> None:
    with pytest.raises(EnginePermanent, match="gone from MongoDB") as told:
        await engine.renew(account_for(engine), datetime.now(UTC))
    assert told.value.error_class is ErrorClass.ABSENT


async def test_the_credential_says_where_to_log_in(engine: MongodbEngine, server: Mongod) -> None:
    account = account_for(engine, SEEDS)
    issued = await issue(engine, account)
    assert issued.credential["auth_source"] == "mydb"
    assert server.users.users[account.name, "mydb"]["roles"] == [
        {"role": "readWrite", "db": "mydb"}
    ]
    bare = Account(name=account.name, target=account.target, role={})
    assert await engine.revoke(bare) == REMOVED
    assert (account.name, "mydb") not in server.users.users


async def test_only_scram_sha_256_is_made_and_the_password_is_sent_once(
    engine: MongodbEngine, server: Mongod
) -> None:
    account = account_for(engine)
    password = clear(await issue(engine, account))
    made = [said for name, said in server.seen if name == "createUser"][-1]
    assert (made["mechanisms"], made["pwd"]) == (["SCRAM-SHA-256"], password)
    assert sum(password in str(said) for _, said in server.seen) == 1


async def test_accounts_are_asked_for_in_pages_since_a_reply_has_16_mb(
    engine: MongodbEngine, server: Mongod
) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    names = [f"lhmark_{a}{b}aaaaaaaaaaaaaa_zzzz" for a in letters for b in "ab"]
    for name in names:
        server.users.add(name, None, [])
    dressed = "app_lhmark_qaaaaaaaaaaaaaaa_zzzz"
    server.users.add(dressed, None, [], "mydb")
    server.users.add("human", None, [])
    server.users.longest = 300 * 20
    pattern = "lh[a-z2-7]{4}_[a-z2-7]{16}_[a-z2-7]{4}"
    found = [name async for name in engine.accounts(pattern)]
    assert sorted(found) == sorted([*names, dressed])


async def test_an_account_that_is_there_again_is_not_gone(
    engine: MongodbEngine, server: Mongod
) -> None:
    account = account_for(engine)
    await issue(engine, account)

    def undone(work: Any) -> Any:
        before = dict(server.users.users)
        reply = work()
        server.users.users = before
        return reply

    server.at_next["dropUser"] = undone
    with pytest.raises(EngineTemporary, match="was dropped and is there again"):
        await engine.revoke(account)


async def test_one_that_cannot_be_dropped_holds_no_other_up(
    engine: MongodbEngine, server: Mongod
) -> None:
    accounts = [account_for(engine) for _ in range(30)]
    for account in accounts:
        await issue(engine, account)

    def busy(_: Any) -> Any:
        return {"ok": 0.0, "code": 112, "errmsg": "WriteConflict"}

    server.at_next["dropUser"] = busy
    results = await engine.revoke_many(accounts)
    errors = [result for result in results if result != REMOVED]
    assert len(errors) == 1
    assert isinstance(errors[0], EngineTemporary)
    left = [user for user, _ in server.users.users if user.startswith("lhtest")]
    kept = [each.name for each, it in zip(accounts, results, strict=True) if it is errors[0]]
    assert left == kept
