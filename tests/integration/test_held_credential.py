"""A credential for the length of a block, sync and asyncio, on a real daemon and PostgreSQL."""

import asyncio
import threading
import time

import pytest

from leasehold.client import Client, IssuedCredential, Unreachable
from leasehold.client.aio import AsyncClient
from leasehold.client.aio.credential import AsyncHeldCredential
from leasehold.client.credential import HeldCredential
from leasehold.client.term import CredentialLost
from leasehold.errors import NotFound
from servers.daemon import Daemon, eventually
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

BRIEF = "database/creds/brief"  # 2 s, renewable up to a minute
READER = "database/creds/reader"


def logs_in(
    postgres: PostgresServer, credential: HeldCredential | AsyncHeldCredential | IssuedCredential
) -> bool:
    fields = credential.fields
    return postgres.can_log_in(fields["username"].reveal(), fields["password"].reveal())


def test_a_credential_outlives_its_first_ttl_and_ends_with_the_block(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    client = Client(daemon.start().socket)
    with client.credential(BRIEF) as credential:
        time.sleep(3)
        assert logs_in(postgres, credential)
        assert 0 < credential.ttl_s <= 2
    assert postgres.accounts() == []


async def test_a_credential_of_asyncio_does_so_too(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    client = AsyncClient(daemon.start().socket)
    async with client.credential(BRIEF) as credential:
        await asyncio.sleep(3)
        assert await asyncio.to_thread(logs_in, postgres, credential)
    assert postgres.accounts() == []


def test_a_credential_that_is_lost_is_told_once_and_at_the_next_use(daemon: Daemon) -> None:
    client = Client(daemon.start().socket)
    told: list[CredentialLost] = []
    with client.credential(BRIEF, on_lost=told.append) as credential:
        client.revoke(credential.lease_id)
        eventually(lambda: told, what="the loss")
        with pytest.raises(CredentialLost, match=f"lease {credential.lease_id} was revoked"):
            _ = credential.fields
        assert credential.ttl_s == 0
        time.sleep(1)
    assert len(told) == 1
    assert told[0].__cause__ is not None


async def test_a_credential_of_asyncio_that_is_lost_is_told_too(daemon: Daemon) -> None:
    client = AsyncClient(daemon.start().socket)
    told: asyncio.Queue[CredentialLost] = asyncio.Queue()
    async with client.credential(BRIEF, on_lost=told.put_nowait) as credential:
        await client.revoke(credential.lease_id)
        await asyncio.wait_for(told.get(), 10)
        with pytest.raises(CredentialLost, match="was revoked"):
            _ = credential.fields


def test_a_daemon_that_is_away_for_a_while_costs_nothing(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    client = Client(daemon.start().socket)
    with client.credential(READER, ttl="10s") as credential:
        daemon.kill()
        eventually(lambda: credential.term.tries > 0, what="a renewal that fails")
        assert 0 < credential.ttl_s <= 6
        daemon.start()
        eventually(lambda: credential.ttl_s > 6, what="the renewal")
        assert logs_in(postgres, credential)
    assert postgres.accounts() == []


def test_a_daemon_that_stays_away_costs_the_credential_when_its_lease_ends(
    daemon: Daemon,
) -> None:
    client = Client(daemon.start().socket)
    told = threading.Event()
    with client.credential(BRIEF, on_lost=lambda _: told.set()) as credential:
        daemon.kill()
        assert credential.fields
        assert told.wait(10)
        with pytest.raises(CredentialLost, match=r"has ended \(.*nobody listens"):
            _ = credential.fields


class Crash(Exception):
    """What a block may end with."""


def test_a_block_that_fails_revokes_and_fails_with_its_own_error(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    client = Client(daemon.start().socket)
    with pytest.raises(Crash), client.credential(READER):
        raise Crash
    assert postgres.accounts() == []


async def test_so_does_a_block_of_asyncio_and_one_that_is_cancelled(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    client = AsyncClient(daemon.start().socket)
    with pytest.raises(Crash):
        async with client.credential(READER):
            raise Crash
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5), client.credential(READER):
            await asyncio.Event().wait()
    eventually(lambda: postgres.accounts() == [], what="the end of both accounts")


async def test_the_verbs_of_asyncio_are_those_of_the_blocking_client(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    client = AsyncClient(daemon.start().socket)
    issued = await client.read(READER, ttl="10m")
    assert issued.ttl_s == 600
    assert (await client.renew(issued.lease_id, "30m")).ttl_s == 1800
    assert (await client.lookup(issued.lease_id))["ttl"] > 1700
    assert await client.revoke(issued.lease_id)
    assert postgres.accounts() == []
    with pytest.raises(NotFound):
        await client.revoke(f"{READER}/never")
    with pytest.raises(Unreachable, match="no such socket"):
        await AsyncClient(daemon.folder / "none.sock").read(READER)
