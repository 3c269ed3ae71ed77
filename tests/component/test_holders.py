"""What a lease is bound to is known again, and never taken for something else."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.lines import connected, running
from fakes.policy import HOLDER, a_bundle, roles_with
from fakes.world import World
from leasehold.bundle import Bind, Bundle
from leasehold.errors import EngineError, Invalid
from leasehold.holding import IDLE_S
from leasehold.identity.holder import HolderGone, holder_of, watch
from leasehold.identity.peercred import attest
from leasehold.identity.process import Untold
from leasehold.model import Caller, LeaseState

NAMED = "import ctypes, socket, sys; ctypes.CDLL(None).prctl(15, b'a) R 1 (b');"
KNOCK = NAMED + "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); sys.stdin.read()"


@contextmanager
def somebody(folder: Path) -> Iterator[tuple[Caller, subprocess.Popen[bytes]]]:
    """A process, with a name that is hard to read, that has connected."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s.sock"))
        listening.listen()
        listening.settimeout(20)
        command = [sys.executable, "-c", KNOCK, str(folder / "s.sock")]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
            sock, _ = listening.accept()
            with closing(sock):
                yield attest(sock), child
                child.kill()


def test_a_process_is_watched_by_what_is_written_of_it(tmp_path: Path) -> None:
    with somebody(tmp_path) as (caller, child):
        holder = holder_of(Bind.PROCESS, caller)
        assert holder.startswith(f"process:{child.pid}:")
        watching = watch(holder)
        assert not watching.has_ended()
        child.kill()
        child.wait()
        assert watching.has_ended()
        os.close(watching.descriptor)
        with pytest.raises(HolderGone):
            watch(holder)
        with pytest.raises(Untold, match="gone"):
            holder_of(Bind.PROCESS, caller)


@pytest.mark.parametrize("part", ["started", "boot"])
def test_another_process_with_the_same_pid_is_not_the_holder(tmp_path: Path, part: str) -> None:
    with somebody(tmp_path) as (caller, _):
        name, pid, started, boot = holder_of(Bind.PROCESS, caller).split(":")
        if part == "started":
            reused = f"{name}:{pid}:{int(started) - 1}:{boot}"
        else:
            reused = f"{name}:{pid}:{started}:{boot[::-1]}"
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(HolderGone):
            watch(reused)
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_unit_that_is_no_more_is_gone() -> None:
    with pytest.raises(HolderGone):
        watch("unit:/none.slice/none.service:1:0")


@pytest.mark.parametrize("bind", [Bind.PROCESS, Bind.UNIT])
def test_who_has_no_connection_on_this_host_is_bound_to_nothing(bind: Bind) -> None:
    for caller in (replace(HOLDER, token="t"), HOLDER):
        with pytest.raises(Untold, match="on the Unix socket, without a token"):
            holder_of(bind, caller)


@on_virtual_time
async def test_a_process_that_ends_before_its_lease_is_written_does_not_keep_it(
    tmp_path: Path,
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        with somebody(tmp_path) as (peer, child):
            caller = replace(peer, uid=HOLDER.uid)
            holder = world.holding.holder_of(Bind.PROCESS, caller)
            running = asyncio.create_task(world.holding.run())
            with world.holding.bound(holder):
                child.kill()
                child.wait()
                await asyncio.sleep(5)
                order, _ = await world.issuance._order(
                    HOLDER, "database/creds/reader", *await decided(world), None, {}
                )
                made = await world.creation.make(replace(order, holder=holder))
            await asyncio.sleep(5)
            running.cancel()
            await world.sweep()
            ended = await world.store.get(made.lease.id)
            assert ended.state is LeaseState.REVOKED
            assert ended.cause == "holder-ended"
            with pytest.raises(Invalid, match="has ended"), world.holding.bound(holder):
                pass


def of_connections() -> Bundle:
    return a_bundle(roles=roles_with("reader", bind=Bind.CONNECTION))


@on_virtual_time
async def test_a_lease_ends_with_its_connection_and_that_of_another_does_not(
    tmp_path: Path,
) -> None:
    async with World(tmp_path, virtual_clock(), of_connections()) as world:
        with running(world):
            gone, stays = connected("a"), connected("b")
            ended, lives = [await world.issue(caller=each) for each in (gone, stays)]
            assert gone.line.holds
            gone.line.ended()
            await asyncio.sleep(0.1)
            await world.sweep()
            lease = await world.lease(ended.lease.id)
            assert (lease.state, lease.cause) == (LeaseState.REVOKED, "holder-ended")
            assert (await world.lease(lives.lease.id)).state is LeaseState.ACTIVE


@on_virtual_time
async def test_a_connection_that_fails_to_get_a_lease_holds_nothing_and_may_try_again(
    tmp_path: Path,
) -> None:
    async with World(tmp_path, virtual_clock(), of_connections()) as world:
        with running(world):
            caller = connected("a")
            world.target.fail("issue", Fault.REFUSED)
            with pytest.raises(EngineError):
                await world.issue(caller=caller)
            assert not caller.line.holds
            issued = await world.issue(caller=caller)
            await asyncio.sleep(5)
            assert (await world.lease(issued.lease.id)).state is LeaseState.ACTIVE


@on_virtual_time
async def test_a_connection_is_let_go_when_nothing_of_it_lives_any_more(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock(), of_connections()) as world:
        with running(world):
            done, stays = connected("a"), connected("b")
            over, _ = [await world.issue(caller=each) for each in (done, stays)]
            await world.issuance.revoke(HOLDER, over.lease.id)
            await asyncio.sleep(2 * IDLE_S)
            assert (done.line.is_let_go, stays.line.is_let_go) == (True, False)


@on_virtual_time
async def test_what_connections_of_another_daemon_held_ends_at_the_start(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock(), of_connections()) as world:
        issued = await world.issue(caller=connected("a"))
        await world.crash()
        await world.start()
        await world.holding.take_up()
        with running(world):
            await asyncio.sleep(0.1)
            await world.sweep()
            lease = await world.lease(issued.lease.id)
            assert (lease.state, lease.cause) == (LeaseState.REVOKED, "holder-ended")


async def decided(world: World) -> tuple:
    path = "database/creds/reader"
    decision = await world.access.require(HOLDER, path, "issue")
    return decision, world.access.grounds(HOLDER, path, "issue", decision.rule)
