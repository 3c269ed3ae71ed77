"""Policy from one ref of a git repository: one commit, by its hash, out of the object store (Y2).

History only goes forward: a commit that does not follow the one that is served stops here, until an
operator says that it is meant. Where signatures are asked for, only a good one of a known signer
passes.
"""

import asyncio
import logging
import re
from pathlib import Path

from leasehold.bundle import Reference
from leasehold.errors import ConfigError
from leasehold.policy.sources import check_mode
from leasehold.settings import Settings
from leasehold.sources.git_command import Git
from leasehold.sources.git_environment import environment
from leasehold.sources.git_mirror import CANDIDATE, Mirror
from leasehold.sources.git_remote import Remote
from leasehold.sources.git_signature import Signatures
from leasehold.sources.git_tree import files_of
from leasehold.sources.source import Origin, Snapshot
from leasehold.sources.url import GitUrl

logger = logging.getLogger(__name__)

REPOSITORY = "policy.git"
ACCEPT = "policy.accept"
"""Holds the hash of a commit that an operator takes although history was rewritten."""
LONGEST_PAUSE_S = 900
_HASH = re.compile(r"[0-9a-f]{40}")


class GitSource:
    """The ref that `url` names; `token` leads to the password for https."""

    def __init__(self, url: GitUrl, token: Reference | None, settings: Settings) -> None:
        repository = settings.state_dir / REPOSITORY
        self.location = url.location
        self.trouble = ""
        self._url = url
        self._git = Git(repository, environment(repository, url, settings))
        self._mirror = Mirror(self._git)
        self._remote = Remote(self._git, url, token)
        self._signatures = Signatures(self._git, settings)
        self._accept_file = settings.state_dir / ACCEPT
        self._accepted = ""
        self._taken = ""  # the commit that was read last, when only the accept file let it pass
        self._seen = ""  # what the ref pointed to when it was read last; empty when that failed
        self._lock = asyncio.Lock()

    async def read(self) -> Snapshot:
        """Fetch the ref and read the commit it points to. Raises ConfigError."""
        async with self._lock:
            try:
                return await self._read()
            except ConfigError as trouble:
                raise ConfigError(f"{self.location}: {trouble}") from trouble

    async def _read(self) -> Snapshot:
        self._seen = ""
        await self._mirror.prepare()
        await self._remote.fetch(CANDIDATE)
        commit = await self._mirror.hash_of(f"{CANDIDATE}^{{commit}}")
        tip = await self._mirror.hash_of(CANDIDATE)
        self.trouble = ""
        if not commit:
            raise ConfigError(f"{self._url.ref} points to no commit; name a branch")
        await self._check_forward(commit)
        signer = await self._signatures.signer(commit)
        files = await files_of(self._git, commit, self._url.path)
        about = await self._mirror.about(commit)
        origin = Origin(
            kind="git",
            location=self.location,
            commit=commit,
            ref=self._url.ref,
            signer=signer,
            author=about.author,
            committed_at=about.committed_at,
        )
        self._seen = tip
        return Snapshot(files, origin)

    async def _check_forward(self, commit: str) -> None:
        self._taken = ""
        base = self._accepted or await self._mirror.accepted()
        if not base or await self._mirror.follows(base, commit):
            return
        meant = await asyncio.to_thread(_meant, self._accept_file)
        if meant and await self._mirror.follows(meant, commit):
            self._taken = commit
            return
        raise ConfigError(
            f"history was rewritten: commit {commit} does not follow {base}, which is served; find"
            f" out why, and to take it all the same run: echo {commit} > {self._accept_file}"
        )

    async def accepted(self, origin: Origin) -> None:
        """Have what is read from now on follow the commit of `origin`, should it have one.

        A later commit that was accepted before stays what counts, unless an operator went back.
        """
        if not origin.commit:
            return
        async with self._lock:
            self._accepted = origin.commit
            try:
                await self._mirror.prepare()
                await self._accept(origin.commit)
                await self._mirror.tidy()
            except ConfigError as trouble:  # it holds while we run, and is told again at start
                logger.warning("%s: %s", self.location, trouble)

    async def _accept(self, commit: str) -> None:
        known = await self._mirror.accepted()
        if known and commit != self._taken and await self._mirror.follows(commit, known):
            self._accepted = known
            return
        await self._mirror.accept(commit)
        meant = await asyncio.to_thread(_meant, self._accept_file)
        if meant and await self._mirror.follows(meant, commit):  # an operator's word holds once
            await asyncio.to_thread(self._accept_file.unlink, missing_ok=True)

    async def changed(self) -> None:
        """Ask the remote now and then, until the ref points elsewhere than when it was read."""
        pause_s = self._url.every_s
        while True:
            await asyncio.sleep(pause_s)
            try:
                async with self._lock:
                    await self._mirror.prepare()
                tip = await self._remote.tip()
            except ConfigError as trouble:
                line = f"{self.location}: {trouble}"
                if self.trouble != line:
                    logger.warning("%s", line)
                self.trouble = line
                pause_s = max(self._url.every_s, min(2 * pause_s, LONGEST_PAUSE_S))
                continue
            if self.trouble:
                logger.info("%s: can be read again", self.location)
            self.trouble = ""
            pause_s = self._url.every_s
            if tip != self._seen:
                return


def _meant(file: Path) -> str:
    """The commit in the file, empty when there is no file. Raises ConfigError."""
    try:
        check_mode(file)
        text = file.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror})") from error
    if not _HASH.fullmatch(text):
        raise ConfigError(f"{file} holds no commit; write its whole hash, 40 digits, or remove it")
    return text
