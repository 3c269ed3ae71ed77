"""Released packages of other languages, from their own registries into a cache outside of here.

Where a tool is missing or the registry is out of reach, the tests that need it are skipped, and the
summary says why. Anything else that goes wrong, such as a hash that does not fit, is a failure.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leasehold-tests"
MAKE_S, WAIT_S = 140, 300
"""What making may take with nothing in any cache; and when others make theirs before."""
OLDEST_NODE = 18
"""What node-vault asks for."""
_AWAY = re.compile(
    "ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT"
    "|dial tcp|i/o timeout|TLS handshake timeout|module lookup disabled by GOPROXY=off"
)
_TOO_OLD = re.compile("requires go >= ")


def command(*names: str) -> str:
    """The first of these commands that is installed; else the test is skipped."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"{' or '.join(names)} is not installed")


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """One test process at a time, of all on this machine."""
    CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made(what: str, *arguments: str, cwd: Path) -> None:
    """Run what downloads and builds. Skips when the network is not there; else it must succeed."""
    try:
        done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, timeout=MAKE_S)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{what} was not there within {MAKE_S} s")
    words = done.stderr.strip() or done.stdout.strip()
    if done.returncode and _AWAY.search(words):
        pytest.skip(f"{what} cannot be had: the registry is out of reach")
    if done.returncode and _TOO_OLD.search(words):
        pytest.skip(f"{what} cannot be built: {words.splitlines()[-1]}")
    assert done.returncode == 0, words


def node_modules(package: Path) -> Path:
    """The folder with what `package`/package-lock.json names, installed once by its content."""
    npm, node = command("npm"), command("node")
    version = subprocess.check_output([node, "--version"], text=True, timeout=10).strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node is {version}, and node-vault needs {OLDEST_NODE}")
    files = [package / name for name in ("package.json", "package-lock.json")]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    kept = CACHE / f"node-{digest[:16]}"
    with alone("node"):
        if not kept.is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                new = Path(folder) / "new"
                new.mkdir()
                for file in files:
                    shutil.copy(file, new)
                install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
                made("node-vault", *install, cwd=new)
                new.rename(kept)
    return kept / "node_modules"


def go_program(module: Path, folder: Path, *how: str) -> Path:
    """What `go build`, or `how`, makes of `module`, in `folder`."""
    go, program = command("go"), folder / "program"
    with alone("go"):
        made("Vault's client for Go", go, *(how or ("build",)), "-o", str(program), ".", cwd=module)
    return program
