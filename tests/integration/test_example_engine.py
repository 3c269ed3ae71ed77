"""The example of an engine in a distribution of its own: found, true to the contract, served."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.daemon import Daemon, eventually

EXAMPLE = Path(__file__).parents[2] / "examples" / "engine-htpasswd"
PATH = "/v1/reports/creds/reader"


def run(*command: str, path: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with what stands at `path` on top, far from the example's own directory."""
    env = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=cwd,
        env=env,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the example as pip installs it, and nothing of it anywhere else."""
    place = tmp_path_factory.mktemp("installed")
    done = run(
        *("pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"),
        *("--no-build-isolation", "--target", str(place), str(EXAMPLE)),
        path=place,
        cwd=place.parent,
    )
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def users(tmp_path: Path) -> Path:
    users = tmp_path / "web" / "users"
    users.parent.mkdir(mode=0o700)
    users.touch(mode=0o640)
    return users


@pytest.fixture
def daemon(installed: Path, users: Path, tmp_path: Path) -> Iterator[Daemon]:
    policy = (EXAMPLE / "policy.yaml").read_text()
    policy = policy.replace("/var/lib/leasehold-web/reports.users", str(users))
    made = Daemon(tmp_path / "d", {"PYTHONPATH": str(installed)}, policy=policy)
    made.nursery = None  # where Python looks is settled when it starts
    yield made.start()
    made.stop()


def names(users: Path) -> list[str]:
    lines = users.read_text().splitlines()
    return [line.partition(":")[0] for line in lines if not line.startswith("#")]


def test_it_keeps_the_contract(installed: Path, tmp_path: Path) -> None:
    config = str(EXAMPLE / "pyproject.toml")
    options = ("-p", "no:cacheprovider", "--basetemp", str(tmp_path / "contract"), "-c", config)
    done = run("pytest", *options, str(EXAMPLE / "tests"), path=installed, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_its_policy_is_valid_where_it_is_installed_and_only_there(
    installed: Path, tmp_path: Path
) -> None:
    validate = ("leasehold", "validate", str(EXAMPLE / "policy.yaml"), "--json")
    there = json.loads(run(*validate, path=installed, cwd=tmp_path).stdout)
    assert (there["valid"], there["roles"][0]["path"]) == (True, "reports/creds/reader")
    elsewhere = json.loads(run(*validate, path=tmp_path, cwd=tmp_path).stdout)
    assert "unknown engine type htpasswd" in elsewhere["problems"][0]["message"]


def test_an_account_lives_in_the_file_as_long_as_its_lease(daemon: Daemon, users: Path) -> None:
    issued = daemon.request("GET", PATH)
    assert names(users) == [issued.data["username"]]
    assert issued.data["password"] not in users.read_text()
    revoked = daemon.request("PUT", "/v1/sys/leases/revoke", {"lease_id": issued.json["lease_id"]})
    assert (revoked.status, names(users)) == (204, [])


def test_an_account_ends_although_the_daemon_was_killed(daemon: Daemon, users: Path) -> None:
    daemon.request("GET", f"{PATH}?ttl=1")
    daemon.kill()
    assert len(names(users)) == 1
    daemon.start()
    eventually(lambda: names(users) == [], what="the end of the account")
