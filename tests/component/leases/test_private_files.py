"""T41: what others put into the state directory, or could exchange, is refused and not followed."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from component.leases.home import KEY, SQLiteHome, issue
from leasehold.errors import ConfigError
from leasehold.events.audit import FileAudit
from leasehold.events.audit_line import GENESIS
from leasehold.leases.sqlite import SQLiteStore
from leasehold.leases.sqlite_files import FILES

AUDIT = "audit.jsonl"
NAMES = (*FILES, AUDIT)
Plant = Callable[[Path, Path], object]


@pytest.fixture
def home(tmp_path: Path) -> SQLiteHome:
    made = SQLiteHome(tmp_path)
    made.path.parent.mkdir(mode=0o700)
    return made


@pytest.fixture
def treasure(tmp_path: Path) -> Path:
    """A file of the daemon's user that somebody would have the daemon write to."""
    file = tmp_path / "treasure"
    file.write_bytes(b"")
    file.chmod(0o600)
    return file


def opened(state_dir: Path) -> None:
    """What a start does with the directory."""
    store = SQLiteStore(state_dir, KEY)
    try:
        FileAudit(
            state_dir / AUDIT, b"k", head=GENESIS, wall=lambda _: NotImplemented, boot="b"
        ).close()
    finally:
        store._db.close()
        os.close(store._lock)


def refusal(state_dir: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        opened(state_dir)
    assert str(state_dir.parent) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


PLANTS: dict[str, tuple[Plant, str]] = {
    "a link to a file": (
        lambda place, treasure: place.symlink_to(treasure),
        "is not a regular file; look what it is, and move it away",
    ),
    "a link to nothing": (
        lambda place, treasure: place.symlink_to(treasure.with_name("nothing")),
        "is not a regular file",
    ),
    "another name of a file": (
        lambda place, treasure: os.link(treasure, place),
        "has 2 names (hard links); put a copy in its place",
    ),
    "a pipe": (lambda place, _: os.mkfifo(place, 0o600), "is not a regular file"),
    "a directory": (lambda place, _: place.mkdir(0o700), "is not a regular file"),
    "a file that others read": (
        lambda place, _: (place.touch(), place.chmod(0o644)),
        "has mode 0644; run chmod 0600",
    ),
    "a file that others write": (
        lambda place, _: (place.touch(), place.chmod(0o620)),
        "has mode 0620; run chmod 0600",
    ),
}
if os.geteuid() == 0:
    PLANTS["a file of another user"] = (
        lambda place, _: (place.touch(0o600), os.chown(place, 65_534, 65_534)),
        "belongs to uid 65534, not to us; chown it",
    )


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", PLANTS)
def test_what_others_may_have_put_there_is_refused_in_one_line_and_left_alone(
    home: SQLiteHome, treasure: Path, what: str, name: str
) -> None:
    plant, said = PLANTS[what]
    place = home.path.parent / name
    plant(place, treasure)
    before = place.lstat()
    line = refusal(home.path.parent)
    assert f"{place}: {said}" in line
    assert place.lstat().st_mode == before.st_mode
    assert treasure.read_bytes() == b""
    assert not treasure.with_name("nothing").exists()


def test_what_the_line_says_mends_it(home: SQLiteHome) -> None:
    home.path.touch(0o644)
    home.path.chmod(0o644)
    command = refusal(home.path.parent).partition("; run ")[2].rstrip(")")
    subprocess.run(command.split(), check=True)
    opened(home.path.parent)


@pytest.mark.parametrize("mode", [0o770, 0o757, 0o777])
def test_a_directory_above_in_which_others_could_exchange_ours_is_refused(
    tmp_path: Path, mode: int
) -> None:
    above = tmp_path / "above"
    (above / "state").mkdir(mode=0o700, parents=True)
    above.chmod(mode)
    said = refusal(above / "state")
    assert said.startswith(f"{above}: others may write it (mode {mode:04o})")
    assert "could replace the state directory; run chmod go-w" in said
    above.chmod(mode | stat.S_ISVTX)
    opened(above / "state")


def test_a_link_to_the_directory_hides_no_directory_above_it(tmp_path: Path) -> None:
    """Neither those that lead to the link, nor those that lead to where it leads."""
    for name in ("link", "real"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "real" / "state").mkdir(mode=0o700)
    place = tmp_path / "link" / "state"
    place.symlink_to(tmp_path / "real" / "state")
    opened(place)
    for name in ("link", "real"):
        (tmp_path / name).chmod(0o777)
        with pytest.raises(ConfigError, match=f"{tmp_path / name}: others may write it"):
            SQLiteStore(place, KEY)
        (tmp_path / name).chmod(0o700)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_whatever_the_umask_all_that_is_made_is_for_the_owner_alone(
    tmp_path: Path, umask: int
) -> None:
    home, before = SQLiteHome(tmp_path), os.umask(umask)
    try:
        async with home.opened() as store:
            await issue(store)
            made = {place.name: place.stat().st_mode for place in home.path.parent.iterdir()}
    finally:
        os.umask(before)
    assert made.keys() >= {"leases.db", "leases.db-wal", "leases.db-shm", "lock"}
    assert {stat.S_IMODE(mode) for mode in made.values()} == {0o600}
    assert stat.S_IMODE(home.path.parent.stat().st_mode) == 0o700
