"""T46: a daemon that is stopped, frozen, killed, or lies is told by who imports nothing of it."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from servers.daemon import Daemon, eventually
from servers.mosquitto import MosquittoServer
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
BLIND = {"expiry.sweep": {"action": "raise"}}


def verify(*options: object) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "leasehold_verify", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert not done.stderr or done.returncode == 1, done.stderr
    return done.returncode, done.stdout.splitlines()


def alarms(*options: object) -> dict[str, str]:
    """What each check that is not well says, by its name."""
    code, lines = verify(*options)
    found = dict(line.removeprefix("ALARM ").split(": ", 1) for line in lines if "ALARM" in line)
    assert code == (2 if found else 0)
    return found


def everything(daemon: Daemon, mosquitto: MosquittoServer) -> tuple[object, ...]:
    return (
        *("--socket", daemon.socket, "--state-dir", daemon.state, "--overdue-s", 3),
        *("--mqtt", mosquitto.url, "--deployment", "watched"),
        *("--memory", daemon.folder / "memory"),
    )


@pytest.fixture
def watched(daemon: Daemon, mosquitto: MosquittoServer) -> Daemon:
    daemon.mqtt, daemon.flags = mosquitto.url, ("--deployment", "watched")
    return daemon


def test_what_is_well_is_told_and_so_is_each_way_of_being_dead(
    watched: Daemon, mosquitto: MosquittoServer
) -> None:
    watched.start()
    watched.request("GET", "/v1/database/creds/reader")
    asked = everything(watched, mosquitto)
    eventually(lambda: alarms(*asked) == {})
    _, lines = verify(*asked)
    assert [line.split(":")[0] for line in lines] == [
        *("ok    socket", "ok    heartbeat", "ok    store", "ok    writes", "ok    audit"),
    ]
    assert watched.process is not None
    watched.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert "it hangs" in alarms(*asked)["socket"]
        assert time.monotonic() - began < 60
    finally:
        watched.process.send_signal(signal.SIGCONT)
    eventually(lambda: alarms(*asked) == {})
    watched.kill()
    eventually(lambda: "is dead" in alarms(*asked).get("heartbeat", ""))
    assert "no daemon answers" in alarms(*asked)["socket"]
    watched.start()
    eventually(lambda: alarms(*asked) == {})
    watched.stop()
    assert alarms(*asked).keys() == {"socket", "heartbeat"}


def test_a_daemon_that_beats_and_ends_nothing_is_found_out_and_loses_its_watchdog(
    watched: Daemon, mosquitto: MosquittoServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    conninfo = tmp_path / "conninfo"
    conninfo.write_text(
        f"host=127.0.0.1 port={postgres.port} dbname=postgres"
        f" user={postgres.admin} password={postgres.password}"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        watched.env = {
            **watched.env,
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "4000000",
        }
        watched.start(failpoints=BLIND)
        told = [systemd.recv(4096), systemd.recv(4096)]
        assert b"WATCHDOG=1" in told
        watched.request("GET", "/v1/database/creds/brief")
        asked = (*everything(watched, mosquitto), "--postgresql", conninfo)
        found = eventually(lambda: (seen := alarms(*asked)) and seen)
        assert found.keys() == {"store"}
        assert found["store"].startswith("1 accounts stand past their end, the oldest for ")
        systemd.settimeout(6)
        with pytest.raises(TimeoutError):  # noqa: PT012 (until none comes any more)
            for _ in range(20):
                assert systemd.recv(4096) == b"WATCHDOG=1"
        watched.kill()
    watched.env = {name: value for name, value in watched.env.items() if name == "TEST_PG_PASSWORD"}
    watched.start()
    eventually(lambda: alarms(*asked) == {}, what="the end of the account")
    postgres.execute("CREATE ROLE lhaaaa_aaaaaaaaaaaaaaaa_aaaa LOGIN VALID UNTIL '2020-01-01'")
    assert "1 can log in past their own end" in alarms(*asked)["accounts"]


def test_an_audit_that_was_cut_or_set_back_is_an_alarm(watched: Daemon, tmp_path: Path) -> None:
    watched.start()
    watched.request("GET", "/v1/database/creds/reader")
    watched.stop()
    asked = ("--state-dir", watched.state, "--memory", tmp_path / "memory")
    assert alarms(*asked) == {}
    audit = watched.state / "audit.jsonl"
    whole = audit.read_text()
    audit.write_text("".join(whole.splitlines(keepends=True)[:-2]))
    assert "and the store knew" in alarms(*asked)["audit"]
    audit.write_text(whole)
    assert alarms(*asked) == {}
    (tmp_path / "memory").write_text('{"seq": 100000}')
    assert "the look before knew 100000" in alarms(*asked)["audit"]


def test_what_cannot_be_checked_is_an_alarm_and_wrong_usage_is_none(tmp_path: Path) -> None:
    found = alarms("--state-dir", tmp_path, "--socket", tmp_path / "none")
    assert found.keys() == {"socket", "store", "audit"}
    found = alarms("--mqtt", "mqtt://127.0.0.1:1", "--deployment", "x")
    assert "cannot be asked" in found["heartbeat"]
    for wrong in ((), ("--mqtt", "mqtt://h"), ("--nonsense",)):
        assert verify(*wrong)[0] == 1


def test_it_changes_nothing_and_needs_no_key(watched: Daemon) -> None:
    watched.start()
    watched.request("GET", "/v1/database/creds/reader")
    watched.stop()
    (watched.state / "key").unlink()
    before = {path.name: path.read_bytes() for path in watched.state.iterdir()}
    assert alarms("--state-dir", watched.state) == {}
    assert {path.name: path.read_bytes() for path in watched.state.iterdir()} == before
