"""A private PgBouncer on loopback, in front of a private PostgreSQL, as the documents set it up."""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from servers.postgres import PostgresServer, free_port

APT = "apt-get install -y pgbouncer"
START_S = 10.0
WAIT_S = 2
KEEPER = "pgbouncer"
LOOKUP = """
CREATE FUNCTION public.pgbouncer_lookup(name text, OUT usename text, OUT passwd text)
RETURNS record LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS
$$SELECT rolname, rolpassword FROM pg_authid WHERE rolname = name AND rolcanlogin
  AND (rolvaliduntil IS NULL OR rolvaliduntil > now())$$;
REVOKE ALL ON FUNCTION public.pgbouncer_lookup(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.pgbouncer_lookup(text) TO pgbouncer;
"""
CONFIG = """\
[databases]
app = host=127.0.0.1 port={target} dbname=app auth_user=pgbouncer

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
auth_query = SELECT usename, passwd FROM public.pgbouncer_lookup($1)
pool_mode = transaction
server_idle_timeout = 60
query_wait_timeout = {wait_s}
"""


class PgBouncer:
    """Asks the server who may log in, for each client that comes."""

    def __init__(self, postgres: PostgresServer) -> None:
        path = os.environ.get("PATH", "") + ":/usr/sbin"
        found = shutil.which("pgbouncer", path=path)
        if found is None:
            raise RuntimeError(f"PgBouncer is not installed; run: {APT}")
        self._binary = found
        self._postgres = postgres
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="lhpb"))
        self._process: subprocess.Popen[bytes] | None = None
        # It refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None

    def start(self) -> "PgBouncer":
        password = secrets.token_hex(16)
        self._postgres.execute(f"CREATE ROLE {KEEPER} LOGIN PASSWORD '{password}'")
        self._postgres.execute(LOOKUP)
        users, config = self._folder / "users.txt", self._folder / "pgbouncer.ini"
        users.write_text(f'"{KEEPER}" "{password}"\n')
        config.write_text(
            CONFIG.format(target=self._postgres.port, port=self.port, users=users, wait_s=WAIT_S)
        )
        for each in (self._folder, users, config):
            if self._user is not None:
                shutil.chown(each, self._user)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, str(config)], user=self._user, stdout=log, stderr=log
            )
        self._wait()
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while b"process up" not in (self._folder / "log").read_bytes():
            if time.monotonic() > deadline:
                raise RuntimeError(f"PgBouncer did not start: {self.log()[-2000:]}")
            time.sleep(0.05)

    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def connect(self, user: str, password: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname="app",
            user=user,
            password=password,
            autocommit=True,
            sslmode="disable",
        )

    def can_log_in(self, user: str, password: str) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.connect(user, password).close()
            return True
        return False

    def remove(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
        shutil.rmtree(self._folder)
        self._postgres.execute("DROP FUNCTION public.pgbouncer_lookup")
        self._postgres.execute(f"DROP ROLE {KEEPER}")


@pytest.fixture
def pgbouncer(postgres: PostgresServer) -> Iterator[PgBouncer]:
    postgres.reset()
    pooler = PgBouncer(postgres)
    try:
        yield pooler.start()
    finally:
        pooler.remove()
