"""Who signed a commit, as far as the settings say whose signatures count.

git does the work, with the signers' public keys from `allowed_signers` (ssh) or `gpg_home`; where
only one of the two is set, the other kind of signature is none.
"""

import asyncio

from leasehold.errors import ConfigError
from leasehold.policy.sources import check_mode
from leasehold.settings import Settings
from leasehold.sources.git_command import Git
from leasehold.sources.git_mirror import shown_safely


class Signatures:
    """Says who signed; nobody has to while neither setting is there."""

    def __init__(self, git: Git, settings: Settings) -> None:
        self._git = git
        self._keys = {
            name: path
            for name, path in (
                ("allowed_signers", settings.allowed_signers),
                ("gpg_home", settings.gpg_home),
            )
            if path is not None
        }

    async def signer(self, commit: str) -> str:
        """The name that the signer's key has here. Raises ConfigError for any but a good signature.

        Empty when signatures do not count.
        """
        if not self._keys:
            return ""
        await asyncio.to_thread(self._check_keys)
        options: list[str] = []
        if file := self._keys.get("allowed_signers"):
            options += ["-c", f"gpg.ssh.allowedSignersFile={file}"]
        if "gpg_home" in self._keys:
            options += ["-c", "gpg.program=gpg"]
        answer = await self._git.local(*options, "verify-commit", commit, allowed=128)
        if answer.code:
            raise await self._refusal(commit)
        shown = ("show", "--no-patch", "--encoding=UTF-8", "--format=%GS", commit)
        return shown_safely((await self._git.local(*options, *shown)).line)

    def _check_keys(self) -> None:
        """Who can change these files decides what is signed."""
        for name, path in self._keys.items():
            try:
                for place in (path, *(path.iterdir() if path.is_dir() else ())):
                    check_mode(place.resolve(strict=True))
            except OSError as error:
                raise ConfigError(f"{name}: {path} cannot be read ({error.strerror})") from error

    async def _refusal(self, commit: str) -> ConfigError:
        content = await self._git.local("cat-file", "commit", commit, limit=1 << 20)
        header = content.output.partition(b"\n\n")[0]
        names = " or ".join(self._keys)
        if b"\ngpgsig" not in header:
            return ConfigError(
                f"commit {commit} is not signed; sign it (git commit -S) with a key in {names}"
            )
        return ConfigError(
            f"commit {commit} has no good signature of a key in {names}; have somebody sign whose"
            " key is there, or add the key"
        )
