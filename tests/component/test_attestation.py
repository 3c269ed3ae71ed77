"""Who is let in by facts of its process, and who is not, asked of the real kernel."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.door import Door
from fakes.front import real_clock
from leasehold.bundle import Bind, UnixMatch
from leasehold.identity import process
from leasehold.identity.hashing import Hashes
from leasehold.identity.holder import holder_of
from leasehold.identity.process import Untold

SLEEP = shutil.which("sleep") or ""
CONNECT = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.set_inheritable(True)
{then}
"""
STAY = CONNECT.format(then="sys.stdin.read()")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="becomes others, which only root may")


@pytest.fixture
def here() -> Iterator[Path]:
    """A folder that others may pass through."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def match(uid: int | None = None, **facts: str) -> UnixMatch:
    return UnixMatch(uid=os.getuid() if uid is None else uid, process=tuple(facts.items()))


def python() -> str:
    return os.path.realpath(sys.executable)


def sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.fixture
def cgroup(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The cgroup of a unit that systemd might have made."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    roots = [Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"]
    if not roots or not os.access(roots[0], os.W_OK):
        pytest.skip("needs a cgroup v2 that may be written to")
    above = roots[0] / f"lease{os.getpid()}.slice"
    unit = above / "billing.service"
    unit.mkdir(parents=True)
    yield unit
    unit.rmdir()
    above.rmdir()


def entering(cgroup: Path | bytes) -> tuple[str, ...]:
    """What runs a command in a cgroup."""
    return ("sh", "-c", f'echo $$ > {os.fsdecode(cgroup)}/cgroup.procs; exec "$@"', "sh")


def test_what_nobody_asks_for_is_not_read(here: Path) -> None:
    door = Door(here, UnixMatch(uid=os.getuid()), match(uid=os.getuid() + 1, exe=python()))
    with door.knock(sys.executable, "-c", STAY) as (caller, _):
        assert not door.attestation.asks_more(caller)
        assert asyncio.run(door.attestation.narrowed(caller)).process.facts == {}
    door.close()


def test_an_executable_is_known_by_its_path_and_its_hash(here: Path) -> None:
    real = python()
    door = Door(
        here,
        match(exe=real),
        match(sha256=sha256(real)),
        match(exe=real, sha256=sha256(real)),
        match(exe=SLEEP),
        match(sha256="0" * 64),
    )
    with door.knock(sys.executable, "-c", STAY) as (caller, _):
        assert door.names(caller) == ["id-0", "id-1", "id-2"]
    door.close()


def test_a_hash_is_only_taken_of_who_agrees_in_all_else(here: Path) -> None:
    door = Door(here, match(exe=SLEEP, sha256=sha256(SLEEP)))
    with door.knock(sys.executable, "-c", STAY) as (caller, _):
        known = asyncio.run(door.attestation.narrowed(caller)).process
        assert known.facts == {"exe": python()}
    door.close()


def test_an_executable_that_was_replaced_has_no_path(here: Path) -> None:
    copy = here / "app"
    shutil.copy(python(), copy)
    door = Door(here, match(exe=str(copy)), match(exe=f"{copy} (deleted)"))
    with door.knock(str(copy), "-c", STAY) as (caller, _):
        assert door.names(caller) == ["id-0"]
        copy.unlink()
        shutil.copy("/bin/true", copy)
        assert door.names(caller) == []
        assert "no path any more" in door.all_of(caller).process.untold["exe"]
        assert door.all_of(caller).process.facts["sha256"] == sha256(python())
    door.close()


def test_a_unit_is_let_in_and_the_same_user_outside_of_it_is_not(here: Path, cgroup: Path) -> None:
    slice, unit = cgroup.parent.name, cgroup.name
    door = Door(
        here,
        match(unit=unit),
        match(unit=unit, slice=slice),
        match(cgroup=f"/{slice}"),
        match(unit="other.service"),
        match(slice="system.slice"),
    )
    with door.knock(*entering(cgroup), sys.executable, "-c", STAY) as (caller, child):
        assert door.names(caller) == ["id-0", "id-1", "id-2"]
        child.kill()
        child.wait()
    with door.knock(sys.executable, "-c", STAY) as (caller, _):
        assert door.names(caller) == []
    door.close()


def test_a_cgroup_with_a_name_that_cannot_be_read_is_no_fact(here: Path, cgroup: Path) -> None:
    odd = os.fsencode(cgroup) + b"/\xff"
    os.mkdir(odd)
    door = Door(here, match(unit=cgroup.name), UnixMatch(uid=os.getuid()))
    try:
        with door.knock(*entering(odd), sys.executable, "-c", STAY) as (caller, child):
            assert door.names(caller) == ["id-1"]
            assert "not UTF-8" in door.all_of(caller).process.untold["unit"]
            with pytest.raises(Untold, match="not UTF-8"):
                holder_of(Bind.UNIT, caller)
            child.kill()
            child.wait()
    finally:
        os.rmdir(odd)
        door.close()


@ROOT
def test_a_unit_is_found_whatever_others_mount(here: Path, cgroup: Path) -> None:
    odd = os.fsencode(here) + b"/\xff"
    os.mkdir(odd)
    subprocess.run(["mount", "-t", "tmpfs", "none", odd], check=True)
    door = Door(here)
    try:
        with door.knock(*entering(cgroup), sys.executable, "-c", STAY) as (caller, child):
            assert cgroup.name in holder_of(Bind.UNIT, caller)
            child.kill()
            child.wait()
    finally:
        subprocess.run(["umount", odd], check=True)
        door.close()


@ROOT
def test_another_uid_is_not_let_in_by_the_same_executable(here: Path) -> None:
    door = Door(here, match(exe=python()), match(uid=4711, exe=python()))
    with door.knock_as(4711) as (caller, _):
        assert door.names(caller) == ["id-1"]
    door.close()


@ROOT
def test_a_group_counts_as_the_kernel_has_it_not_as_the_database_has(here: Path) -> None:
    door = Door(here, UnixMatch(gid=4712), UnixMatch(gid=4713))
    with door.knock_as(4711, 4712) as (caller, _):
        assert door.names(caller) == ["id-0"]
    door.close()


@ROOT
def test_root_in_a_user_namespace_is_who_made_it(here: Path) -> None:
    door = Door(here, UnixMatch(uid=0), UnixMatch(uid=4711))
    with door.knock_as(4711, unshare=True) as (caller, _):
        assert door.names(caller) == ["id-1"]
        assert door.all_of(caller).process.namespaces["user"] == process.ANOTHER
    door.close()


@ROOT
def test_another_file_at_the_same_path_of_another_mount_namespace_is_not_let_in(
    here: Path,
) -> None:
    trusted, copy = here / "trusted", here / "copy"
    shutil.copy("/bin/true", trusted)
    shutil.copy(python(), copy)
    door = Door(here, match(exe=str(trusted)), match(sha256=sha256(python())))
    mount = ("unshare", "-m", "sh", "-c", f'mount --bind {copy} {trusted} && exec "$@"', "sh")
    with door.knock(*mount, str(trusted), "-c", STAY) as (caller, _):
        assert door.names(caller) == ["id-1"]
        known = door.all_of(caller).process
        assert known.namespaces["mount"] == process.ANOTHER
        assert "mount namespace is not the host's" in known.untold["exe"]
    door.close()


def test_a_process_that_has_ended_is_nobody_whoever_has_its_pid_now(here: Path) -> None:
    door = Door(here, match(exe=python()), UnixMatch(uid=os.getuid()))
    with door.knock(sys.executable, "-c", STAY) as (caller, child):
        child.kill()
        child.wait()
        assert door.names(caller) == ["id-1"]
        assert "gone" in door.all_of(caller).process.untold["exe"]
    door.close()


def test_facts_of_a_process_that_ends_while_they_are_read_do_not_count(here: Path) -> None:
    class Ending(Hashes):
        async def of(self, descriptor: int) -> str:
            child = children.pop()
            child.kill()
            child.wait()
            return await super().of(descriptor)

    children: list[subprocess.Popen] = []
    door = Door(here, match(exe=python()), hashes=Ending(real_clock()))
    with door.knock(sys.executable, "-c", STAY) as (caller, child):
        children.append(child)
        found = door.all_of(caller).process
        assert found.facts == {}
        assert found.untold["exe"] == "its process ended while it was looked at"
    door.close()


def test_a_descriptor_that_is_passed_on_speaks_for_who_connected(here: Path) -> None:
    pass_on = CONNECT.format(
        then="import subprocess; subprocess.run(['sleep', '60'], pass_fds=[s.fileno()])"
    )
    door = Door(here, match(exe=python()), match(exe=SLEEP))
    with door.knock(sys.executable, "-c", pass_on) as (caller, _):
        assert door.names(caller) == ["id-0"]
    door.close()


@ROOT
def test_a_setuid_program_speaks_as_its_effective_uid(here: Path) -> None:
    helper = here / "helper"
    source = here / "helper.c"
    source.write_text(
        "#include <sys/socket.h>\n#include <sys/un.h>\n#include <string.h>\n#include <unistd.h>\n"
        "int main(int n, char **a) { struct sockaddr_un u = {AF_UNIX};"
        " strncpy(u.sun_path, a[1], sizeof u.sun_path - 1); int s = socket(AF_UNIX, 1, 0);"
        " if (connect(s, (void *)&u, sizeof u)) return 1; pause(); }\n"
    )
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    subprocess.run([compiler, "-o", helper, source], check=True)
    os.chown(helper, 4712, 4712)
    helper.chmod(0o4755)
    door = Door(here, UnixMatch(uid=4711), match(uid=4712, exe=str(helper)))
    with door.knock(str(helper), user=4711, group=4711, extra_groups=[]) as (caller, _):
        if caller.uid == 4711:
            pytest.skip("setuid has no effect on this file system")
        assert door.names(caller) == ["id-1"]
    door.close()
