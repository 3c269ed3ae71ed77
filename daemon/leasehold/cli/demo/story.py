"""What the demo does and tells, in order. Each step proves what it says, or the demo fails."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import aiomqtt
import click
import psycopg

from leasehold.cli.demo import servers
from leasehold.cli.demo.events import Subscriber
from leasehold.cli.demo.telling import Teller
from leasehold.cli.output import span
from leasehold.client import Client, IssuedCredential, Unreachable
from leasehold.errors import LeaseholdError
from leasehold.secret import Secret

PATH = "database/creds/app-readonly"
EVENT_S = 15.0
"""How long after it is due an event may come; the daemon takes far less."""
LONGEST_S = 20
_OURS = ("LEASEHOLD_", "NOTIFY_SOCKET", "LISTEN_")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_QUERY = "SELECT count(*), sum(pieces), current_user FROM orders"

Answer = TypeVar("Answer")


class InvalidPolicy(LeaseholdError):
    """The policy to show was refused; its problems were printed."""

    code = "policy"


@dataclass(frozen=True, slots=True)
class _Stage:
    """All that runs while the story is told."""

    tell: Teller
    folder: Path
    socket: Path
    database: servers.Postgres
    broker_port: int
    client: Client
    events: Subscriber


def run(policies: Path, tell: Teller, *, keep: bool) -> None:
    """Tell the story with the bundle at `policies`; with `keep` stay up at its end until Ctrl-C.

    Nothing is left behind, also after Ctrl-C or an error. Raises LeaseholdError when a step does
    not show what it should.
    """
    logging.getLogger("leasehold.demo").addHandler(logging.NullHandler())
    tell.plain("leasehold demo: one lease, from issue to expiry, on servers of its own\n")
    try:
        asyncio.run(_interruptible(policies.absolute(), tell, keep=keep))
    except asyncio.CancelledError:
        tell.line("stopped; nothing is left running")
        raise click.exceptions.Exit(0 if keep else 1) from None
    except (ExceptionGroup, TimeoutError, psycopg.Error, aiomqtt.MqttError) as trouble:
        raise _explained(trouble) from trouble


def _explained(trouble: Exception) -> Exception:
    """What to tell of a failure; a defect stays as it is."""
    while isinstance(trouble, ExceptionGroup):
        trouble = trouble.exceptions[0]  # the story or the subscriber; it stopped the other
    if isinstance(trouble, TimeoutError):
        return LeaseholdError("the demo waited for something that did not come")
    if isinstance(trouble, psycopg.Error):
        return LeaseholdError(f"PostgreSQL did not do its part: {trouble}")
    if isinstance(trouble, aiomqtt.MqttError):
        return LeaseholdError(f"the MQTT broker did not do its part: {trouble}")
    return trouble


async def _interruptible(policies: Path, tell: Teller, *, keep: bool) -> None:
    story = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # Once only: a second Ctrl-C must not cut the cleaning short.
        if story is not None and not story.cancelling():
            story.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    with _temporary() as folder:
        await _tell(folder, policies, tell, keep=keep)


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="leasehold-demo-"))
    try:
        folder.chmod(0o711)  # PostgreSQL may run as another user, and must reach its part
        yield folder
    finally:
        shutil.rmtree(folder)


async def _tell(folder: Path, policies: Path, tell: Teller, *, keep: bool) -> None:
    tell.step(1, "Start a PostgreSQL and an MQTT broker, private to this demo")
    async with (
        servers.postgres(folder / "postgres") as database,
        servers.broker(folder / "broker") as broker_port,
    ):
        tell.line(
            f"PostgreSQL {database.version} on 127.0.0.1:{database.port}, password logins only"
        )
        tell.line(f"MQTT broker on 127.0.0.1:{broker_port}; events are shown as they come")
        tell.step(2, "Check the policy, then start the daemon, which applies it")
        bundle = _private_copy(policies, folder / "policies")
        await _validate(bundle, policies, tell)
        socket = folder / "run" / "leasehold.sock"
        client = Client(socket, timeout_s=20)
        events = Subscriber(broker_port, tell.event)
        stage = _Stage(tell, folder, socket, database, broker_port, client, events)
        async with asyncio.TaskGroup() as group, _daemon(stage, bundle):
            listening = group.create_task(events.run(), name="demo subscriber")
            async with asyncio.timeout(EVENT_S):
                await events.ready.wait()
            await _lease(stage)
            if keep:
                await _stay_up(stage)
            listening.cancel()
        tell.step(9, "Clean up")
    tell.line("the daemon, PostgreSQL and the broker have ended, their files are removed")


async def _lease(stage: _Stage) -> None:
    tell = stage.tell
    tell.step(3, "Ask for a credential over the Unix socket")
    tell.command(f"leasehold read {PATH}")
    issued = await _ask(lambda: stage.client.read(PATH))
    username, password = issued.fields["username"].reveal(), issued.fields["password"]
    tell.line(f"lease_id  {issued.lease_id}")
    tell.line(f"username  {username}")
    tell.line("password  (given, not shown)")
    tell.line(f"ends in   {span(issued.ttl_s)}")
    if issued.ttl_s > LONGEST_S:
        raise LeaseholdError(
            f"the demo waits {LONGEST_S} s at most; shorten the role's default_ttl"
        )
    await stage.events.hear("issued", issued.lease_id, EVENT_S)

    tell.step(4, "Log in to PostgreSQL with it and run a query")
    tell.line(await _query(stage.database, username, password))

    tell.step(5, "Renew the lease")
    await asyncio.sleep(issued.ttl_s / 4)  # or the renewal would move nothing
    tell.command(f"leasehold renew {issued.lease_id}")
    renewed = await _ask(lambda: stage.client.renew(issued.lease_id))
    tell.line(f"ends in   {span(renewed.ttl_s)}, counted from now")
    await stage.events.hear("renewed", issued.lease_id, EVENT_S)

    tell.step(6, "Do nothing, and let the lease end")
    await stage.events.hear("expired", issued.lease_id, renewed.ttl_s + EVENT_S)

    tell.step(7, "Log in again with the same password")
    tell.line(await _refusal(stage.database, username, password))

    tell.step(8, "Ask the server itself what is left")
    await _gone(stage, issued, username)


async def _ask(call: Callable[[], Answer]) -> Answer:
    """The client blocks, so it is called beside the loop."""
    return await asyncio.to_thread(call)


async def _query(database: servers.Postgres, username: str, password: Secret) -> str:
    async with await database.connect(username, password) as connection:
        row = await (await connection.execute(_QUERY)).fetchone()
    if row is None:
        raise LeaseholdError("the query with the new credential gave nothing")
    return f"{row[2]} counts {row[0]} orders of {row[1]} pieces"


async def _refusal(database: servers.Postgres, username: str, password: Secret) -> str:
    try:
        connection = await database.connect(username, password)
    except psycopg.OperationalError as refused:
        _, answered, reason = str(refused).rpartition("FATAL:")
        if not answered:  # the server is away: that proves nothing
            raise
        return f"refused: {reason.strip()}"
    await connection.close()
    raise LeaseholdError("the credential still logs in after its lease ended")


async def _gone(stage: _Stage, issued: IssuedCredential, username: str) -> None:
    count = "SELECT count(*) FROM pg_roles WHERE rolname = %s"
    async with await stage.database.as_admin() as connection:
        row = await (await connection.execute(count, (username,))).fetchone()
    if row != (0,):
        raise LeaseholdError(f"account {username} still stands after its lease ended")
    stage.tell.line(f"accounts named {username}: 0")
    leases = await _ask(lambda: list(stage.client.leases(issued.lease_id)))
    for lease in leases:
        stage.tell.line(f"the record stays: {lease['state']}, cause {lease['cause']}")


async def _stay_up(stage: _Stage) -> None:
    program = sys.argv[0] if Path(sys.argv[0]).name == "leasehold" else "leasehold"
    login = f"host=127.0.0.1 port={stage.database.port} dbname={servers.DATABASE} user=USERNAME"
    stage.tell.plain("\nEverything stays up until Ctrl-C. Try, in another terminal:\n")
    for line in (
        f"export LEASEHOLD_SOCKET={stage.socket}",
        f"{program} read {PATH} --ttl 1m",
        f"{program} status; {program} leases; {program} engines",
        f'curl --unix-socket "$LEASEHOLD_SOCKET" http://localhost/v1/{PATH}',
        f'psql "{login}"',
        f"mosquitto_sub -h 127.0.0.1 -p {stage.broker_port} -t 'leasehold/#' -v",
    ):
        stage.tell.line(line)
    stage.tell.plain("")
    await asyncio.Event().wait()


async def _validate(bundle: Path, shown: Path, tell: Teller) -> None:
    tell.command(f"leasehold validate {_short(shown)}")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "leasehold", "validate", bundle.name),
        cwd=bundle.parent,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(servers.START_S):
        output, _ = await process.communicate()
    for line in output.decode().splitlines():
        tell.line(line)
    if process.returncode:
        raise InvalidPolicy(f"{_short(shown)}: the demo cannot serve this policy")


@contextlib.asynccontextmanager
async def _daemon(stage: _Stage, bundle: Path) -> AsyncIterator[None]:
    run, state, log = stage.socket.parent, stage.folder / "state", stage.folder / "daemon.log"
    for directory in (run, state):
        directory.mkdir(mode=0o700)
    env = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
    env["LEASEHOLD_DEMO_URL"] = stage.database.url
    env["LEASEHOLD_DEMO_PASSWORD"] = stage.database.password.reveal()
    command = [sys.executable, "-m", "leasehold", "serve"]
    command += ["--policies", str(bundle), "--state-dir", str(state), "--socket", str(stage.socket)]
    command += ["--mqtt", f"mqtt://127.0.0.1:{stage.broker_port}", "--deployment", "demo"]
    command += ["--allow-user-namespace"]  # in a container: whoever calls here is you
    stage.tell.command("leasehold serve --policies … --state-dir … --socket … --mqtt …")
    async with servers.child(command, log, env=env) as process:
        async with asyncio.timeout(servers.START_S):
            while True:
                if process.returncode is not None:
                    raise servers.ended(process, "the daemon", log)
                try:
                    status = await _ask(stage.client.status)
                    break
                except Unreachable:
                    await asyncio.sleep(0.05)
        digest = status["policy_digest"][:12]
        stage.tell.line(f"generation {status['generation']} is served (policy {digest})")
        yield


def _private_copy(policies: Path, copy: Path) -> Path:
    """The daemon refuses a policy that others may write, as files in a checkout often are."""
    copy.mkdir(mode=0o700)
    root = policies if policies.is_dir() else policies.parent
    files = policies.rglob("*.y*ml") if policies.is_dir() else [policies]
    for file in sorted(files):
        target = copy / file.relative_to(root)
        if target.relative_to(copy).parts[0] == "bad":
            continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(file.read_bytes())
    return copy


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
