"""Where tokens live: beside the leases, in the same transactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from leasehold.leases.tokens import Token
from leasehold.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChange:
    """One token from `old` to `new`, with the events that tell it.

    `old` is None for a new token, `new` for one whose row goes. Written only where `old.version`
    still stands, else Conflict is raised; a new one only below a parent that is not over, else
    Denied. With `may_delay_audit` it is written even when the audit cannot be (rule AU3).
    """

    old: Token | None
    new: Token | None
    events: tuple[Event, ...] = ()
    may_delay_audit: bool = False


class TokenStore(Protocol):
    """Durable tokens. A row that does not verify is named in the log and counts as missing."""

    async def write(self, change: TokenChange) -> None:
        """Make one change durable. Raises Conflict, Denied, Unavailable."""

    async def line(self, hash: str) -> Sequence[Token]:
        """The token whose text hashes to `hash`, then its parent and so on; empty for none."""

    async def line_of(self, accessor: str) -> Sequence[Token]:
        """The same for the token called `accessor`."""

    async def children(self, accessor: str, limit: int) -> Sequence[Token]:
        """Tokens that are not over, directly below one."""

    async def due(self, now_ms: int, limit: int) -> Sequence[Token]:
        """Tokens whose `next_ms` has come, oldest first."""

    async def next_ms(self) -> int | None:
        """The next instant at which a token is due."""

    async def page(self, after: str, limit: int) -> Sequence[Token]:
        """Tokens that are not over, in order of accessors behind `after`."""
