"""T41: what the daemon makes, as strace sees it: for its owner alone from the first instant."""

import re
import shutil
import stat
from pathlib import Path

import pytest

from servers.daemon import Daemon

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]
TRACED = """\
import os, sys
os.umask(int(sys.argv[1], 8))
calls = "trace=open,openat,creat,mkdir,mkdirat,chmod,fchmod,fchmodat"
strace = ["strace", "-D", "-f", "-qq", "-s", "512", "-y", "-e", calls, "-o", sys.argv[2]]
os.execvp("strace", [*strace, sys.executable, "-m", "leasehold", *sys.argv[3:]])
"""
_MADE = re.compile(r'open(?:at)?\(.*"(?P<path>[^"]+)", (?P<flags>\S*O_CREAT\S*), (?P<mode>0\d*)\)')
_CHANGED = re.compile(r'chmod(?:at)?\(.*?[<"](?P<path>/[^>"]+)[>"]')


@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_no_file_is_made_for_others_and_no_link_followed_whatever_the_umask(
    daemon: Daemon, tmp_path: Path, umask: str
) -> None:
    trace = tmp_path / "trace"
    daemon.program = ("-c", TRACED, umask, str(trace))
    shutil.rmtree(daemon.state)
    daemon.start()
    assert daemon.request("GET", "/v1/database/creds/reader").status == 200
    daemon.stop()
    lines = trace.read_text(errors="replace").splitlines()
    made: set[str] = set()
    for found in filter(None, map(_MADE.search, lines)):
        path = found["path"]
        if not path.startswith(str(daemon.folder)) or path in made:
            continue  # SQLite names O_CREAT also for what is there
        made.add(path)
        assert found["mode"] == "0600", found[0]
        assert "O_NOFOLLOW" in found["flags"] or "O_EXCL" in found["flags"], found[0]
    names = {Path(path).name for path in made}
    assert names >= {"lock", "leases.db", "leases.db-wal", "leases.db-shm", "audit.jsonl", "key"}
    changed = {found["path"] for found in filter(None, map(_CHANGED.search, lines))}
    assert changed & {str(daemon.socket), *made} == {str(daemon.socket)}, "it alone is for others"
    for place in daemon.state.iterdir():
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(daemon.state.stat().st_mode) == 0o700
