import asyncio
import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold import failpoints
from leasehold.errors import ConfigError


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.disarm()


def specification(folder: Path, points: object, mode: int = 0o600) -> Path:
    path = folder / "failpoints.json"
    path.write_text(points if isinstance(points, str) else json.dumps(points))
    path.chmod(mode)
    return path


def test_nothing_happens_unless_it_was_armed(tmp_path: Path) -> None:
    failpoints.hit("store.commit")
    failpoints.arm(specification(tmp_path, {"store.commit": {"action": "raise"}}))
    failpoints.hit("somewhere.else")
    failpoints.disarm()
    failpoints.hit("store.commit")


@pytest.mark.parametrize(("action", "number"), [("raise", errno.EIO), ("full", errno.ENOSPC)])
def test_an_armed_point_raises_what_a_disk_would(tmp_path: Path, action: str, number: int) -> None:
    failpoints.arm(specification(tmp_path, {"store.commit": {"action": action}}))
    with pytest.raises(OSError, match=r"store\.commit") as caught:
        failpoints.hit("store.commit")
    assert caught.value.errno == number


def test_as_many_hits_pass_as_were_asked_for(tmp_path: Path) -> None:
    failpoints.arm(specification(tmp_path, {"p": {"action": "raise", "after": 2}}))
    failpoints.hit("p")
    failpoints.hit("p")
    for _ in range(3):
        with pytest.raises(OSError, match="p"):
            failpoints.hit("p")


def test_a_point_can_be_slow(tmp_path: Path) -> None:
    failpoints.arm(specification(tmp_path, {"p": {"action": "sleep", "seconds": 0.02}}))
    began = time.monotonic()
    failpoints.hit("p")
    assert time.monotonic() - began >= 0.02


@pytest.mark.parametrize(
    ("action", "raised"),
    [
        ("drop-connection", ConnectionResetError),
        ("defect", RuntimeError),
        ("cancel", asyncio.CancelledError),
    ],
)
def test_an_armed_point_fails_in_the_way_that_was_asked_for(
    tmp_path: Path, action: str, raised: type[BaseException]
) -> None:
    failpoints.arm(specification(tmp_path, {"p": {"action": action}}))
    with pytest.raises(raised):
        failpoints.hit("p")


def test_no_more_hits_are_acted_on_than_were_asked_for(tmp_path: Path) -> None:
    failpoints.arm(specification(tmp_path, {"p": {"action": "defect", "after": 1, "times": 2}}))
    failpoints.hit("p")
    for _ in range(2):
        with pytest.raises(RuntimeError):
            failpoints.hit("p")
    failpoints.hit("p")


def test_what_was_acted_on_is_told_beside_the_specification(tmp_path: Path) -> None:
    path = specification(tmp_path, {"p": {"action": "defect", "after": 1}})
    failpoints.arm(path)
    failpoints.hit("p")
    assert not path.with_suffix(".met").exists()
    with pytest.raises(RuntimeError):
        failpoints.hit("p")
    assert path.with_suffix(".met").read_text() == "p\n"


async def test_a_coroutine_that_hangs_holds_up_nobody_else(tmp_path: Path) -> None:
    failpoints.arm(specification(tmp_path, {"p": {"action": "hang"}}))
    async with asyncio.TaskGroup() as group:
        hanging = group.create_task(failpoints.reach("p"))
        await asyncio.sleep(0.01)
        await failpoints.reach("q")
        assert not hanging.done()
        hanging.cancel()


async def test_a_changed_specification_is_taken_over_and_judged_again(tmp_path: Path) -> None:
    failpoints.arm(specification(tmp_path, {}))
    await failpoints.reach("p")
    specification(tmp_path, {"p": {"action": "raise"}})
    with pytest.raises(OSError, match="p"):
        await failpoints.reach("p")
    specification(tmp_path, {"p": {"action": "kill"}}, 0o666)
    with pytest.raises(ConfigError, match="writable by no other"):
        await failpoints.reach("p")


def test_a_kill_is_a_real_one(tmp_path: Path) -> None:
    path = specification(tmp_path, {"p": {"action": "kill"}})
    program = (
        "import sys; from pathlib import Path; from leasehold import failpoints;"
        "failpoints.arm(Path(sys.argv[1])); failpoints.hit('p'); print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, check=False)
    assert done.returncode == -9
    assert done.stdout == b""


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_specification_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="writable by no other"):
        failpoints.arm(specification(tmp_path, {"p": {"action": "raise"}}, mode))
    failpoints.hit("p")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_specification_of_another_user_is_refused(tmp_path: Path) -> None:
    path = specification(tmp_path, {})
    os.chown(path, 65_534, 65_534)
    with pytest.raises(ConfigError, match="owned by root or us"):
        failpoints.arm(path)


@pytest.mark.parametrize(
    "points", ["", "{", "[]", "7", '{"p": 1}', '{"p": {}}', '{"p": {"after": 1}}']
)
def test_a_broken_specification_is_refused(tmp_path: Path, points: str) -> None:
    with pytest.raises(ConfigError, match="not a readable failpoint specification"):
        failpoints.arm(specification(tmp_path, points))


def test_a_misspelt_action_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="allowed are kill, raise, full, drop-connection"):
        failpoints.arm(specification(tmp_path, {"p": {"action": "kil"}}))


def test_a_missing_specification_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        failpoints.arm(tmp_path / "nowhere.json")
