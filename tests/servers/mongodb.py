"""A MongoDB for tests: FerretDB, built once by Go where Go is, or the server that is given.

`LEASEHOLD_TEST_MONGODB_URL=mongodb://root:password@127.0.0.1:27017/` names one, with an
administrator of role `root` in `admin`. The tests make and drop users whose names begin with lh,
and the user leasehold-target; give them one that holds nothing of value.
"""

import hashlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

from clients.toolchains import CACHE, alone, command, made
from fakes.ferret_relay import FerretRelay
from servers.postgres import free_port

GIVEN = "LEASEHOLD_TEST_MONGODB_URL"
MODULE = Path(__file__).with_name("ferretdb")
VERSION = "v1.24.2"
START_S = 20.0


@dataclass(frozen=True)
class MongoServer:
    """A server, and an administrator who may do everything."""

    url: str
    admin: str
    password: str

    def client(self, user: str, password: str, source: str = "admin") -> "MongoClient[Any]":
        return MongoClient(
            self.url,
            username=user,
            password=password,
            authSource=source,
            serverSelectionTimeoutMS=3000,
        )

    def can_log_in(self, user: str, password: str, source: str = "admin") -> bool:
        with self.client(user, password, source) as client:
            try:
                client.admin.command("ping")
            except OperationFailure as error:
                if error.code != 18:
                    raise
                return False
        return True

    def accounts(self) -> list[str]:
        with self.client(self.admin, self.password) as client:
            users = client.admin.command({"usersInfo": {"forAllDBs": True}})["users"]
        return sorted(user["user"] for user in users if re.match("lh[a-z2-7]{4}_", user["user"]))


def ferretdb() -> Path:
    """The program, from the modules that MODULE names; made once for all. Skips without Go."""
    go = command("go")
    files = [MODULE / name for name in ("go.mod", "go.sum", "tools.go")]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    kept = CACHE / f"ferretdb-{digest[:16]}"
    with alone("ferretdb"):
        if not kept.is_file():
            with tempfile.TemporaryDirectory(dir=CACHE) as name:
                folder = Path(name)
                for file in files:
                    shutil.copy(file, folder)
                made("FerretDB", go, "mod", "vendor", cwd=folder)
                package = "github.com/FerretDB/FerretDB"
                # Without it the program refuses to start; a module has no room for it.
                about = folder / "vendor" / package / "build" / "version" / "version.txt"
                about.write_text(VERSION)
                build = [go, "build", "-mod=vendor", "-tags=ferretdb_no_postgresql"]
                made("FerretDB", *build, "-o", "new", f"{package}/cmd/ferretdb", cwd=folder)
                (folder / "new").rename(kept)
    return kept


class PrivateFerret:
    """FerretDB over SQLite in a folder of its own, behind the relay that completes it."""

    def __init__(self, program: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lhmo"))
        self._port = free_port()
        self.password = secrets.token_hex(16)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(program), "--handler=sqlite", f"--sqlite-url=file:{self._folder}/"),
                    *(f"--state-dir={self._folder}", f"--listen-addr=127.0.0.1:{self._port}"),
                    *("--telemetry=disable", "--debug-addr=-", "--log-level=error"),
                    *("--test-enable-new-auth", "--setup-database=admin"),
                    *("--setup-username=root", f"--setup-password={self.password}"),
                ],
                stdout=log,
                stderr=log,
                env={"DO_NOT_TRACK": "1"},
            )
        try:
            self._wait()
            self._relay = FerretRelay(self._port)
        except BaseException:
            self._process.kill()
            raise
        url = f"mongodb://127.0.0.1:{self._relay.port}/"
        self.server = MongoServer(url, "root", self.password)

    def _wait(self) -> None:
        direct = MongoServer(f"mongodb://127.0.0.1:{self._port}/", "root", self.password)
        deadline = time.monotonic() + START_S
        while self._process.poll() is None and time.monotonic() < deadline:
            with direct.client("root", self.password) as client:
                try:
                    client.admin.command("ping")
                except (ConnectionFailure, OperationFailure):
                    time.sleep(0.05)
                else:
                    return
        raise RuntimeError(f"FerretDB did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def remove(self) -> None:
        self._relay.close()
        self._process.terminate()
        self._process.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mongodb() -> Iterator[MongoServer]:
    """The server that is given, else FerretDB."""
    if os.environ.get("LEASEHOLD_TESTS_SKIP_SERVERS"):
        pytest.skip("LEASEHOLD_TESTS_SKIP_SERVERS is set: no MongoDB")
    if given := os.environ.get(GIVEN):
        parts = urlsplit(given)
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        yield MongoServer(url, unquote(parts.username or ""), unquote(parts.password or ""))
        return
    private = PrivateFerret(ferretdb())
    yield private.server
    private.remove()
