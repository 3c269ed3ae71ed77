"""A folder of somebody's checkout as one commit has it: what a change is compared with.

Reads the object store only; nothing is checked out, fetched or written.
"""

import asyncio
import os
from pathlib import Path

from leasehold.errors import ConfigError
from leasehold.sources.git_command import LOCAL_S, Git
from leasehold.sources.git_tree import files_of


async def files_at(folder: Path, revision: str) -> tuple[tuple[str, bytes], ...]:
    """The policy files below `folder` as `revision` (`main`, `HEAD~1`, a hash) has them.

    Raises ConfigError when the folder is in no repository, or the revision not in it.
    """
    if not await asyncio.to_thread(folder.is_dir):
        raise ConfigError(f"{folder}: is no directory; a revision is read for a whole folder")
    asked = ("rev-parse", "--absolute-git-dir", "--show-prefix")
    place = await Git(folder, _environment()).run("-C", str(folder), *asked, deadline_s=LOCAL_S)
    if place.code != 0:
        raise ConfigError(f"{folder}: is in no git repository that you may read")
    directory, _, prefix = place.line.partition("\n")
    git = Git(Path(directory), {**_environment(), "GIT_DIR": directory})
    wanted = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    commit = await git.run(*wanted, deadline_s=LOCAL_S)
    if commit.code != 0:
        raise ConfigError(
            f"{folder}: its repository has no revision {revision[:80]}; fetch it, or name another"
        )
    return await files_of(git, commit.line, prefix.strip().removesuffix("/"))


def _environment() -> dict[str, str]:
    """What git needs to find itself and its user's settings; no GIT_ variable steers it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
