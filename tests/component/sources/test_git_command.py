"""Running git: it ends, with all it started, and says no more than may be said."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold.errors import ConfigError
from leasehold.sources.git_command import Git, TooMuch

WAIT_S = 10.0


def git_in(folder: Path) -> Git:
    repository = folder / "policy.git"
    place = {"GIT_DIR": str(repository), "HOME": str(folder)}
    return Git(repository, {"PATH": os.environ["PATH"], **place})


def processes_with(*words: str) -> list[Path]:
    """The processes that live, with all of `words` in their command lines."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if all(word in line for word in words):
            found.append(folder)
    return found


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that lets one connect and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"https://127.0.0.1:{server.getsockname()[1]}/policy.git"


async def test_when_the_deadline_passes_git_and_all_it_started_are_gone(
    tmp_path: Path, silent_url: str
) -> None:
    async with asyncio.TaskGroup() as group:
        running = group.create_task(give_up(git_in(tmp_path), silent_url))
        await asyncio.sleep(0.7)
        assert processes_with("remote-https", silent_url)
    assert "git ls-remote did not end within 1.5 s and was stopped" in running.result()
    assert processes_with(silent_url) == []


async def give_up(git: Git, url: str) -> str:
    with pytest.raises(ConfigError) as refused:
        await git.run("ls-remote", url, deadline_s=1.5)
    return str(refused.value)


async def test_who_is_cancelled_leaves_no_git_behind(tmp_path: Path, silent_url: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.7):
            await git_in(tmp_path).run("ls-remote", silent_url, deadline_s=WAIT_S)
    assert processes_with(silent_url) == []


async def test_output_is_capped_and_what_is_over_it_holds_nobody_up(tmp_path: Path) -> None:
    git = git_in(tmp_path)
    text = b"x" * 300_000
    alias = ("-c", "alias.echo=!cat")
    whole = await git.run(*alias, "echo", deadline_s=WAIT_S, feed=text, limit=len(text))
    assert whole.output == text
    with pytest.raises(TooMuch, match="git echo gave more than 299999 bytes"):
        await git.run(*alias, "echo", deadline_s=WAIT_S, feed=text, limit=len(text) - 1)


async def test_no_file_that_a_fetch_writes_grows_without_end(
    tmp_path: Path, silent_url: str
) -> None:
    git = git_in(tmp_path)
    await git.local("init", "--quiet", "--bare")
    fetch = ("fetch", "--stdin", silent_url)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(git.run(*fetch, deadline_s=WAIT_S, feed=b"main"))
        await asyncio.sleep(0.7)
        writing = processes_with("remote-https", silent_url)
        limits = [(folder / "limits").read_text() for folder in writing]
        running.cancel()
    assert limits
    assert all(f"Max file size             {1 << 30} " in text for text in limits)


async def test_without_git_the_line_says_so(tmp_path: Path) -> None:
    git = Git(tmp_path, {"PATH": str(tmp_path)})
    with pytest.raises(ConfigError, match="git is not installed, or not on the daemon's PATH"):
        await git.local("version")
