"""One ref of a remote repository: what it points to, and fetching it.

Nothing here is believed: objects are checked as they come (`fetch.fsckObjects`), and whether a
commit is taken is decided by others.
"""

import asyncio
import contextlib
from pathlib import Path

from leasehold.bundle import Reference
from leasehold.errors import ConfigError
from leasehold.policy.references import resolve
from leasehold.policy.sources import check_mode
from leasehold.sources.git_command import Git, Login
from leasehold.sources.git_meaning import NO_SUCH_REF, meaning
from leasehold.sources.url import GitUrl

LOOK_S = 30.0
FETCH_S = 120.0
LONGEST_TOKEN = 4096
_USER = "git"
"""Where only the token counts; a host that wants a user too has it in the address."""


class Remote:
    """The repository at `url`; `token` leads to the password for https."""

    def __init__(self, git: Git, url: GitUrl, token: Reference | None) -> None:
        self._git = git
        self._url = url
        self._token = token

    async def tip(self) -> str:
        """What the ref points to, a commit or a tag. Raises ConfigError."""
        output = await self._run("ls-remote", self._url.address, self._url.ref, deadline_s=LOOK_S)
        for line in output.splitlines():
            name, _, ref = line.partition("\t")
            if ref == self._url.ref:  # others may end like it
                return name
        raise ConfigError(NO_SUCH_REF)

    async def fetch(self, into: str) -> None:
        """Bring what the ref points to, and have our ref `into` point to it. Raises ConfigError."""
        only = ("--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-gc")
        # By --stdin, so that nothing is fetched before the limits of the process stand.
        arguments = ("fetch", "--quiet", *only, "--stdin", self._url.address)
        feed = f"+{self._url.ref}:{into}\n".encode()
        await self._run(*arguments, deadline_s=FETCH_S, feed=feed)

    async def _run(self, *arguments: str, deadline_s: float, feed: bytes = b"") -> str:
        if self._url.scheme == "file":
            await asyncio.to_thread(check_repository, Path(self._url.file_path))
        login = await self._login()
        answer = await self._git.run(*arguments, deadline_s=deadline_s, feed=feed, login=login)
        if answer.code == 0:
            return answer.line
        if found := meaning(answer.words):
            raise ConfigError(found)
        raise ConfigError(
            f"git {arguments[0]} failed (exit code {answer.code}); run git ls-remote"
            f" {self._url.address} to see why, and when that works remove {self._git.repository}"
            " and reload: it is fetched anew"
        )

    async def _login(self) -> Login | None:
        if self._token is None or self._url.scheme != "https":
            return None
        password = await resolve(self._token)
        token = password.reveal()
        if not token.isascii() or not token.isprintable() or len(token) > LONGEST_TOKEN:
            raise ConfigError("git_token leads to what is no token; it is one line of ASCII")
        return Login(self._url.host, self._url.user or _USER, password)


def check_repository(path: Path) -> None:
    """Refuse a repository on this machine that others could change. Blocks; raises ConfigError.

    To read a repository is to run git in it, under its configuration (safe.directory in
    git-config(1)), so nobody else may have had a hand in it, signatures or not.
    """
    try:
        root = path.resolve()
        inner = root / ".git"
        folder = inner if inner.exists() else root
        known = folder.is_dir() and (folder / "HEAD").exists()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})") from error
    if not known:
        raise ConfigError(f"{path} is no git repository; name one, or the one that it belongs to")
    for place in (root, folder, *folder.rglob("*")):
        if place.is_symlink():
            raise ConfigError(f"{place} links elsewhere; name the repository that it leads to")
        with contextlib.suppress(FileNotFoundError):  # git itself removes files as it works
            check_mode(place)
