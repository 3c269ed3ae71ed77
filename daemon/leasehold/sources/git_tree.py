"""The policy files of one commit, out of the object store: no work tree, no filter, no hook.

The same files are read as of a directory (`policy.sources`), but for links and submodules, which
are refused: what they lead to is no part of the commit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from leasehold.errors import ConfigError
from leasehold.policy.sources import BAD, SUFFIXES
from leasehold.policy.texts import MAX_BYTES
from leasehold.sources.git_command import Git, TooMuch
from leasehold.sources.git_mirror import shown_safely

MAX_FILES = 10_000
MAX_TOTAL_BYTES = 16 << 20
_LISTING_BYTES = 16 << 20
_HEADER_BYTES = 100
_LINK, _SUBMODULE = b"120000", b"160000"


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    object: bytes
    size: int


async def files_of(git: Git, commit: str, path: str) -> tuple[tuple[str, bytes], ...]:
    """Every policy file below the folder `path` of the commit (empty is all), by its name there.

    Raises ConfigError for what a policy may not hold, and for one that is too large.
    """
    folder = f"{commit}:{path}"
    kind = await git.local("cat-file", "-t", folder, allowed=128)
    if kind.code or kind.line != "tree":
        raise ConfigError(f"commit {commit} has no folder {path}; mend path= in the address")
    try:
        listing = await git.local("ls-tree", "-r", "-z", "-l", folder, limit=_LISTING_BYTES)
    except TooMuch as trouble:
        raise ConfigError(
            f"commit {commit} holds far more than policy; name the folder of it, ?path=policies"
        ) from trouble
    files = sorted(_chosen(listing.output), key=lambda file: PurePosixPath(file.name))
    if not files:
        raise ConfigError(f"commit {commit} holds no policy; it needs a file such as roles.yaml")
    _check_sizes(files)
    total = sum(file.size + _HEADER_BYTES for file in files)
    feed = b"".join(file.object + b"\n" for file in files)
    contents = await git.local("cat-file", "--batch", feed=feed, limit=total)
    return tuple(_contents(files, contents.output))


def _chosen(listing: bytes) -> Iterator[_File]:
    for entry in listing.split(b"\0")[:-1]:
        about, _, raw = entry.partition(b"\t")
        mode, _, name_of_object, size = about.split()
        name = raw.decode(errors="surrogateescape")
        *folders, last = name.split("/")
        if any(part.startswith(".") for part in (*folders, last)) or BAD in folders:
            continue
        shown = shown_safely(name)
        if mode == _LINK:
            raise ConfigError(
                f"{shown}: is a link, which is not followed in git; put the file here"
            )
        if mode == _SUBMODULE:
            raise ConfigError(f"{shown}: is a submodule, which is not read; put the files here")
        if PurePosixPath(last).suffix not in SUFFIXES:
            continue
        if not name.isprintable():
            raise ConfigError(f"{shown}: the name holds what is not shown here; rename the file")
        if not size.isdigit():  # BAD, where the object is not to be had
            raise _damaged(name)
        yield _File(name, name_of_object, int(size))


def _check_sizes(files: list[_File]) -> None:
    for file in files:
        if file.size > MAX_BYTES:
            raise ConfigError(f"{file.name}: is longer than {MAX_BYTES} bytes; split the file")
    if len(files) > MAX_FILES:
        raise ConfigError(f"holds {len(files)} policy files; at most {MAX_FILES} are read")
    if sum(file.size for file in files) > MAX_TOTAL_BYTES:
        raise ConfigError(f"the policy files hold more than {MAX_TOTAL_BYTES} bytes in all")


def _contents(files: list[_File], output: bytes) -> Iterator[tuple[str, bytes]]:
    """Take the batch apart: for each file `object blob size`, a newline, the bytes, a newline."""
    at = 0
    for file in files:
        header = b"%s blob %d\n" % (file.object, file.size)
        start, end = at + len(header), at + len(header) + file.size
        if output[at:start] != header or output[end : end + 1] != b"\n":
            raise _damaged(file.name)
        yield file.name, output[start:end]
        at = end + 1


def _damaged(name: str) -> ConfigError:
    return ConfigError(
        f"{name}: cannot be read from our copy of the repository; remove policy.git in the state"
        " directory and reload: it is fetched anew"
    )
