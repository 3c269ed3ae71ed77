"""Private Redis servers on loopback: one by itself, replicas of it, nodes of a cluster."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from servers.certificates import Authority
from servers.postgres import free_port

APT = "apt-get install -y redis-server"
START_S = 10.0
RIGHTS = (
    "resetchannels -@all +acl|setuser +acl|deluser +acl|getuser +acl|users +acl|save +client|kill"
    " +config|get +info +multi +exec +cluster|nodes"
)
"""What the documents grant to an administrator of least rights."""


def binary() -> str:
    """The server to start: REDIS_SERVER, such as a newer one or a Valkey, else the system's."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    found = os.environ.get("REDIS_SERVER") or shutil.which("redis-server", path=path)
    if found is None:
        raise RuntimeError(f"redis-server is not installed; run: {APT}")
    return found


class RedisServer:
    """One server in a folder of its own; `admin` may do everything, `keeper` what is needed.

    Without `aclfile` its users stand in its configuration. With `authority` it speaks TLS only, and
    asks its clients for certificates.
    """

    admin = "root"
    keeper = "leasehold"

    def __init__(
        self,
        *,
        replica_of: "RedisServer | None" = None,
        password: str | None = None,
        aclfile: bool = True,
        cluster: bool = False,
        authority: Authority | None = None,
    ) -> None:
        self._binary = binary()
        self._process: subprocess.Popen[bytes] | None = None
        self.authority = authority
        self.password = password or secrets.token_hex(16)
        if replica_of is not None:
            self.password = replica_of.password
        self.port, self.bus = free_port(), free_port()
        # ACL SAVE waits for the disk, which a machine full of tests is slow with.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="lhrd", dir=memory))
        self.users = self.folder / "users.acl"
        self.socket = self.folder / "redis.sock"
        users = [
            "user default off",
            f"user {self.admin} on >{self.password} ~* &* +@all",
            f"user {self.keeper} on >{self.password} {RIGHTS}",
        ]
        config = [
            "bind 127.0.0.1",
            f"dir {self.folder}",
            f"unixsocket {self.socket}",
            'save ""',
            "repl-diskless-sync-delay 0",
            "slowlog-log-slower-than 0",
        ]
        if authority is None:
            config.append(f"port {self.port}")
        else:
            pair = authority.server(f"redis{self.port}")
            config += ["port 0", f"tls-port {self.port}", f"tls-ca-cert-file {authority.file}"]
            config += [f"tls-cert-file {pair.certificate_file}", f"tls-key-file {pair.key_file}"]
        if aclfile:
            self.users.write_text("\n".join(users) + "\n")
            config.append(f"aclfile {self.users}")
        else:
            config += users
        if replica_of is not None:
            config += [f"replicaof 127.0.0.1 {replica_of.port}", f"masteruser {self.admin}"]
            config.append(f"masterauth {self.password}")
        if cluster:
            config += ["cluster-enabled yes", "cluster-node-timeout 1000"]
            config.append(f"cluster-port {self.bus}")
        (self.folder / "redis.conf").write_text("\n".join(config) + "\n")

    @property
    def url(self) -> str:
        scheme, host = ("rediss", "localhost") if self.authority else ("redis", "127.0.0.1")
        return f"{scheme}://{host}:{self.port}"

    def start(self) -> "RedisServer":
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, str(self.folder / "redis.conf")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(redis.ConnectionError):
                self.ask("PING")
                return self
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"Redis did not start: {self.log()[-2000:]}")
            time.sleep(0.01)

    def wait_for_primary(self) -> None:
        """Return when the primary of this replica knows it."""
        deadline = time.monotonic() + START_S
        while self.ask("INFO", "replication")["master_link_status"] != "up":
            assert time.monotonic() < deadline, "the replica did not come"
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it; SIGKILL is a crash."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def remove(self) -> None:
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def connect(self, user: str | None = None, password: str | None = None) -> "redis.Redis":
        """A client over the Unix socket, which every server has."""
        return redis.Redis(
            unix_socket_path=str(self.socket),
            username=user or self.admin,
            password=password or self.password,
            decode_responses=True,
            protocol=2,
            driver_info=None,
            retry=Retry(NoBackoff(), 0),
        )

    def ask(self, *command: str) -> Any:
        with self.connect() as client:
            return client.execute_command(*command)

    def can_log_in(self, user: str, password: str) -> bool:
        with self.connect(user, password) as client:
            try:
                client.connection_pool.get_connection()
            except redis.ConnectionError:  # the driver wraps what came of the login in it
                return False
        return True

    def accounts(self, prefix: str = "lh") -> list[str]:
        return [name for name in self.ask("ACL", "USERS") if name.startswith(prefix)]

    def saved(self) -> str:
        """What the next start would know."""
        return self.users.read_text()

    @contextlib.contextmanager
    def unable_to_save(self) -> Iterator[None]:
        """Its folder is away, with its Unix socket."""
        hidden = self.folder.rename(self.folder.with_suffix(".away"))
        try:
            yield
        finally:
            hidden.rename(self.folder)

    def reset(self) -> None:
        """No account of ours."""
        if names := self.accounts():
            self.ask("ACL", "DELUSER", *names)
            self.ask("ACL", "SAVE")


@contextlib.contextmanager
def redis_server(**how: Any) -> Iterator[RedisServer]:
    """A server made and started as the test wants it."""
    if os.environ.get("LEASEHOLD_TESTS_SKIP_SERVERS"):
        pytest.skip("LEASEHOLD_TESTS_SKIP_SERVERS is set: no Redis")
    server = RedisServer(**how)
    try:
        yield server.start()
    finally:
        server.remove()


@contextlib.contextmanager
def cluster_of(size: int) -> Iterator[list[RedisServer]]:
    """Primaries of one cluster, which share all slots."""
    with contextlib.ExitStack() as stack:
        how = {"cluster": True, "password": secrets.token_hex(16)}
        nodes = [stack.enter_context(redis_server(**how)) for _ in range(size)]
        share = 16384 // size
        for number, node in enumerate(nodes):
            last = 16383 if number == size - 1 else (number + 1) * share - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", str(number * share), str(last))
            first = nodes[0]
            node.ask("CLUSTER", "MEET", "127.0.0.1", str(first.port), str(first.bus))
        deadline = time.monotonic() + START_S
        while not all("cluster_state:ok" in node.ask("CLUSTER", "INFO") for node in nodes):
            assert time.monotonic() < deadline, "the cluster did not form"
            time.sleep(0.05)
        yield nodes


@pytest.fixture(scope="session")
def redis_primary() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_replica(redis_primary: RedisServer) -> Iterator[RedisServer]:
    with redis_server(replica_of=redis_primary) as server:
        server.wait_for_primary()
        yield server
