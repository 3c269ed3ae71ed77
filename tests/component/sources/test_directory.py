"""Policy from a directory: what is noticed, when, and that no half of a change is taken."""

import asyncio
import contextlib
import itertools
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from leasehold.errors import ConfigError
from leasehold.sources.directory import LOOK_S, DirectorySource

SOON_S = 3.0
"""What the kernel tells of is noticed within this, long before LOOK_S."""
LATER_S = 2 * LOOK_S + SOON_S


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill(tmp_path / "policies")


def fill(folder: Path) -> Path:
    folder.mkdir(mode=0o755)
    put(folder / "roles.yaml", "roles: {}\n")
    return folder


def put(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o644)
    return file


@contextlib.asynccontextmanager
async def noticed(source: DirectorySource, within_s: float) -> AsyncIterator[None]:
    """What is done in the block is noticed, and not before it is done."""
    async with asyncio.timeout(within_s + 1), asyncio.TaskGroup() as group:
        waiting = group.create_task(source.changed())
        await asyncio.sleep(0.5)
        assert not waiting.done()
        yield


async def unnoticed(source: DirectorySource, for_s: float = 0.7) -> bool:
    try:
        await asyncio.wait_for(source.changed(), for_s)
    except TimeoutError:
        return True
    return False


async def test_the_files_are_read_with_where_they_came_from(folder: Path) -> None:
    snapshot = await DirectorySource(folder).read()
    assert snapshot.files == (("roles.yaml", b"roles: {}\n"),)
    assert (snapshot.origin.kind, snapshot.origin.location) == ("directory", str(folder))


def in_place(folder: Path) -> None:
    put(folder / "roles.yaml", "changed\n")


def as_editors_do(folder: Path) -> None:
    put(folder / ".roles.yaml.swp", "changed\n").rename(folder / "roles.yaml")


def with_a_backup(folder: Path) -> None:
    (folder / "roles.yaml").rename(folder / "roles.yaml~")
    put(folder / "roles.yaml", "changed\n")


def one_more(folder: Path) -> None:
    (folder / "team").mkdir(mode=0o755)
    put(folder / "team" / "access.yaml", "access: []\n")


def one_less(folder: Path) -> None:
    (folder / "roles.yaml").unlink()


def renamed(folder: Path) -> None:
    (folder / "roles.yaml").rename(folder / "other.yaml")


def open_to_others(folder: Path) -> None:
    (folder / "roles.yaml").chmod(0o666)


@pytest.mark.parametrize(
    "change",
    [in_place, as_editors_do, with_a_backup, one_more, one_less, renamed, open_to_others],
)
async def test_a_change_is_noticed_soon_and_once(
    folder: Path, change: Callable[[Path], None]
) -> None:
    source = DirectorySource(folder)
    await source.read()
    async with noticed(source, SOON_S):
        change(folder)
    with contextlib.suppress(ConfigError):
        await source.read()
    assert await unnoticed(source)


async def test_what_is_no_policy_is_no_change(folder: Path) -> None:
    source = DirectorySource(folder)
    await source.read()
    async with asyncio.TaskGroup() as group:
        quiet = group.create_task(unnoticed(source, 2.5))
        await asyncio.sleep(1)
        put(folder / "README.md", "words")
        put(folder / ".roles.yaml.swp", "half")
        (folder / "roles.yaml").touch()
    assert quiet.result()


async def test_a_file_that_is_written_bit_by_bit_is_one_change(folder: Path) -> None:
    source = DirectorySource(folder)
    await source.read()
    async with noticed(source, LATER_S):
        with (folder / "roles.yaml").open("w") as file:
            for line in range(20):
                file.write(f"line {line}\n")
                file.flush()
                await asyncio.sleep(0.05)
    assert (await source.read()).files[0][1].count(b"\n") == 20
    assert await unnoticed(source)


async def test_files_that_change_all_the_time_are_not_read_half(folder: Path) -> None:
    source = DirectorySource(folder)
    for number in range(100):
        put(folder / f"{number}.yaml", "")
    stop = threading.Event()

    def write_on() -> None:
        for count in itertools.count():
            put(folder / f"{count % 100}.yaml", f"{count}")
            if stop.is_set():
                return

    refusals: list[str] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(write_on))
        try:
            for _ in range(50):  # one that falls between two writes is whole
                try:
                    await source.read()
                except ConfigError as refused:
                    refusals.append(str(refused))
                    break
        finally:
            stop.set()
    assert "changes all the time; reload when it stands still" in refusals[0]
    await asyncio.wait_for(source.changed(), SOON_S)
    assert len((await source.read()).files) == 101


async def test_a_directory_that_vanishes_and_returns_is_survived(folder: Path) -> None:
    source = DirectorySource(folder)
    before = await source.read()
    async with noticed(source, LATER_S):
        shutil.rmtree(folder)
    with pytest.raises(ConfigError, match="no such policy directory or file"):
        await source.read()
    async with noticed(source, LATER_S):
        fill(folder)
    assert (await source.read()).files == before.files
    async with noticed(source, SOON_S):
        in_place(folder)


async def test_a_link_that_leads_elsewhere_now_is_noticed(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(folder)
    source = DirectorySource(link)
    await source.read()
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    put(other / "roles.yaml", "other\n")
    async with noticed(source, LATER_S):
        (tmp_path / "next").symlink_to(other)
        (tmp_path / "next").rename(link)
    assert (await source.read()).files == (("roles.yaml", b"other\n"),)


async def test_a_config_map_that_is_swapped_is_noticed(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    for number in "12":
        (mount / f"..{number}").mkdir(mode=0o755, parents=True)
        put(mount / f"..{number}" / "roles.yaml", number)
    (mount / "..data").symlink_to("..1")
    (mount / "roles.yaml").symlink_to("..data/roles.yaml")
    source = DirectorySource(mount)
    await source.read()
    async with noticed(source, SOON_S):
        (mount / "..next").symlink_to("..2")
        (mount / "..next").rename(mount / "..data")
    assert (await source.read()).files == (("roles.yaml", b"2"),)


async def test_a_single_file_is_watched_too(folder: Path) -> None:
    source = DirectorySource(folder / "roles.yaml")
    await source.read()
    async with noticed(source, SOON_S):
        as_editors_do(folder)
    assert (await source.read()).files == (("roles.yaml", b"changed\n"),)
    async with noticed(source, SOON_S):
        put(folder / "roles.yaml", "and again\n")
    assert (await source.read()).files == (("roles.yaml", b"and again\n"),)


async def test_what_changed_before_anybody_watched_is_noticed(folder: Path) -> None:
    source = DirectorySource(folder)
    await source.read()
    in_place(folder)
    await asyncio.wait_for(source.changed(), SOON_S)
