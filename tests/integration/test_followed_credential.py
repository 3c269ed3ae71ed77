"""A credential of a block that becomes another before its lease meets its maximum."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from leasehold.client import Client
from leasehold.client.aio import AsyncClient
from leasehold.client.aio.credential import AsyncHeldCredential
from leasehold.client.credential import HeldCredential
from leasehold.client.term import CredentialLost
from servers.daemon import Daemon, eventually, policy_for
from servers.operator import audited
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

ROLES = """\
  main/swift:
    member_of: [app_readonly]
    default_ttl: 6s
    max_ttl: 8s
    overlap: 5s
  main/hasty:
    member_of: [app_readonly]
    default_ttl: 5s
    max_ttl: 6s
  main/tied:
    member_of: [app_readonly]
    default_ttl: 6s
    max_ttl: 8s
    overlap: 5s
    bind: connection
lease_limits:"""
"""The first is replaced after some 5 s, and lives to its maximum then."""


@pytest.fixture
def served(daemon: Daemon, postgres: PostgresServer) -> Daemon:
    daemon.write_policy(policy_for(postgres).replace("lease_limits:", ROLES))
    return daemon.start()


Login = tuple[str, str]


def login(credential: HeldCredential | AsyncHeldCredential) -> Login:
    fields = credential.fields
    return fields["username"].reveal(), fields["password"].reveal()


class Following:
    """A block's user, who takes over each credential, and acknowledges it when told to."""

    def __init__(self, acts: Callable[[HeldCredential], object] = HeldCredential.acknowledge):
        self.acts = acts
        self.logins: list[Login] = []

    def __call__(self, credential: HeldCredential) -> None:
        self.logins.append(login(credential))
        self.acts(credential)


@pytest.mark.parametrize("role", ["swift", "hasty", "tied"])
def test_both_work_until_the_new_one_is_acknowledged(
    served: Daemon, postgres: PostgresServer, role: str
) -> None:
    both: list[bool] = []

    def go_over(credential: HeldCredential) -> None:
        both.extend(postgres.can_log_in(*each) for each in (first, login(credential)))
        assert credential.grace_s > 0
        credential.acknowledge()
        both.append(first[0] in postgres.accounts())

    following = Following(go_over)
    client = Client(served.socket)
    with client.credential(f"database/creds/{role}", on_replaced=following) as credential:
        first = login(credential)
        eventually(lambda: len(both) >= 3, what="the next credential")
        assert both[:3] == [True, True, False]
        assert login(credential) == following.logins[0] != first
        assert credential.grace_s == 0
    assert postgres.accounts() == []
    told = [line["event"] for line in audited(served)]
    assert ("acknowledged" in told) == (role != "hasty")


async def test_so_it_is_with_asyncio(served: Daemon, postgres: PostgresServer) -> None:
    replaced = asyncio.Event()
    both: list[bool] = []

    async def go_over(credential: AsyncHeldCredential) -> None:
        for each in (first, login(credential)):
            both.append(await asyncio.to_thread(postgres.can_log_in, *each))
        await credential.acknowledge()
        both.append(first[0] in await asyncio.to_thread(postgres.accounts))
        replaced.set()

    client = AsyncClient(served.socket)
    async with (
        asyncio.timeout(20),
        client.credential("database/creds/swift", on_replaced=go_over) as credential,
    ):
        first = login(credential)
        await replaced.wait()
        assert both[:3] == [True, True, False]
        assert login(credential) != first
    assert postgres.accounts() == []


def test_without_a_word_the_old_one_ends_by_itself_and_the_new_one_is_kept_alive(
    served: Daemon, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: HeldCredential) -> None:
        raise RuntimeError("hunter2")

    following = Following(fail)
    client = Client(served.socket)
    with client.credential("database/creds/swift", on_replaced=following) as credential:
        first = login(credential)
        eventually(lambda: first[0] not in postgres.accounts(), what="the end of the old account")
        assert following.logins
        time.sleep(2)
        assert postgres.can_log_in(*login(credential))
    assert postgres.accounts() == []
    assert "on_replaced failed (RuntimeError)" in caplog.text
    assert "hunter2" not in caplog.text


def test_who_cannot_take_another_is_warned_once_and_loses_it_at_the_maximum(
    served: Daemon, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    lost = threading.Event()
    client = Client(served.socket)
    with client.credential("database/creds/hasty", on_lost=lambda _: lost.set()) as credential:
        user, _ = login(credential)
        assert lost.wait(15)
        with pytest.raises(CredentialLost, match="has ended"):
            _ = credential.fields
        assert postgres.accounts() in ([], [user])
    warnings = [line for line in caplog.messages if "is not renewed any further" in line]
    assert len(warnings) == 1


def test_a_daemon_that_is_away_for_a_while_costs_no_more_than_time(
    served: Daemon, postgres: PostgresServer
) -> None:
    following = Following()
    client = Client(served.socket)
    with client.credential("database/creds/swift", on_replaced=following) as credential:
        first = login(credential)
        eventually(lambda: credential.term.step.value == "nothing", what="the last renewal")
        served.kill()
        served.start()
        eventually(lambda: following.logins, what="the next credential")
        assert postgres.can_log_in(*login(credential))
        assert login(credential) != first
    assert postgres.accounts() == []
