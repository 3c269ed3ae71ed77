"""The units in examples/systemd: as closed as the documents say, and commands that parse."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "examples" / "systemd"
PAGE = (ROOT / "docs" / "operations.md").read_text()
SERVICES = ("leasehold.service", "leasehold-verify.service")
DRIFT = 0.5
"""Versions of systemd weigh a little differently, and newer ones know more to close."""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_is_as_closed_as_the_documents_say(name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNITS / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    found = re.search(rf"exposure level for {re.escape(name)}: ([0-9.]+)", done.stdout)
    assert found, done.stderr
    told = re.findall(r"`systemd-analyze security`: ([0-9.]+)", PAGE)[SERVICES.index(name)]
    assert abs(float(found[1]) - float(told)) <= DRIFT


def test_the_timer_asks_what_leasehold_verify_understands(tmp_path: Path) -> None:
    unit = (UNITS / "leasehold-verify.service").read_text()
    line = re.search(r"^ExecStart=\S+/leasehold-verify (.*)$", unit, re.MULTILINE)
    assert line
    words = [word.replace("/var/lib", str(tmp_path)) for word in line[1].split()]
    command = [sys.executable, "-m", "leasehold_verify", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, ""), "nothing is there, which is an alarm"


def test_the_watchdog_is_longer_than_a_batch_may_take() -> None:
    assert "\nWatchdogSec=2min\n" in (UNITS / "leasehold.service").read_text()
