"""Vault's client for Go, as it is released; its claims are in go/*_test.go."""

import re
import subprocess
from pathlib import Path

import pytest

from clients.toolchains import WAIT_S, go_program

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(WAIT_S)]

MODULE = Path(__file__).with_name("go")
SOURCE = "".join(file.read_text() for file in MODULE.glob("*_test.go"))
CLAIMS = sorted(re.findall(r"^func (Test\w+)\(", SOURCE, re.MULTILINE))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go_program(MODULE, tmp_path_factory.mktemp("go"), "test", "-c")


def holds(claim: str, program: Path, environment: dict[str, str]) -> None:
    run = [program, "-test.v", "-test.parallel=16", f"-test.run=^{claim}$"]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=60)
    assert f"--- PASS: {claim} " in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("claim", CLAIMS)
def test_it_holds_for_go(program: Path, environment: dict[str, str], claim: str) -> None:
    holds(claim, program, environment)


def test_it_holds_for_go_by_tls(program: Path, by_tls: dict[str, str]) -> None:
    holds("TestACredentialLogsInUntilItsLeaseIsRevoked", program, by_tls)
