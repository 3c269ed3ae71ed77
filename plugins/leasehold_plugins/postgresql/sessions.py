"""Sessions of ours at the server, and their end when a call of theirs was given up.

What such a session was sent may still be on its way, and would make its account after that was
taken away (rule W7). Once the session has ended at the server, whatever arrives for it is lost. So
whoever takes accounts away ends it first.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

Connection = AsyncConnection[tuple[Any, ...]]
END_SESSION_MS = 1000
"""How long a session that was told to end is waited for."""

_WHICH = """
SELECT c.system_identifier::text, pid, extract(epoch FROM backend_start)::text
FROM pg_control_system() c, pg_stat_activity WHERE pid = pg_backend_pid()
"""
_END = """
SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity
WHERE pid = %s AND extract(epoch FROM backend_start)::text = %s AND usename = current_user
"""


@dataclass(frozen=True, slots=True)
class Session:
    """Where a connection leads to: the cluster, and of its sessions the one with this process.

    Numbers of processes come back, so when it began belongs to it.
    """

    target: str
    pid: int
    began: str


async def which(conn: Connection) -> Session:
    """The session that `conn` has."""
    found, pid, began = await (await conn.execute(_WHICH)).fetchone() or ("", 0, "")
    return Session(f"postgresql:{found}", pid, began)


class GivenUp:
    """Sessions that were left in the middle of a call, until they have ended."""

    def __init__(self) -> None:
        self._left: set[Session] = set()

    def add(self, session: Session) -> None:
        """Nobody waits for this one any more."""
        self._left.add(session)

    async def end(self, conn: Connection, target: str) -> None:
        """End those of the cluster that `conn` leads to; one that does not end is tried again."""
        for session in [each for each in self._left if each.target == target]:
            found = await conn.execute(_END, (END_SESSION_MS, session.pid, session.began))
            if all(ended for (ended,) in await found.fetchall()):
                self._left.discard(session)
