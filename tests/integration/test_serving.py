"""How the daemon starts, refuses to start, takes another policy, and stops."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from servers.daemon import Daemon, eventually, policy_for
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers


def refusal(daemon: Daemon) -> tuple[int, str]:
    """Exit code and words of a daemon that does not start."""
    daemon.start(wait=False)
    code = daemon.wait_dead()
    return code, daemon.log.read_text()


def first_start(daemon: Daemon) -> None:
    daemon.start()
    daemon.stop()


def test_state_that_others_may_read_is_refused(daemon: Daemon) -> None:
    daemon.state.chmod(0o755)
    code, words = refusal(daemon)
    assert code == 1
    assert f"chmod 0700 {daemon.state}" in words
    assert "Traceback" not in words


def test_a_key_that_others_may_read_is_refused(daemon: Daemon) -> None:
    first_start(daemon)
    (daemon.state / "key").chmod(0o644)
    code, words = refusal(daemon)
    assert (code, "chmod 0600" in words) == (1, True)


def test_a_key_that_is_gone_is_not_made_anew(daemon: Daemon) -> None:
    first_start(daemon)
    (daemon.state / "key").unlink()
    code, words = refusal(daemon)
    assert (code, "restore the key" in words) == (1, True)


def test_the_key_file_is_made_for_the_daemon_alone(daemon: Daemon) -> None:
    first_start(daemon)
    assert (daemon.state / "key").stat().st_mode & 0o777 == 0o600
    others = [file for file in daemon.state.iterdir() if file.stat().st_mode & 0o077]
    assert others == []


def test_a_policy_that_others_may_write_is_refused(daemon: Daemon) -> None:
    (daemon.policies / "policy.yaml").chmod(0o666)
    code, words = refusal(daemon)
    assert (code, "chmod go-w" in words) == (1, True)


def test_a_directory_in_which_the_socket_could_be_replaced_is_refused(daemon: Daemon) -> None:
    daemon.socket.parent.chmod(0o777)
    code, words = refusal(daemon)
    assert (code, "could replace the socket" in words) == (1, True)


def test_a_broken_policy_is_told_line_by_line(daemon: Daemon) -> None:
    daemon.write_policy("engines: {}\nroels: {}\n")
    code, words = refusal(daemon)
    assert code == 6
    assert "policy.yaml:2:1: roels: unknown key" in words
    assert "did you mean roles?" in words


def test_a_second_daemon_on_one_state_directory_is_refused(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    second = Daemon(daemon.folder, daemon.env, policy=policy_for(postgres))
    second.socket = daemon.socket.with_name("second.sock")
    second.log = daemon.folder / "second.log"
    code, words = refusal(second)
    assert (code, "another leasehold" in words) == (1, True)
    assert daemon.request("GET", "/v1/sys/health").status == 200


def test_a_second_daemon_on_one_socket_is_refused(
    daemon: Daemon, postgres: PostgresServer, tmp_path: Path
) -> None:
    daemon.start()
    second = Daemon(tmp_path / "second", daemon.env, policy=policy_for(postgres))
    second.socket = daemon.socket
    code, words = refusal(second)
    assert (code, "another leasehold serves this socket" in words) == (1, True)
    assert daemon.request("GET", "/v1/sys/health").status == 200


def test_a_socket_left_by_a_killed_daemon_is_replaced(daemon: Daemon) -> None:
    daemon.start()
    daemon.kill()
    assert daemon.socket.is_socket()
    daemon.start()
    assert daemon.socket.stat().st_mode & 0o777 == 0o660


def test_sigterm_lets_running_requests_finish(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.start(failpoints={"issue.created": {"action": "sleep", "seconds": 1}})
    answers: list[int] = []

    def ask() -> None:
        answers.append(daemon.request("GET", "/v1/database/creds/reader").status)

    asking = threading.Thread(target=ask)
    asking.start()
    eventually(lambda: postgres.accounts(), what="the account")
    assert daemon.stop() == 0
    asking.join()
    assert answers == [200]
    assert not daemon.socket.exists()


def test_sighup_serves_the_policy_as_it_is_now(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.start()
    more = policy_for(postgres).replace("main/brief:", "main/quick:")
    daemon.write_policy(more)
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: daemon.request("GET", "/v1/database/creds/quick").status == 200)
    assert daemon.request("GET", "/v1/database/creds/brief").status == 400
    assert daemon.request("GET", "/v1/leasehold/status").data["generation"] == 2


def test_a_bad_policy_leaves_the_old_one_serving_and_says_so(daemon: Daemon) -> None:
    daemon.start()
    daemon.write_policy("roels: {}\n")
    daemon.process.send_signal(signal.SIGHUP)
    status = eventually(
        lambda: daemon.request("GET", "/v1/leasehold/status").data["degraded"] and True
    )
    assert status
    [line] = daemon.request("GET", "/v1/leasehold/status").data["degraded"]
    assert "the newest policy is not served" in line
    assert daemon.request("GET", "/v1/database/creds/reader").status == 200
    assert "policy-refused" in (daemon.state / "audit.jsonl").read_text()


def test_a_lease_of_a_removed_role_still_ends_by_its_recipe(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    issued = daemon.request("GET", "/v1/database/creds/brief").json
    daemon.write_policy(policy_for(postgres).replace("main/brief:", "main/quick:"))
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: daemon.request("GET", "/v1/database/creds/brief").status == 400)
    assert issued["data"]["username"] in postgres.accounts()
    eventually(lambda: postgres.accounts() == [], what="the account's end")


def test_systemd_hears_of_start_reload_and_stop(daemon: Daemon, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        daemon.env = {**daemon.env, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        daemon.start()
        assert systemd.recv(4096).startswith(b"READY=1")
        daemon.process.send_signal(signal.SIGHUP)
        assert systemd.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert systemd.recv(4096).startswith(b"READY=1")
        daemon.stop()
        assert systemd.recv(4096).startswith(b"STOPPING=1")


def fill(file: Path) -> None:
    """Write to `file` until its filesystem is full."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filling:
        while filling.write(bytes(65536)):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_full_disk_stops_issuing_and_not_revoking(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    shutil.rmtree(daemon.state)
    daemon.state.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=90m,mode=0700", "none", str(daemon.state)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount")
    try:
        daemon.start()
        lease = {"lease_id": daemon.request("GET", "/v1/database/creds/reader").json["lease_id"]}
        filler = daemon.state / "filler"
        fill(filler)
        refused = daemon.request("GET", "/v1/database/creds/reader")
        assert refused.status == 503
        assert daemon.request("PUT", "/v1/sys/leases/revoke", lease).status == 204
        assert postgres.accounts() == []
        filler.unlink()
        eventually(lambda: daemon.request("GET", "/v1/database/creds/reader").status == 200)
    finally:
        daemon.stop()
        subprocess.run(["umount", str(daemon.state)], check=True)
