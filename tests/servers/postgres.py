"""A private PostgreSQL on loopback, for tests, the demo's checks and the bench."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

APT = "apt-get install -y postgresql"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def binaries() -> Path | None:
    """The folder with initdb and postgres: POSTGRES_BIN, else the newest that is installed."""
    if named := os.environ.get("POSTGRES_BIN"):
        return Path(named)
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3])
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class PostgresServer:
    """One cluster in a folder of its own; `admin` is its superuser."""

    admin = "leasehold"

    def __init__(self) -> None:
        found = binaries()
        if found is None:
            raise RuntimeError(f"PostgreSQL is not installed; run: {APT}")
        self._bin = found
        self.password = secrets.token_hex(16)
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="lhpg"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._user: str | None = None
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            self._user = "postgres" if _exists("postgres") else "nobody"
            shutil.chown(self._folder, self._user)
        self._folder.chmod(0o755)
        self._init()

    def _run(self, *command: str) -> None:
        subprocess.run(
            command, check=True, user=self._user, cwd=self._folder, stdout=subprocess.DEVNULL
        )

    def _init(self) -> None:
        secret = self._folder / "pw"
        secret.write_text(self.password)
        secret.chmod(0o644)
        self._run(
            str(self._bin / "initdb"),
            *("-D", str(self._data), "-U", self.admin, "--pwfile", str(secret)),
            *("-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"),
        )
        secret.unlink()

    def start(self) -> "PostgresServer":
        settings = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self._folder}",
            "max_connections=200",
            "shared_buffers=64MB",
            "log_statement=ddl",
        ]
        command = [str(self._bin / "postgres"), "-D", str(self._data)]
        for setting in settings:
            command += ["-c", setting]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, user=self._user, cwd=self._folder, stdout=log, stderr=log
            )
        self._wait()
        return self

    def _wait(self) -> None:
        for _ in range(400):
            try:
                self.connect("postgres").close()
                return
            except psycopg.OperationalError:
                subprocess.run(["sleep", "0.05"], check=True)
        raise RuntimeError(f"PostgreSQL did not start: {self.log()[-2000:]}")

    def speak_tls(self, certificate: Path, key: Path) -> None:
        """Offer TLS as well, with this certificate."""
        for file, name in ((certificate, "server.crt"), (key, "server.key")):
            copy = Path(shutil.copy(file, self._data / name))
            copy.chmod(0o600)
            if self._user is not None:
                shutil.chown(copy, self._user)
        self.execute("ALTER SYSTEM SET ssl = on", "postgres")
        self.execute("SELECT pg_reload_conf()", "postgres")

    @property
    def socket(self) -> Path:
        return self._folder / f".s.PGSQL.{self.port}"

    def trust_its_socket(self) -> None:
        """Ask nobody who comes by the Unix socket for a password."""
        rules = self._data / "pg_hba.conf"
        rules.write_text("local all all trust\n" + rules.read_text())

    def stop(self, how: str = "INT") -> None:
        """Stop it: INT is fast, QUIT is immediate, KILL is a crash."""
        if self._process is None:
            return
        self._process.send_signal(getattr(signal, f"SIG{how}"))
        self._process.wait(20)
        self._process = None

    def send(self, how: signal.Signals) -> None:
        """Send a signal to all of its processes, as SIGSTOP to have it accept and never answer."""
        assert self._process is not None
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for pid in (parent, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):  # a session may have ended since
                os.kill(pid, how)

    def remove(self) -> None:
        self.stop("QUIT")
        shutil.rmtree(self._folder, ignore_errors=True)

    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def connect(
        self, database: str = "app", **other: str
    ) -> psycopg.Connection[tuple[object, ...]]:
        values = {"user": self.admin, "password": self.password, **other}
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, autocommit=True, **values
        )

    def execute(self, sql: str, database: str = "app") -> list[tuple[object, ...]]:
        with self.connect(database) as conn:
            cursor = conn.execute(sql)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def accounts(self, pattern: str = "^lh") -> list[str]:
        rows = self.execute(f"SELECT rolname FROM pg_roles WHERE rolname ~ '{pattern}'", "postgres")
        return [str(name) for (name,) in rows]

    def make_accounts(self, names: Sequence[str]) -> None:
        """Accounts as the daemon makes them but for the password, which would take the time."""
        with self.connect() as conn:
            for start in range(0, len(names), 1000):
                some = names[start : start + 1000]
                statements = "; ".join(
                    f'CREATE ROLE "{name}" LOGIN IN ROLE app_readonly;'
                    f" COMMENT ON ROLE \"{name}\" IS 'made by a test'"
                    for name in some
                )
                conn.execute(statements)  # type: ignore[call-overload]

    def can_log_in(self, user: str, password: str, database: str = "app") -> bool:
        try:
            self.connect(database, user=user, password=password).close()
        except psycopg.OperationalError:
            return False
        return True

    def reset(self) -> None:
        """The database `app` with a table, and group roles; no account of ours."""
        with self.connect("postgres") as conn:
            rows = conn.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'lh%'").fetchall()
            if not conn.execute("SELECT FROM pg_database WHERE datname = 'app'").fetchall():
                conn.execute("CREATE DATABASE app")
                conn.execute("CREATE DATABASE other")
                conn.execute("CREATE ROLE app_readonly NOLOGIN")
                conn.execute("GRANT CREATE ON DATABASE app TO app_readonly")
        with self.connect("app") as conn:
            conn.execute("CREATE TABLE IF NOT EXISTS items (id int, name text)")
            conn.execute("GRANT SELECT ON items TO app_readonly")
            for (name,) in rows:
                conn.execute(f'DROP OWNED BY "{name}"')
                conn.execute(f'DROP ROLE "{name}"')


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    if os.environ.get("LEASEHOLD_TESTS_SKIP_SERVERS"):
        pytest.skip("LEASEHOLD_TESTS_SKIP_SERVERS is set: no PostgreSQL")
    server = PostgresServer()
    try:
        server.start().reset()
        yield server
    finally:
        server.remove()
