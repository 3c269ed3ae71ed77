"""What is measured: a private PostgreSQL, a daemon on it, and a worker for each side.

Everything runs on one machine with PostgreSQL's own defaults for what costs time (fsync on, no
statement logged). Ours and bare take turns, so that what disturbs the machine disturbs both.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.rows import Written, write_leases
from bench.worker import Worker
from servers.daemon import Daemon, policy_for
from servers.postgres import PostgresServer

ISSUE = ("GET", "/v1/database/creds/reader", None)
POOL = 12
"""Connections that the daemon keeps for issuing, by default; bare psycopg gets as many."""
MARK = "lh"
DAY_S = 86_400


class World:
    """One PostgreSQL and its daemon, with room for many state directories beside each other."""

    def __init__(self, folder: Path, postgres: PostgresServer) -> None:
        self.folder = folder
        self.postgres = postgres
        self._filled: dict[int, tuple[Daemon, Written]] = {}
        self.bare = Worker(
            "bench.bare",
            conninfo=f"host=127.0.0.1 port={postgres.port} dbname=app"
            f" user={postgres.admin} password={postgres.password}",
            pool=POOL,
        )

    def daemon(self, name: str) -> Daemon:
        """A daemon of its own state directory, not started."""
        env = {"TEST_PG_PASSWORD": self.postgres.password}
        return Daemon(self.folder / name, env, policy=policy_for(self.postgres))

    @contextmanager
    def serving(self, name: str) -> Iterator[tuple[Daemon, Worker]]:
        """A daemon that runs, with its callers."""
        daemon = self.daemon(name).start()
        callers = Worker("bench.callers", socket=str(daemon.socket))
        try:
            yield daemon, callers
        finally:
            callers.close()
            daemon.stop()

    def template(self, name: str) -> str:
        """Have a daemon make one lease and stop; its account is taken away behind its back."""
        daemon = self.daemon(name).start()
        try:
            return str(daemon.request(*ISSUE).json["lease_id"])
        finally:
            daemon.stop()
            self.clear()

    def filled(self, count: int) -> tuple[Daemon, Written]:
        """A stopped daemon with so many live leases in its store, made once."""
        if count not in self._filled:
            daemon = self.daemon(f"filled-{count}")
            written = Written((), (), 0)
            if count:
                like = self.template(daemon.folder.name)
                written = write_leases(daemon.state, like, count, DAY_S)
            self._filled[count] = daemon, written
        return self._filled[count]

    def use_revoking_pool(self, daemon: Daemon) -> None:
        """Have the daemon revoke something, so that it is connected for that as bare is."""
        lease = {"lease_id": daemon.request(*ISSUE).json["lease_id"]}
        daemon.request("PUT", "/v1/sys/leases/revoke", lease)

    def wait_for_ledger(self, daemon: Daemon, ended: int) -> None:
        """Return when so many leases are tombstones."""
        while daemon.request("GET", "/v1/leasehold/status").data["leases"]["revoked"] < ended:
            time.sleep(0.05)

    def clear(self) -> None:
        """Take away every account, and what their coming and going left in the catalogs."""
        names = self.postgres.accounts(f"^{MARK}")
        with self.postgres.connect() as conn:
            for start in range(0, len(names), 1000):
                some = ", ".join(f'"{name}"' for name in names[start : start + 1000])
                conn.execute(f"DROP ROLE {some}")
            for table in ("pg_authid", "pg_auth_members", "pg_shdescription", "pg_shdepend"):
                conn.execute(f"VACUUM {table}")


@contextmanager
def world() -> Iterator[World]:
    """A world, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="lhbench-"))
    postgres = PostgresServer()
    made: World | None = None
    try:
        postgres.start().reset()
        postgres.execute(f"ALTER ROLE {postgres.admin} SET log_statement = 'none'")
        made = World(folder, postgres)
        yield made
    finally:
        if made is not None:
            made.bare.close()
        postgres.remove()
        shutil.rmtree(folder)
