"""`leasehold demo`: the story ends well, says what it shows, and leaves nothing running."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "leasehold", "demo", "--policies", str(CHECKOUT / "policies")]


def running_in(folder: Path) -> list[str]:
    """Command lines of processes whose temporary directory this is."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TMPDIR={folder}".encode() in environ.read_bytes():
                found.append(environ.with_name("cmdline").read_bytes().decode())
        except OSError:
            continue
    return found


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder)}


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A temporary directory with a short path, which PostgreSQL's own user can reach too."""
    folder = Path(tempfile.mkdtemp(prefix="lh"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
def test_the_story_is_told_from_issue_to_expiry(reachable: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--json"],
        env=environment(reachable),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["step"] for line in told if "step" in line] == list(range(1, 10))
    events = [line["event"]["type"].rpartition(".")[2] for line in told if "event" in line]
    assert events == ["issued", "renewed", "expiring", "expired"]
    found = [line["found"] for line in told if "found" in line]
    assert any(line.startswith("refused: password authentication failed") for line in found)
    assert any(line.endswith(": 0") for line in found)
    assert list(reachable.iterdir()) == []
    assert running_in(reachable) == []


@pytest.mark.slow
def test_an_interrupt_leaves_nothing_behind(reachable: Path) -> None:
    with subprocess.Popen(
        COMMAND, env=environment(reachable), stdout=subprocess.PIPE, text=True
    ) as demo:
        for line in demo.stdout:
            if "leasehold read" in line:
                break
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
        assert demo.wait(30) == 1
    time.sleep(0.2)
    assert list(reachable.iterdir()) == []
    assert running_in(reachable) == []
