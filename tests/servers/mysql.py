"""A private MariaDB on loopback, or the MySQL that `LEASEHOLD_TEST_MYSQL_URL` names.

A server that is given is written `mysql://root:password@127.0.0.1:3306`. The tests make and drop
the databases `app` and `other` in it, and accounts whose names begin with lh or test; give them
one that holds nothing of value.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
import pytest

from servers.certificates import self_signed
from servers.postgres import free_port

APT = "apt-get install -y --no-install-recommends mariadb-server"
GIVEN = "LEASEHOLD_TEST_MYSQL_URL"
START_S = 30.0
FRESH = [
    "CREATE DATABASE IF NOT EXISTS app",
    "CREATE DATABASE IF NOT EXISTS other",
    "CREATE TABLE IF NOT EXISTS app.items (id int, name text)",
    "CREATE ROLE IF NOT EXISTS app_readonly, app_writer",
    "GRANT SELECT ON app.* TO app_readonly",
    "GRANT ALL ON app.* TO app_writer",
]


class MysqlServer:
    """A server, and an administrator of it who may do everything."""

    def __init__(self, port: int, admin: str, password: str) -> None:
        self.port = port
        self.admin = admin
        self.password = password

    @property
    def url(self) -> str:
        return f"mysql://127.0.0.1:{self.port}/app"

    @property
    def is_mariadb(self) -> bool:
        [(version,)] = self.execute("SELECT VERSION()")
        return "mariadb" in str(version).lower()

    def connect(self, database: str | None = None, **other: Any) -> Any:
        values = {"user": self.admin, "password": self.password, **other}
        return pymysql.connect(
            host="127.0.0.1", port=self.port, database=database, autocommit=True, **values
        )

    def execute(self, *statements: str, database: str | None = None) -> Sequence[tuple[Any, ...]]:
        """Run these, and return the rows of the last."""
        rows: Sequence[tuple[Any, ...]] = ()
        with self.connect(database) as conn, conn.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = cursor.fetchall()
        return rows

    def accounts(self, pattern: str = "^lh") -> list[str]:
        query = f"SELECT DISTINCT user FROM mysql.user WHERE user REGEXP '{pattern}'"
        return [str(name) for (name,) in self.execute(query)]

    def can_log_in(self, user: str, password: str) -> bool:
        try:
            self.connect(user=user, password=password).close()
        except pymysql.OperationalError:
            return False
        return True

    def reset(self) -> None:
        """The databases with a table, and roles that accounts are granted; no account of ours."""
        self.execute(*FRESH)
        query = "SELECT user, host FROM mysql.user WHERE user REGEXP '^(lh|test)'"
        for name, host in self.execute(query):
            self.execute(f"DROP USER '{name}'@'{host}'")


class PrivateMariadb(MysqlServer):
    """One server in a folder of its own. `authority` is the file that vouches for its TLS."""

    def __init__(self, *settings: str) -> None:
        super().__init__(free_port(), "leasehold", secrets.token_hex(16))
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="lhmy"))
        self._user = "mysql" if os.geteuid() == 0 else None
        self.authority, self._key = self_signed(self._folder, "localhost")
        try:
            self._install()
        except BaseException:
            self.remove()
            raise

    def _install(self) -> None:
        install, self._server = shutil.which("mariadb-install-db"), _found("mariadbd")
        if install is None or self._server is None:
            raise RuntimeError(f"MariaDB is not installed; run: {APT}")
        (self._folder / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS leasehold@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
            "GRANT ALL ON *.* TO leasehold@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        self._folder.chmod(0o755)
        if self._user is not None:
            for file in (self._folder, self._folder / "init.sql", self._key, self.authority):
                shutil.chown(file, self._user, pwd.getpwnam(self._user).pw_gid)
        subprocess.run(
            [
                *(install, "--no-defaults", f"--datadir={self._folder}/data"),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
                *("--skip-name-resolve", *([f"--user={self._user}"] if self._user else [])),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start(self) -> "PrivateMariadb":
        assert self._server is not None
        command = [
            *(self._server, "--no-defaults", f"--datadir={self._folder}/data"),
            *("--bind-address=127.0.0.1", f"--port={self.port}", f"--socket={self.socket}"),
            *(f"--pid-file={self._folder}/pid", f"--init-file={self._folder}/init.sql"),
            *(f"--ssl-cert={self.authority}", f"--ssl-key={self._key}"),
            *("--skip-name-resolve", "--skip-log-bin", "--performance-schema=OFF"),
            *("--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0"),
            *("--general-log", f"--general-log-file={self._folder}/general.log"),
            *([f"--user={self._user}"] if self._user else []),
            *self._settings,
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                self.connect().close()
            except pymysql.OperationalError:
                time.sleep(0.05)
            else:
                return self
        raise RuntimeError(f"MariaDB did not start: {(self._folder / 'log').read_text()[-2000:]}")

    @property
    def socket(self) -> Path:
        return self._folder / "socket"

    def log(self) -> str:
        """Every statement that the server was sent."""
        return (self._folder / "general.log").read_text(errors="replace")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def remove(self) -> None:
        self.stop(signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)


def _found(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


def given() -> MysqlServer | None:
    if GIVEN not in os.environ:
        return None
    parts = urlsplit(os.environ[GIVEN])
    return MysqlServer(
        parts.port or 3306, unquote(parts.username or "root"), unquote(parts.password or "")
    )


@pytest.fixture(scope="session")
def mariadb() -> Iterator[PrivateMariadb]:
    """The private one, for what needs its log, its socket, or an end of it."""
    if os.environ.get("LEASEHOLD_TESTS_SKIP_SERVERS"):
        pytest.skip("LEASEHOLD_TESTS_SKIP_SERVERS is set: no MariaDB")
    server = PrivateMariadb()
    try:
        server.start().reset()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def mysql(request: pytest.FixtureRequest) -> MysqlServer:
    """The server that is given, else the private one."""
    server = given()
    if server is None:
        found: MysqlServer = request.getfixturevalue("mariadb")
        return found
    server.reset()
    return server
