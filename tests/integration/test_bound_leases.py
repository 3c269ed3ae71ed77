"""A lease that is bound to a process, or a unit, ends with it at the target, whatever kills it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold.client import Client
from leasehold.errors import Invalid
from servers.daemon import Daemon, eventually, policy_for
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
WITHIN_S = 2.0
HOLD = """
import sys
from leasehold.client import Client
issued = Client(sys.argv[1]).read("database/creds/reader")
print(issued.fields["username"].reveal(), flush=True)
sys.stdin.read()
"""


def binding(postgres: PostgresServer, bind: str) -> str:
    return policy_for(postgres).replace("main/reader:\n", f"main/reader:\n    bind: {bind}\n")


class Holder:
    """A process that has a credential and sits there."""

    def __init__(self, daemon: Daemon, *prefix: str) -> None:
        command = [*prefix, sys.executable, "-c", HOLD, f"unix://{daemon.socket}"]
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.child.stdout is not None
        self.account = self.child.stdout.readline().strip()
        assert self.account

    def kill(self) -> None:
        self.child.kill()
        self.child.wait(10)
        for stream in (self.child.stdin, self.child.stdout):
            assert stream is not None
            stream.close()


def stands(postgres: PostgresServer, account: str) -> bool:
    return account in postgres.accounts()


def test_a_killed_process_loses_its_lease_at_once_and_others_keep_theirs(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.write_policy(binding(postgres, "process"))
    daemon.start()
    killed, other = Holder(daemon), Holder(daemon)
    assert stands(postgres, killed.account)
    began = time.monotonic()
    killed.kill()
    eventually(lambda: not stands(postgres, killed.account), WITHIN_S, "the end of the account")
    assert time.monotonic() - began < WITHIN_S
    assert stands(postgres, other.account)
    other.kill()
    eventually(lambda: not stands(postgres, other.account), WITHIN_S, "the end of the other")


def test_a_restart_takes_up_who_lives_and_ends_what_was_held_by_who_does_not(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.write_policy(binding(postgres, "process"))
    daemon.start()
    lives, dies = Holder(daemon), Holder(daemon)
    daemon.kill()
    dies.kill()
    daemon.start()
    eventually(lambda: not stands(postgres, dies.account), 10, "the end of the account")
    assert stands(postgres, lives.account)
    lives.kill()
    eventually(lambda: not stands(postgres, lives.account), WITHIN_S, "the end of the other")


def test_who_cannot_be_told_gets_no_lease_that_is_bound(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.write_policy(binding(postgres, "process"))
    daemon.start()
    issued = Client(daemon.socket).login()
    with pytest.raises(Invalid, match="end with the process that asks; it must be asked for on"):
        Client(daemon.socket, token=issued.text).read("database/creds/reader")


@pytest.fixture
def unit() -> Iterator[Path]:
    """The cgroup of a unit that systemd might have made."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    roots = [Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"]
    if not roots or not os.access(roots[0], os.W_OK):
        pytest.skip("needs a cgroup v2 that may be written to")
    above = roots[0] / f"held{os.getpid()}.slice"
    (above / "billing.service").mkdir(parents=True)
    yield above / "billing.service"
    eventually(lambda: "populated 0" in (above / "cgroup.events").read_text())
    (above / "billing.service").rmdir()
    above.rmdir()


def test_a_lease_of_a_unit_lives_until_the_last_process_of_the_unit_has_ended(
    daemon: Daemon, postgres: PostgresServer, unit: Path
) -> None:
    daemon.write_policy(binding(postgres, "unit"))
    daemon.start()
    enter = ("sh", "-c", f'echo $$ > {unit}/cgroup.procs; exec "$@"', "sh")
    first, last = Holder(daemon, *enter), Holder(daemon, *enter)
    first.kill()
    time.sleep(WITHIN_S)
    assert stands(postgres, first.account)
    last.kill()
    for holder in (first, last):
        eventually(
            lambda account=holder.account: not stands(postgres, account), WITHIN_S, "the end"
        )
    with pytest.raises(Invalid, match="its process is in no systemd unit"):
        Client(daemon.socket).read("database/creds/reader")
