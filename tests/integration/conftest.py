"""A daemon over a real PostgreSQL, not started yet."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.daemon import Daemon, policy_for
from servers.postgres import PostgresServer

KEEPER = "keeper"


@pytest.fixture
def daemon(postgres: PostgresServer, tmp_path: Path) -> Iterator[Daemon]:
    postgres.reset()
    made = Daemon(
        tmp_path / "d", {"TEST_PG_PASSWORD": postgres.password}, policy=policy_for(postgres)
    )
    yield made
    made.stop()


@pytest.fixture
def public_daemon(postgres: PostgresServer) -> Iterator[Daemon]:
    """A daemon whose socket other users can reach."""
    postgres.reset()
    folder = Path(tempfile.mkdtemp(prefix="leasehold-"))
    made = Daemon(
        folder,
        {"TEST_PG_PASSWORD": postgres.password},
        policy=policy_for(postgres),
        flags=("--socket-mode", "0666"),
    )
    for directory in (folder, made.socket.parent):
        directory.chmod(0o755)
    yield made
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture
def keeper(daemon: Daemon, postgres: PostgresServer) -> Iterator[str]:
    """An administrator of least rights, who is who the daemon logs in as."""
    postgres.execute(
        f"CREATE ROLE {KEEPER} LOGIN CREATEROLE PASSWORD '{postgres.password}';"
        f" GRANT pg_signal_backend TO {KEEPER};"
        f" GRANT app_readonly TO {KEEPER} WITH ADMIN OPTION"
    )
    admin = f'username: "{postgres.admin}"'
    daemon.write_policy(policy_for(postgres).replace(admin, f'username: "{KEEPER}"'))
    yield KEEPER
    daemon.stop()
    for name in postgres.accounts():
        postgres.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')
    postgres.execute(f"DROP ROLE {KEEPER}")
