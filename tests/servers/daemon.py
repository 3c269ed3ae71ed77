"""A real leasehold daemon as a process of its own, for integration, crash tests and the bench."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from servers.nursery import Child, Nursery

READY_S = 20.0


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Reply:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.text = body.decode()
        self.json: dict[str, Any] = json.loads(body) if body else {}

    @property
    def data(self) -> dict[str, Any]:
        assert self.status == 200, self.text
        return self.json["data"]


POLICY = """\
engines:
  main:
    type: postgresql
    mount: database
    connection:
      url: "postgresql://127.0.0.1:{port}/{database}?sslmode=disable"
      username: "{username}"
      password: env:TEST_PG_PASSWORD
      statement_timeout: 2
roles:
  main/reader:
    member_of: [app_readonly]
    default_ttl: 1h
    max_ttl: 24h
  main/brief:
    member_of: [app_readonly]
    default_ttl: 2s
    max_ttl: 1m
lease_limits:
  database: {{max_leases: 200000, max_leases_per_role: 200000}}
identities:
  tests:
    owner: the-tests
    tenant: tests
    match: [{{unix: {{uid: {uid}}}}}]
access:
  - identities: [tests]
    paths: [database/creds/*]
    verbs: [issue, renew, revoke, revoke-any, list]
  - identities: [tests]
    paths: ["*"]
    verbs: [operate]
"""


class Daemon:
    """`leasehold serve` over a private state directory; killed and started again at will."""

    program: tuple[str, ...] = ("-m", "leasehold")
    nursery: Nursery | None = None

    def __init__(
        self,
        folder: Path,
        env: dict[str, str],
        *,
        policy: str,
        mqtt: str | None = None,
        flags: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.policies = folder / "policies"
        self.state = folder / "state"
        self.socket = folder / "run" / "leasehold.sock"
        self.log = folder / "daemon.log"
        self.failpoints = folder / "failpoints.json"
        self.env = env
        self.mqtt = mqtt
        self.flags = flags
        self.process: subprocess.Popen[bytes] | Child | None = None
        for directory in (folder, self.policies, self.state, self.socket.parent):
            directory.mkdir(mode=0o700, exist_ok=True)
        self.write_policy(policy)

    def write_policy(self, policy: str) -> None:
        file = self.policies / "policy.yaml"
        file.write_text(policy)
        file.chmod(0o600)

    def start(self, *, failpoints: dict[str, Any] | None = None, wait: bool = True) -> "Daemon":
        environment = {**os.environ, **self.env}
        environment.pop("LEASEHOLD_FAILPOINTS", None)
        if failpoints is not None:
            self.failpoints.write_text(json.dumps(failpoints))
            self.failpoints.chmod(0o600)
            environment["LEASEHOLD_FAILPOINTS"] = str(self.failpoints)
        command = ["serve", "--policies", str(self.policies), "--state-dir", str(self.state)]
        command += ["--socket", str(self.socket)]
        command += self.flags
        if self.mqtt:
            command += ["--mqtt", self.mqtt]
        with self.log.open("ab") as log:
            if self.nursery is not None and self.program == Daemon.program:
                self.process = self.nursery.fork(command, environment, log.fileno())
            else:
                command = [sys.executable, *self.program, *command]
                self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended: {self.log.read_text()[-4000:]}")
            try:
                if self.request("GET", "/v1/sys/health").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"the daemon was not ready: {self.log.read_text()[-4000:]}")

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout_s: float = 30,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        connection = UnixConnection(self.socket, timeout_s)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, dict(headers or {}))
            reply = connection.getresponse()
            return Reply(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            connection.close()

    def request_as(self, uid: int, method: str, path: str, body: Any = None) -> int:
        """The status of a request made by another user; needs root and a public socket."""
        return self.reply_as(uid, method, path, body).status

    def reply_as(
        self, uid: int, method: str, path: str, body: Any = None, *, groups: Sequence[int] = ()
    ) -> Reply:
        """The reply to a request made by another user, who is in these groups besides its own."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(reading)
                os.setgroups(list(groups))
                os.setgid(uid)
                os.setuid(uid)
                reply = self.request(method, path, body)
                told = json.dumps([reply.status, reply.headers, reply.text])
                os.write(writing, told.encode())
            except BaseException as error:
                os.write(writing, repr(error).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            status, headers, text = json.loads(answer.read())
        os.waitpid(child, 0)
        return Reply(status, headers, text.encode())

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def wait_dead(self, timeout_s: float = 20) -> int:
        assert self.process is not None
        return self.process.wait(timeout_s)

    def stop(self) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the daemon did not stop on SIGTERM") from None


def policy_for(postgres: Any, database: str = "app") -> str:
    return POLICY.format(
        port=postgres.port, database=database, username=postgres.admin, uid=os.getuid()
    )


def eventually(claim: Any, timeout_s: float = 20.0, what: str = "the claim") -> Any:
    """Poll until `claim()` is true, and return it."""
    deadline = time.monotonic() + timeout_s
    while True:
        if found := claim():
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not hold within {timeout_s} s")
        time.sleep(0.05)
