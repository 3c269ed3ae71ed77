"""The mark by which a set of servers is known again (rule W11).

Redis has no identity that outlives a restart and is shared by replicas, and an address is none: two
servers may take turns there. So the first look leaves a user that can do nothing,
`leasehold-target`, whose one pattern is the mark. It stands where the accounts stand and is kept,
copied and lost with them: where it is missing nobody can say that an account was ever there.
"""

import re
import secrets
from typing import Any, Protocol

USER = "leasehold-target"
_MARK = re.compile(rf"~?{USER}:([0-9a-f]{{32}})")


class Asks(Protocol):
    """What is needed of a session."""

    async def ask(self, *command: str) -> Any:
        """The reply to one command."""


def new() -> str:
    """A mark that no server bears."""
    return secrets.token_hex(16)


async def read(session: Asks) -> str:
    """The server's mark; empty when it bears none. Raises EngineError."""
    found = await session.ask("ACL", "GETUSER", USER)
    # Patterns are in the order in which they were added: of two marks the earlier one counts.
    match = _MARK.search(str(found)) if found else None
    return match[1] if match else ""


async def leave(session: Asks, mark: str) -> str:
    """Mark the server, and return the mark that it bears then. Raises EngineError."""
    await session.ask("ACL", "SETUSER", USER, "off", "resetchannels", f"~{USER}:{mark}")
    return await read(session)
