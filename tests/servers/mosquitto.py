"""A private Mosquitto on loopback, and what a subscriber sees of it."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from servers.postgres import free_port

APT = "apt-get install -y mosquitto mosquitto-clients"
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
START_S = 10.0
CONFIG = """\
user root
log_type all
persistence true
persistence_location {folder}/
max_queued_messages 0
listener {port} 127.0.0.1
"""
DURABLE = """\
autosave_on_changes true
autosave_interval 1
"""


def program(name: str) -> str:
    found = shutil.which(name, path=PATH)
    if found is None:
        raise RuntimeError(f"{name} is not installed; run: {APT}")
    return found


@dataclass(frozen=True)
class Received:
    """One message as it arrived."""

    retained: bool
    content_type: str
    topic: str
    payload: dict[str, Any]


class MosquittoServer:
    """One broker in a folder of its own, kept over restarts.

    With `users` (name to password) nobody else is let in, and `acl` says what they may do. With
    `certificate` and `key` it speaks TLS only. Unless it is `durable` it writes to its disk as by
    default: every half hour.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        acl: str = "",
        certificate: Path | None = None,
        key: Path | None = None,
        durable: bool = True,
    ) -> None:
        self._broker = program("mosquitto")
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="lhmq"))
        self._process: subprocess.Popen[bytes] | None = None
        self._users = dict(users or {})
        config = CONFIG.format(folder=self.folder, port=self.port) + DURABLE * durable
        config += f"allow_anonymous {'false' if users else 'true'}\n"
        if users:
            for name, password in users.items():
                self._add(name, password)
            config += f"password_file {self.folder}/users\nacl_file {self.folder}/acl\n"
            self.allow(acl)
        if certificate is not None:
            config += f"certfile {certificate}\nkeyfile {key}\n"
        (self.folder / "config").write_text(config)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def _add(self, name: str, password: str) -> None:
        file = self.folder / "users"
        command = [program("mosquitto_passwd"), "-b", *([] if file.exists() else ["-c"])]
        subprocess.run([*command, str(file), name, password], check=True)

    def allow(self, acl: str) -> None:
        """What the users may do from now on."""
        (self.folder / "acl").write_text(acl)
        (self.folder / "acl").chmod(0o600)
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def start(self) -> "MosquittoServer":
        with (self.folder / "log").open("ab") as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                [self._broker, "-c", str(self.folder / "config")], stdout=log, stderr=log
            )
        self._wait_for_log(r"mosquitto version \S+ running", begin)
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it; SIGKILL is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def remove(self) -> None:
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _wait_for_log(self, pattern: str, begin: int) -> None:
        deadline = time.monotonic() + START_S
        while not re.search(pattern, self.log()[begin:]):
            if time.monotonic() > deadline or (self._process and self._process.poll() is not None):
                raise RuntimeError(f"Mosquitto: no {pattern!r} in its log: {self.log()[-2000:]}")
            time.sleep(0.01)

    @contextlib.contextmanager
    def subscriber(self, topic: str = "leasehold/#", name: str = "sub") -> Iterator["Subscriber"]:
        """mosquitto_sub, whose session outlives its connection; it has subscribed already."""
        begin = len(self.log())
        subscriber = Subscriber(self.folder / f"{name}.out", self.port, topic, name, self._users)
        try:
            self._wait_for_log(f"Sending SUBACK to {name}", begin)
            yield subscriber
        finally:
            subscriber.close()


class Subscriber:
    """What mosquitto_sub has received so far, read again each time."""

    def __init__(
        self, file: Path, port: int, topic: str, name: str, users: Mapping[str, str]
    ) -> None:
        self._file = file
        command = [program("mosquitto_sub"), "-h", "127.0.0.1", "-p", str(port), "-V", "mqttv5"]
        command += ["-i", name, "-c", "-x", "3600", "-q", "1", "-t", topic]
        command += ["-F", r"%r\t%C\t%t\t%p"]
        for user, password in list(users.items())[:1]:
            command += ["-u", user, "-P", password]
        with file.open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)

    def send(self, how: signal.Signals) -> None:
        """Send it a signal, as SIGSTOP to have it read nothing."""
        self._process.send_signal(how)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)

    @property
    def received(self) -> list[Received]:
        """All messages in the order of their arrival."""
        lines = self._file.read_text().split("\n")[:-1]
        parts = [line.split("\t", 3) for line in lines]
        return [
            Received(retained == "1", kind, topic, json.loads(payload))
            for retained, kind, topic, payload in parts
        ]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of leases."""
        return [found.payload for found in self.received if "/lease/" in found.topic]

    @property
    def states(self) -> list[str]:
        """The states of the daemon."""
        return [found.payload["state"] for found in self.received if "/status" in found.topic]


@contextlib.contextmanager
def mosquitto_server(**how: Any) -> Iterator[MosquittoServer]:
    """A broker made and started as the test wants it."""
    if os.environ.get("LEASEHOLD_TESTS_SKIP_SERVERS"):
        pytest.skip("LEASEHOLD_TESTS_SKIP_SERVERS is set: no Mosquitto")
    server = MosquittoServer(**how)
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture
def mosquitto() -> Iterator[MosquittoServer]:
    """A broker that lets everybody in."""
    with mosquitto_server() as server:
        yield server
