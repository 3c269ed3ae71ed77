"""The `git` command: argument lists, a deadline, a cap on all it says, and no shell of ours.

What it prints beside its output is read for what it means and never passed on, since a server can
put anything into it (rule L2).
"""

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from leasehold.errors import ConfigError
from leasehold.secret import Secret

LOCAL_S = 30.0
WORDS_BYTES = 65_536
LARGEST_FILE_BYTES = 1 << 30
"""No file that git writes grows beyond this, whatever a server sends."""
_NO_GIT = "git is not installed, or not on the daemon's PATH; install it, or serve a directory"


class TooMuch(ConfigError):
    """git said more than it may."""


@dataclass(frozen=True, slots=True)
class Login:
    """A password for git to use at `host`, which may have a port, and nowhere else."""

    host: str
    user: str
    password: Secret


@dataclass(frozen=True, slots=True)
class Answer:
    """How one run ended. `words` is what git said beside its output, to be read for its meaning."""

    code: int
    output: bytes
    words: str

    @property
    def line(self) -> str:
        """The output as a text, without what ends the line."""
        return self.output.decode(errors="replace").removesuffix("\n")


class Git:
    """Runs git on one bare repository of ours, in one environment."""

    def __init__(self, repository: Path, environment: Mapping[str, str]) -> None:
        self.repository = repository
        self._environment = environment

    async def local(
        self, *arguments: str, feed: bytes = b"", limit: int = WORDS_BYTES, allowed: int = 0
    ) -> Answer:
        """Something that concerns our repository only; an exit code above `allowed` is an error.

        Raises ConfigError.
        """
        answer = await self.run(*arguments, deadline_s=LOCAL_S, feed=feed, limit=limit)
        if not 0 <= answer.code <= allowed:
            raise ConfigError(
                f"git {_verb(arguments)} failed in {self.repository} (exit code {answer.code});"
                " when the disk is well, remove that directory and reload: it is fetched anew"
            )
        return answer

    async def run(
        self,
        *arguments: str,
        deadline_s: float,
        feed: bytes = b"",
        limit: int = WORDS_BYTES,
        login: Login | None = None,
    ) -> Answer:
        """Run git to its end, whatever its exit code.

        `feed` is given to it once its limits stand. When the deadline passes, or we are cancelled,
        git and all it started are killed. Raises TooMuch for output beyond `limit`, ConfigError for
        the deadline and when there is no git.
        """
        with _offered(login) as (variables, descriptors):
            try:
                process = await asyncio.create_subprocess_exec(
                    "git",
                    *arguments,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env={**self._environment, **variables},
                    pass_fds=descriptors,
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise ConfigError(_NO_GIT) from None
            except OSError as error:
                raise ConfigError(f"git cannot be run ({error.strerror})") from error
        try:
            _limit_files(process.pid)
            async with asyncio.timeout(deadline_s):
                output, words = await _talk(process, feed, limit)
        except TimeoutError:
            raise ConfigError(
                f"git {_verb(arguments)} did not end within {deadline_s:g} s and was stopped"
            ) from None
        finally:
            await _end(process)
        if len(output) > limit:
            raise TooMuch(f"git {_verb(arguments)} gave more than {limit} bytes")
        return Answer(process.returncode or 0, output, words.decode(errors="replace"))


@contextlib.contextmanager
def _offered(login: Login | None) -> Iterator[tuple[Mapping[str, str], tuple[int, ...]]]:
    """Offer a password through a pipe, so that it stands in no argument and no environment.

    It is bound to its host: neither a proxy nor a server that we are sent on to is given it. What
    git makes of the helper is a fixed text but for the number of the pipe (gitcredentials(7)).
    """
    if login is None:
        yield {}, ()
        return
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:  # far less than it holds, so this cannot wait
            pipe.write(f"username={login.user}\npassword={login.password.reveal()}\n".encode())
        variables = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"credential.https://{login.host}.helper",
            "GIT_CONFIG_VALUE_0": f"!cat /proc/self/fd/{reading} #",  # dash knows no <&10
        }
        yield variables, (reading,)
    finally:
        os.close(reading)


def _limit_files(pid: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    soft = LARGEST_FILE_BYTES if hard == resource.RLIM_INFINITY else min(LARGEST_FILE_BYTES, hard)
    with contextlib.suppress(ProcessLookupError):  # it has ended already
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


async def _talk(
    process: asyncio.subprocess.Process, feed: bytes, limit: int
) -> tuple[bytes, bytes]:
    async with asyncio.TaskGroup() as group:
        output = group.create_task(_capped(process.stdout, limit))
        words = group.create_task(_capped(process.stderr, WORDS_BYTES))
        group.create_task(_fed(process.stdin, feed))
        await process.wait()
    return output.result(), words.result()


async def _fed(stream: asyncio.StreamWriter | None, feed: bytes) -> None:
    if stream is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its exit code says why
        stream.write(feed)
        await stream.drain()
        stream.close()
        await stream.wait_closed()


async def _capped(stream: asyncio.StreamReader | None, limit: int) -> bytes:
    """What comes, up to one byte more than `limit`; the rest is let go, so that nobody is stuck."""
    kept = bytearray()
    while stream is not None and (chunk := await stream.read(65_536)):
        kept += chunk[: limit + 1 - len(kept)]
    return bytes(kept)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _verb(arguments: tuple[str, ...]) -> str:
    """The command among the arguments; an option before it, `-c` or `-C`, has a value."""
    at = 0
    while arguments[at] in ("-c", "-C"):
        at += 2
    return arguments[at]
