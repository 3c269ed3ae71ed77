"""Accounts by certificate: who may sign, what is signed, and how long it is good for."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from fakes.mongod import Mongod, mongod
from leasehold.plugin import EnginePermanent, EngineTemporary, Issued, Secret
from leasehold.plugin.contract import REMOVED
from leasehold_plugins.mongodb import MongodbEngine
from servers.certificates import Authority
from servers.mongodb_engine import (
    BY_CERTIFICATE,
    account_for,
    by_certificate,
    issue,
    opened,
    quiet,
)

pytestmark = quiet


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mongod]:
    with mongod(authority=Authority(tmp_path)) as server:
        yield server


@pytest.fixture
async def engine(server: Mongod) -> AsyncIterator[MongodbEngine]:
    async with opened(by_certificate(server)) as engine:
        yield engine


def certificate(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(str(issued.credential["certificate"]).encode())


async def test_the_account_is_the_subject_and_ends_with_its_lease(
    engine: MongodbEngine, server: Mongod
) -> None:
    account = account_for(engine, BY_CERTIFICATE)
    issued = await issue(engine, account)
    user = f"CN={account.name},OU=leasehold,O=Example"
    assert issued.credential["username"] == user
    assert issued.credential["auth_source"] == "$external"
    made = certificate(issued)
    assert made.subject.rfc4514_string() == user
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    until = server.users.users[user, "$external"]["customData"]["leasehold"]["until"]
    assert abs((made.not_valid_after_utc.replace(tzinfo=None) - until).total_seconds()) <= 1
    assert [name async for name in engine.accounts("^lhtest_")] == [account.name]
    assert await engine.revoke(account) == REMOVED
    assert not await engine.login(issued.credential)


async def test_sessions_of_one_that_is_gone_already_are_ended(
    engine: MongodbEngine, server: Mongod
) -> None:
    account = account_for(engine, BY_CERTIFICATE)
    user = str((await issue(engine, account)).credential["username"])
    server.users.users.pop((user, "$external"))
    assert await engine.revoke(account) == REMOVED
    [asked] = [said for name, said in server.seen if name == "killAllSessions"]
    assert asked["killAllSessions"] == [{"user": user, "db": "$external"}]


async def test_a_certificate_of_another_authority_does_not_get_as_far_as_a_login(
    engine: MongodbEngine, server: Mongod, tmp_path: Path
) -> None:
    account = account_for(engine, BY_CERTIFICATE)
    issued = await issue(engine, account)
    stranger = Authority(tmp_path / "other").client("x")
    forged = {
        **issued.credential,
        "certificate": stranger.certificate_file.read_text(),
        "private_key": Secret(stranger.key_file.read_text()),
    }
    with pytest.raises(EngineTemporary):
        await engine.login(forged)
    assert "authenticate" not in [name for name, _ in server.seen]


async def test_an_administrator_may_log_in_by_certificate(server: Mongod, tmp_path: Path) -> None:
    assert server.authority is not None
    pair = server.authority.client("keeper")
    server.users.add("CN=keeper", None, [{"role": "root", "db": "admin"}], "$external")
    both = tmp_path / "both.pem"
    both.write_text(pair.certificate_file.read_text() + pair.key_file.read_text())
    url = f"mongodb://{server.address}/?tlsCAFile={server.authority.file}"
    with_file = {"url": f"{url}&tlsCertificateKeyFile={both}"}
    async with opened(MongodbEngine("main", with_file)) as keeper:
        assert (await keeper.check()).ok
    nobody = MongodbEngine("main", {"url": url})
    with pytest.raises(EnginePermanent, match="connection has no username"):
        await nobody.open()


async def test_a_server_whose_certificate_is_not_trusted_gets_nothing(
    server: Mongod, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other").file
    url = f"mongodb://{server.address}/?tlsCAFile={other}"
    engine = by_certificate(server, url=url, statement_timeout=1)
    with pytest.raises(EngineTemporary, match="cannot be trusted or speaks no TLS"):
        await engine.open()
    await engine.close()
    assert server.seen == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"x509_ca": "/nowhere.pem"}, "x509_ca or x509_ca_key cannot be used"),
        ({"x509_ca_key": Secret("no key")}, "x509_ca or x509_ca_key cannot be used"),
    ],
)
async def test_an_authority_that_cannot_sign_is_told_without_its_key(
    server: Mongod, wrong: dict[str, object], told: str
) -> None:
    async with opened(by_certificate(server, **wrong)) as engine:
        account = account_for(engine, BY_CERTIFICATE)
        with pytest.raises(EnginePermanent, match=told):
            await issue(engine, account)
        assert [name async for name in engine.accounts(account.name)] == []


async def test_a_key_of_another_authority_is_refused(server: Mongod, tmp_path: Path) -> None:
    key = Authority(tmp_path / "other").client("x").key_file.read_text()
    async with opened(by_certificate(server, x509_ca_key=Secret(key))) as engine:
        with pytest.raises(EnginePermanent, match="x509_ca_key is not the key of x509_ca"):
            await issue(engine, account_for(engine, BY_CERTIFICATE))
