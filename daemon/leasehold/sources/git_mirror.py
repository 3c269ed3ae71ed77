"""Our own bare copy of the repository that policy comes from: a cache, but for what was accepted.

It has two refs: `candidate` is what was fetched last, `accepted` what is served.
"""

import asyncio
import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from leasehold.errors import ConfigError
from leasehold.sources.git_command import Git

CANDIDATE = "refs/leasehold/candidate"
_ACCEPTED = "refs/leasehold/accepted"
_OLDEST = (2, 34)
"""The first git that verifies signatures by ssh."""
_LEFT_BEHIND = ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*", "objects/**/tmp_obj_*")
_ABOUT = "%an <%ae>%x00%cd"
_DATE = "--date=format-local:%Y-%m-%dT%H:%M:%SZ"
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class About:
    """What a commit says of itself, made fit to be shown."""

    author: str
    committed_at: str


class Mirror:
    """The repository that `git` works on. No other process uses it."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._can_verify = False

    async def prepare(self) -> None:
        """Have it there and free of what a killed git left behind, while no other runs.

        Raises ConfigError.
        """
        if not self._can_verify:
            answer = await self._git.local("version")
            found = re.search(r"(\d+)\.(\d+)", answer.line)
            if found is None or (int(found[1]), int(found[2])) < _OLDEST:
                raise ConfigError(f"found {answer.line}; at least git 2.34 is needed, upgrade it")
            self._can_verify = True
        await asyncio.to_thread(_sweep, self._git.repository)
        await self._git.local("init", "--quiet", "--bare", "--template=")

    async def hash_of(self, name: str) -> str:
        """What `name` leads to, empty when it is not here."""
        answer = await self._git.local("rev-parse", "--verify", "--quiet", name, allowed=128)
        return answer.line if answer.code == 0 else ""

    async def accepted(self) -> str:
        """The commit that was accepted last, empty when none was."""
        return await self.hash_of(_ACCEPTED)

    async def accept(self, commit: str) -> None:
        """Remember that `commit` is served; one that is not here cannot be remembered."""
        if await self.hash_of(f"{commit}^{{commit}}"):
            await self._git.local("update-ref", _ACCEPTED, commit)

    async def follows(self, base: str, commit: str) -> bool:
        """Whether `commit` is `base`, or came after it in one line of history."""
        if not await self.hash_of(f"{base}^{{commit}}"):
            return False
        answer = await self._git.local("merge-base", "--is-ancestor", base, commit, allowed=1)
        return answer.code == 0

    async def about(self, commit: str) -> About:
        """What the commit says of itself."""
        shown = ("show", "--no-patch", "--encoding=UTF-8", _DATE, f"--format={_ABOUT}", commit)
        author, _, committed_at = (await self._git.local(*shown)).line.partition("\0")
        return About(shown_safely(author), shown_safely(committed_at))

    async def tidy(self) -> None:
        """Pack what many fetches brought, now and then; git knows when (gc.auto)."""
        await self._git.local("gc", "--auto", "--quiet")


def shown_safely(text: str) -> str:
    """A text of somebody else, short and without what could forge a line of a log."""
    return "".join(each if each.isprintable() else "?" for each in text)[:_LONGEST]


def _sweep(repository: Path) -> None:
    """Locks of a git that was killed would be in the way for ever, and its halves fill the disk."""
    for pattern in _LEFT_BEHIND:
        for left in repository.glob(pattern):
            with contextlib.suppress(FileNotFoundError):
                left.unlink()
