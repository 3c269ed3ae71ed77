"""A command gets a credential for as long as it runs, and nobody else sees it."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from leasehold.client import Client
from servers.daemon import Daemon, eventually, policy_for
from servers.operator import audited
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
TELL = "import json, os, sys; print(json.dumps({}), flush=True); {}"


SWIFT = """\
  main/swift:
    member_of: [app_readonly]
    default_ttl: 6s
    max_ttl: 8s
    overlap: 5s
  main/hasty:
    member_of: [app_readonly]
    default_ttl: 2s
    max_ttl: 3s
lease_limits:"""


@pytest.fixture
def served(daemon: Daemon, postgres: PostgresServer) -> Daemon:
    policy = policy_for(postgres).replace("main/reader:\n", "main/reader:\n    bind: process\n")
    daemon.write_policy(policy.replace("lease_limits:", SWIFT))
    return daemon.start()


def start(
    daemon: Daemon, options: list[str], code: str, role: str = "reader"
) -> subprocess.Popen[str]:
    path = f"database/creds/{role}"
    leasehold = [sys.executable, "-m", "leasehold", "exec", path, *options]
    command = [*leasehold, "--socket", str(daemon.socket), "--", sys.executable, "-c", code]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


ENV = ["--env", "DB_USER=username", "--env", "DB_PASSWORD=password"]


def test_a_command_has_its_credential_as_long_as_it_runs(
    served: Daemon, postgres: PostgresServer
) -> None:
    told = "[os.environ['DB_USER'], os.environ['DB_PASSWORD']]"
    with start(served, ENV, TELL.format(told, "sys.stdin.read(); sys.exit(7)")) as running:
        assert running.stdout is not None
        assert running.stdin is not None
        user, password = json.loads(running.stdout.readline())
        assert postgres.can_log_in(user, password)
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert password not in process.read_text(errors="replace")
            except OSError:
                continue
        running.stdin.close()
        assert running.wait(20) == 7
        assert user not in postgres.accounts()


def test_files_are_the_callers_own_and_go_with_the_command(
    served: Daemon, postgres: PostgresServer
) -> None:
    told = (
        "{name: [open(os.path.join(os.environ['LEASEHOLD_CREDENTIALS'], name)).read(),"
        " os.stat(os.path.join(os.environ['LEASEHOLD_CREDENTIALS'], name)).st_mode & 0o777]"
        " for name in os.listdir(os.environ['LEASEHOLD_CREDENTIALS'])}"
        ", os.environ['LEASEHOLD_CREDENTIALS']"
    )
    with start(served, ["--files"], TELL.format(f"[{told}]", "sys.stdin.read()")) as running:
        assert running.stdout is not None
        assert running.stdin is not None
        found, folder = json.loads(running.stdout.readline())
        assert {mode for _, mode in found.values()} == {0o600}
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        assert postgres.can_log_in(found["username"][0], found["password"][0])
        running.stdin.close()
        assert running.wait(20) == 0
        assert not Path(folder).exists()


def test_a_signal_ends_the_command_and_the_credential(
    served: Daemon, postgres: PostgresServer
) -> None:
    tell = TELL.format("os.environ['DB_USER']", "sys.stdin.read()")
    with start(served, ENV, tell) as running:
        assert running.stdout is not None
        user = json.loads(running.stdout.readline())
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 128 + signal.SIGTERM
        assert user not in postgres.accounts()
    with start(served, ENV, tell) as running:
        assert running.stdout is not None
        user = json.loads(running.stdout.readline())
        running.kill()  # nobody can revoke it any more but the daemon
        eventually(lambda: user not in postgres.accounts(), 2, "the end of the account")


def test_a_lease_that_is_revoked_ends_the_command(served: Daemon) -> None:
    with start(served, ENV, TELL.format("1", "sys.stdin.read()"), role="brief") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "1\n"
        client = Client(served.socket)
        [lease] = client.leases()
        client.revoke(lease["lease_id"])
        assert running.wait(20) == 128 + signal.SIGTERM


def test_a_command_is_started_again_with_the_next_credential(
    served: Daemon, postgres: PostgresServer
) -> None:
    told = TELL.format("os.environ['DB_USER']", "sys.stdin.read(); sys.exit(7)")
    with start(served, [*ENV, "--restart"], told, role="swift") as running:
        assert running.stdout is not None
        assert running.stdin is not None
        users = [json.loads(running.stdout.readline()) for _ in range(2)]
        assert users[0] != users[1]
        eventually(lambda: users[0] not in postgres.accounts(), what="the end of the first")
        assert users[1] in postgres.accounts()
        running.stdin.close()
        assert running.wait(20) == 7
    assert postgres.accounts() == []
    assert "acknowledged" in [line["event"] for line in audited(served)]


REREADS = """
import json, os, signal, sys
def tell(*_):
    os.chdir(os.environ["LEASEHOLD_CREDENTIALS"])
    print(json.dumps({name: open(name).read() for name in os.listdir()}), flush=True)
signal.signal(signal.SIGHUP, tell)
tell()
sys.stdin.read()
"""


def test_a_command_that_gets_a_signal_finds_the_next_credential_in_its_files(
    served: Daemon, postgres: PostgresServer
) -> None:
    with start(served, ["--files", "--signal", "hup"], REREADS, role="swift") as running:
        assert running.stdout is not None
        assert running.stdin is not None
        first, second = (json.loads(running.stdout.readline()) for _ in range(2))
        for each in (first, second):
            assert postgres.can_log_in(each["username"], each["password"])
        Client(served.socket).acknowledge_lease(second["lease_id"])
        assert not postgres.can_log_in(first["username"], first["password"])
        assert postgres.can_log_in(second["username"], second["password"])
        running.stdin.close()
        assert running.wait(20) == 0
    assert postgres.accounts() == []


WATCHES = """
import os, sys, time
link = os.environ["LEASEHOLD_CREDENTIALS"]
first = os.readlink(link)
while os.readlink(link) == first:
    time.sleep(0.05)
print(open(os.path.join(link, "username")).read(), flush=True)
sys.stdin.read()
"""


def test_a_command_that_watches_its_files_sees_the_next_credential(
    served: Daemon, postgres: PostgresServer
) -> None:
    options = ["--files", "--reread", "--reason", "ABC-1"]
    with start(served, options, WATCHES, role="swift") as running:
        assert running.stdout is not None
        assert running.stdin is not None
        assert running.stdout.readline().strip() in postgres.accounts()
        [label] = {lease["labels"]["reason"] for lease in Client(served.socket).leases()}
        assert label == "ABC-1", "the second is asked for with what the first was"
        running.stdin.close()
        assert running.wait(20) == 0
    assert postgres.accounts() == []


def test_a_command_that_can_take_no_other_credential_is_warned_and_ended(served: Daemon) -> None:
    with start(served, ENV, "import sys; sys.stdin.read()", role="hasty") as running:
        assert running.wait(20) == 128 + signal.SIGTERM
        assert running.stderr is not None
        warned, lost = running.stderr.read().splitlines()
    assert re.fullmatch(r"leasehold: lease \S+ is not renewed any further and .*", warned)
    assert re.fullmatch(r"leasehold: lease \S+ has ended; ask for a new credential", lost)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--files", "--signal", "KILL"], "--signal: found 'KILL'; allowed is one of HUP, INT,"),
        (["--files", "--reread", "--restart"], "--restart, --signal, --reread: allowed is one"),
        ([*ENV, "--signal", "HUP"], "--signal: the environment of a command that runs cannot be"),
        ([], "the command would not get the credential; add --env NAME=FIELD or --files"),
        (["--env", "USER"], "--env: found 'USER'; allowed is NAME=FIELD"),
        (["--env", "USER=nme"], "--env: no field nme; there are password, username"),
    ],
)
def test_wrong_options_are_told_and_leave_no_account(
    served: Daemon, postgres: PostgresServer, options: list[str], line: str
) -> None:
    with start(served, options, "") as running:
        _, errors = running.communicate(timeout=20)
        assert running.returncode == 1
        assert line in errors
        assert len(errors.splitlines()) == 1
    assert postgres.accounts() == []
