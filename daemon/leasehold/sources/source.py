"""What a source of policy is: files, read as a whole, and where they came from. Pure."""

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a policy came from; empty is what a directory does not have.

    `ref` is written in full, `commit` is its whole hash, `committed_at` is an instant in ISO 8601,
    UTC. `author` is what the commit claims; `signer` was proven by a signature, and is empty when
    none is asked for.
    """

    kind: Literal["directory", "git"]
    location: str
    commit: str = ""
    ref: str = ""
    signer: str = ""
    author: str = ""
    committed_at: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of a policy: every file by the name that problems show, in order, and its bytes."""

    files: tuple[tuple[str, bytes], ...]
    origin: Origin


class Source(Protocol):
    """A place that policy is read from. `read` and `changed` may run at the same time."""

    @property
    def location(self) -> str:
        """The place, as people wrote it."""

    @property
    def trouble(self) -> str:
        """Why `changed` cannot look just now, as one line; empty when it can."""

    async def read(self) -> Snapshot:
        """The policy as it stands there now. Raises ConfigError, one line that says what to do."""

    async def accepted(self, origin: Origin) -> None:
        """Have what is read from now on follow `origin`, which is served.

        To be called after each policy that takes effect, and at start with the one that is kept.
        """

    async def changed(self) -> None:
        """Return when `read` may give something else than it gave last, or may fail otherwise.

        Returns when the change has come to rest. What passes by itself is logged, and not raised.
        """
