"""The Unix socket as it is served: whoever connects, others are let in, and what is counted."""

import asyncio
import os
import re
from pathlib import Path

from fakes.front import NoTokens, real_clock
from fakes.policy import a_bundle
from leasehold.api.dispatch import Dispatcher
from leasehold.api.handlers import Ask
from leasehold.api.listening import ListeningSocket, SocketSpec
from leasehold.api.replies import Reply
from leasehold.api.routes import Route
from leasehold.api.server import ApiServer
from leasehold.api.state import StateHandlers
from leasehold.bundle import Identity, UnixMatch
from leasehold.events.metrics import Metrics
from leasehold.identity.attestation import Attestation
from leasehold.identity.hashing import Hashes
from leasehold.model import Caller

NARROW = UnixMatch(uid=os.getuid(), process=(("exe", "/none"),))


async def first_bytes(socket: Path, path: str = "/v1/none") -> bytes:
    """What a request is answered with, in short; nothing when the daemon hangs up."""
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return await reader.read(12)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_caller_who_cannot_be_looked_at_keeps_nobody_else_out(tmp_path: Path) -> None:
    class Broken(Attestation):
        async def narrowed(self, caller: Caller) -> Caller:
            if broken.pop():
                raise RuntimeError("a defect")
            return await super().narrowed(caller)

    broken = [False, True]
    me = Identity(name="me", owner="o", tenant="t", match=(NARROW,))
    bundle = a_bundle(identities={"me": me})
    listening = ListeningSocket(SocketSpec(tmp_path / "api.sock", 0o600))
    attestation = Broken(lambda: bundle, Hashes(real_clock()))
    api = ApiServer(listening, Dispatcher([], Metrics(), None), None, attestation)
    async with asyncio.TaskGroup() as group:
        accepting = group.create_task(api.accept())
        for answer in (b"", b"HTTP/1.1 404"):
            assert await first_bytes(tmp_path / "api.sock") == answer
            assert not accepting.done()
        await api.close(0)
        accepting.cancel()


async def test_no_label_of_the_metrics_holds_a_status_that_a_caller_chose(tmp_path: Path) -> None:
    metrics, clock = Metrics(), real_clock()
    health = Route(
        "sys/health", frozenset({"GET"}), re.compile("/v1/sys/health"), StateHandlers(clock).health
    )
    listening = ListeningSocket(SocketSpec(tmp_path / "api.sock", 0o600))
    attestation = Attestation(a_bundle, Hashes(clock))
    api = ApiServer(listening, Dispatcher([health], metrics, None), None, attestation)
    async with asyncio.TaskGroup() as group:
        accepting = group.create_task(api.accept())
        path = "/v1/sys/health?activecode=599"
        assert await first_bytes(tmp_path / "api.sock", path) == b"HTTP/1.1 599"
        await api.close(0)
        accepting.cancel()
    told = metrics.exposition([]).decode()
    assert 'route="sys/health",status="200"' in told
    assert 'status="599"' not in told


async def test_nothing_is_begun_and_nothing_answered_before_what_is_due_is_ended(
    tmp_path: Path,
) -> None:
    ended, begun, may_answer = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(ask: Ask) -> Reply:
        begun.set()
        await may_answer.wait()
        return Reply(body={}, enveloped=False)

    route = Route("slow", frozenset({"GET"}), re.compile("/v1/slow"), slow)
    dispatcher = Dispatcher([route], Metrics(), NoTokens(), lambda: wait_for(ended))
    listening = ListeningSocket(SocketSpec(tmp_path / "api.sock", 0o600))
    attestation = Attestation(a_bundle, Hashes(real_clock()))
    api = ApiServer(listening, dispatcher, None, attestation)
    async with asyncio.TaskGroup() as group:
        accepting = group.create_task(api.accept())
        asking = group.create_task(first_bytes(tmp_path / "api.sock", "/v1/slow"))
        await asyncio.sleep(0.2)
        assert not begun.is_set()
        ended.set()
        await begun.wait()
        ended.clear()  # another pause, while it is served
        may_answer.set()
        await asyncio.sleep(0.2)
        assert not asking.done()
        ended.set()
        assert await asking == b"HTTP/1.1 200"
        await api.close(0)
        accepting.cancel()


async def wait_for(event: asyncio.Event) -> None:
    await event.wait()
