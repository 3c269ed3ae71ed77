"""The way to a Redis on another host is TLS, with a certificate that is trusted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leasehold.plugin import EnginePermanent, EngineTemporary
from leasehold.plugin.contract import REMOVED, EngineContract
from servers.certificates import Authority, Pair
from servers.redis import RedisServer, redis_server
from servers.redis_engines import ROLE, engine_for, opened

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def client(authority: Authority) -> Pair:
    return authority.client("leasehold")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[RedisServer]:
    with redis_server(authority=authority) as made:
        yield made


def files(authority: Authority, pair: Pair) -> dict[str, Any]:
    return {
        "tls_ca": str(authority.file),
        "tls_certificate": str(pair.certificate_file),
        "tls_key": str(pair.key_file),
    }


async def test_accounts_are_made_over_tls_with_a_certificate_of_ours(
    server: RedisServer, authority: Authority, client: Pair
) -> None:
    async with opened(engine_for(server, **files(authority, client))) as engine:
        account = EngineContract.account(engine, ROLE)
        issued = await EngineContract.issue(engine, account)
        assert await engine.login(issued.credential)
        assert await engine.revoke(account) == REMOVED
        assert not await engine.login(issued.credential)


async def test_an_authority_that_is_not_trusted_is_told(
    server: RedisServer, client: Pair, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    with pytest.raises(EngineTemporary, match="cannot be trusted"):
        await engine_for(server, **files(other, client)).open()


async def test_a_certificate_for_another_name_is_not_trusted(
    server: RedisServer, authority: Authority, client: Pair
) -> None:
    engine = engine_for(server, url=f"rediss://127.0.0.1:{server.port}", **files(authority, client))
    with pytest.raises(EngineTemporary, match="names in its certificate"):
        await engine.open()


async def test_a_file_that_cannot_be_used_is_named(
    server: RedisServer, authority: Authority, client: Pair, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").touch()
    for option in ("tls_ca", "tls_certificate"):
        for file in (tmp_path / "empty.pem", tmp_path / "missing.pem"):
            with pytest.raises(EnginePermanent, match=f"connection.{option}"):
                await engine_for(server, **{**files(authority, client), option: str(file)}).open()


async def test_a_renewed_certificate_is_taken_without_a_restart(
    server: RedisServer, authority: Authority, tmp_path: Path
) -> None:
    good, expired = authority.client("good"), authority.client("expired", expired=True)
    mine = Pair(good.certificate, tmp_path / "mine.pem", tmp_path / "mine.key")

    def show(pair: Pair) -> None:
        mine.certificate_file.write_bytes(pair.certificate_file.read_bytes())
        mine.key_file.write_bytes(pair.key_file.read_bytes())

    show(good)
    async with opened(engine_for(server, **files(authority, mine))) as engine:
        show(expired)
        with pytest.raises(EngineTemporary):
            await engine.check()
        show(good)
        assert (await engine.check()).ok


async def test_a_connection_without_tls_to_another_host_is_refused(server: RedisServer) -> None:
    for way in ({"url": "redis://cache.example.com"}, {"nodes": ["redis://cache.example.com"]}):
        with pytest.raises(EnginePermanent, match="write rediss://"):
            await engine_for(server, **way).open()
