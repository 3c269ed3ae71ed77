"""The emergency seal, on a real daemon with leases on a real PostgreSQL."""

import base64
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.daemon import READY_S, Daemon, eventually
from servers.mosquitto import MosquittoServer, Subscriber
from servers.operator import audited, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

ROLE = "/v1/database/creds/reader"


@pytest.fixture
def subscriber(mosquitto: MosquittoServer) -> Iterator[Subscriber]:
    with mosquitto.subscriber() as listening:
        yield listening


def in_memory(pid: int, *wanted: bytes) -> set[bytes]:
    """Which of these the writable memory of a process holds; needs root."""
    found = set()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if not rights.startswith("rw"):
                continue
            memory.seek(int(begin, 16))
            try:
                held = memory.read(int(end, 16) - int(begin, 16))
            except OSError:
                continue
            found |= {each for each in wanted if each in held}
    return found


def health(daemon: Daemon) -> int:
    try:
        return daemon.request("GET", "/v1/sys/health").status
    except (OSError, http.client.HTTPException):
        return 0


def seal(daemon: Daemon) -> None:
    done = leasehold(daemon, "seal", "--reason", "T-9")
    assert (done.returncode, done.stdout[:7]) == (0, "sealed:"), (
        done.stderr + daemon.log.read_text()[-3000:]
    )


def assert_nothing_is_served(daemon: Daemon) -> None:
    for method, path in (("GET", ROLE), ("PUT", "/v1/sys/leases/renew"), ("GET", "/v1/sys/mounts")):
        reply = daemon.request(method, path)
        assert (reply.status, reply.json["code"]) == (503, "sealed")
        assert "leasehold unseal" in reply.json["errors"][0]


def test_a_sealed_daemon_knows_neither_key_nor_password_and_is_not_revived_by_a_restart(
    daemon: Daemon, postgres: PostgresServer, mosquitto: MosquittoServer, subscriber: Subscriber
) -> None:
    daemon.mqtt = mosquitto.url
    daemon.start()
    assert daemon.process is not None
    issued = daemon.request("GET", ROLE).json
    brief = daemon.request("GET", "/v1/database/creds/brief").json["data"]["username"]
    key = base64.b64decode((daemon.state / "key").read_text())
    password = str(issued["data"]["password"]).encode()
    assert key in in_memory(daemon.process.pid, key), "the look itself finds what is there"
    seal(daemon)
    assert daemon.process.poll() is None, "the same process"
    assert not in_memory(daemon.process.pid, key, base64.b64encode(key), password)
    assert health(daemon) == 503
    assert daemon.request("GET", "/v1/sys/seal-status").json["sealed"] is True
    assert_nothing_is_served(daemon)
    told = leasehold(daemon, "status")
    assert (told.returncode, "sealed since" in told.stderr) == (1, True)
    eventually(lambda: subscriber.states[-1] == "sealed", what="the status on MQTT")

    daemon.kill()
    daemon.start(wait=False)
    eventually(lambda: health(daemon) == 503, READY_S, "the sealed daemon")
    assert_nothing_is_served(daemon)
    time.sleep(1)
    assert brief in postgres.accounts(), "it came due and nobody could end it"

    done = leasehold(daemon, "unseal")
    assert done.returncode == 0, done.stderr
    eventually(lambda: brief not in postgres.accounts(), what="the end of what came due")
    assert issued["data"]["username"] in postgres.accounts()
    assert daemon.request("GET", ROLE).status == 200
    events = {line["event"]: line.get("detail", {}) for line in audited(daemon)}
    assert events["daemon-sealed"]["reason"] == "T-9"
    assert events["daemon-unsealed"]["due"] == "1"
    assert int(events["daemon-unsealed"]["seconds"]) >= 1
    eventually(lambda: subscriber.states[-1] == "online", what="the status on MQTT")

    def told_to_subscribers() -> set[str]:
        return {found.topic.partition("/daemon/")[2] for found in subscriber.received}

    eventually(lambda: told_to_subscribers() >= {"sealed", "unsealed"}, what="the events")
    daemon.kill()
    daemon.start()


def test_the_key_unseals_when_its_file_was_taken_away_and_no_other_key_does(
    daemon: Daemon,
) -> None:
    daemon.start()
    file = daemon.state / "key"
    text = file.read_text().strip()
    assert daemon.request("PUT", "/v1/sys/seal").status == 204
    eventually(lambda: health(daemon) == 503, what="the seal")
    file.unlink()
    missing = leasehold(daemon, "unseal")
    assert (missing.returncode, "key is missing" in missing.stderr) == (1, True)
    for wrong in (base64.b64encode(bytes(32)).decode(), "no key"):
        refused = daemon.request("PUT", "/v1/sys/unseal", {"key": wrong})
        assert (refused.status, refused.json["code"]) == (400, "invalid")
    assert daemon.request("PUT", "/v1/sys/unseal", {"reset": True}).json["sealed"] is True
    assert health(daemon) == 503
    assert daemon.request("PUT", "/v1/sys/unseal", {"key": text}).json["sealed"] is False
    eventually(lambda: health(daemon) == 200, what="the daemon")
    assert daemon.request("PUT", "/v1/sys/unseal").json["sealed"] is False, "nothing to unseal"
    assert text not in daemon.log.read_text()


def test_a_seal_is_not_lifted_by_taking_its_flag_away(daemon: Daemon) -> None:
    daemon.start()
    seal(daemon)
    daemon.kill()
    (daemon.state / "sealed").unlink()
    daemon.start(wait=False)
    eventually(lambda: health(daemon) == 503, READY_S, "the sealed daemon")
    assert "the flag is gone: sealing again" in daemon.log.read_text()
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    assert leasehold(daemon, "status").returncode == 1
    assert daemon.process.poll() is None, "a reload does not end it"
    assert daemon.stop() == 0
    assert (daemon.state / "sealed").exists()


def test_the_socket_of_systemd_outlives_sealing_and_unsealing(daemon: Daemon) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(daemon.socket))
        listening.listen()
        fd = listening.fileno()
        passing = f'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&{fd}'
        serve = (sys.executable, "-m", "leasehold", "serve", "--policies", str(daemon.policies))
        with daemon.log.open("ab") as log:
            daemon.process = subprocess.Popen(
                ["bash", "-c", passing, "bash", *serve, "--state-dir", str(daemon.state)],
                env={**os.environ, **daemon.env},
                pass_fds=(fd,),
                stdout=log,
                stderr=log,
            )
    daemon.wait_ready()
    seal(daemon)
    assert_nothing_is_served(daemon)
    assert leasehold(daemon, "unseal").returncode == 0
    assert daemon.request("GET", ROLE).status == 200


def test_only_root_and_the_daemons_user_may_have_the_key_file_read(public_daemon: Daemon) -> None:
    public_daemon.start()
    assert public_daemon.request_as(4242, "PUT", "/v1/leasehold/seal", {"reason": "x"}) == 403
    assert public_daemon.request("PUT", "/v1/leasehold/seal", {"reason": " "}).status == 400
    assert health(public_daemon) == 200
    seal(public_daemon)
    assert public_daemon.request_as(4242, "PUT", "/v1/sys/unseal") == 403
    assert public_daemon.request_as(4242, "GET", "/v1/sys/seal-status") == 200
    assert health(public_daemon) == 503
