"""Sessions of ours that were cut off within a call, and their end at the server.

What such a session was sent may still be on its way, and would make its account after that was
taken away (rule W7). Once the server has killed it, whatever arrives for it is lost. So whoever
takes accounts away kills it first. Any thread may add one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pymysql

from leasehold_plugins.mysql.errors import NO_SUCH_THREAD, number_of

Execute = Callable[[str], list[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class Place:
    """A session as the server numbers it. A cluster's servers number theirs each."""

    host: str
    port: int
    number: int


def place(execute: Execute) -> Place:
    """Where the session is that runs statements by `execute`."""
    [(host, port, number)] = execute("SELECT @@hostname, @@port, CONNECTION_ID()")
    return Place(str(host), int(str(port)), int(str(number)))


class GivenUp:
    """Sessions that were left in the middle of a call, until the server has none of them."""

    def __init__(self) -> None:
        self._left: set[Place] = set()

    def add(self, session: Place) -> None:
        """Nobody waits for this one any more."""
        self._left.add(session)

    def end(self, execute: Execute, here: Place) -> None:
        """Kill those at the server of `here`. Raises the driver's errors."""
        some = {
            each.number: each
            for each in self._left.copy()
            if (each.host, each.port) == (here.host, here.port)
        }
        if not some:
            return
        [(us,)] = execute("SELECT SUBSTRING_INDEX(USER(), '@', 1)")
        # Numbers begin anew with the server, so one may be somebody else's by now.
        ours = {number for number, user, *_ in execute("SHOW PROCESSLIST") if user == us}
        for number, session in some.items():
            if number in ours:
                try:
                    execute(f"KILL {number}")
                except pymysql.MySQLError as error:
                    if number_of(error) != NO_SUCH_THREAD:
                        raise
            self._left.discard(session)
