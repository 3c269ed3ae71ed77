"""A connection to a server, as this engine sees one: statements in, rows out, errors by number.

python-tds stands behind it (`tds.py`) and nowhere else. Statements take no parameters, since DDL
takes none: what goes into one is quoted by `statements.py`.
"""

from collections.abc import Callable
from typing import Any, Protocol

from leasehold_plugins.mssql.address import Address

Row = tuple[Any, ...]


class SqlError(Exception):
    """The server refused, with this number of its own; its text stays here."""

    def __init__(self, number: int) -> None:
        super().__init__(f"SQL Server error {number}")
        self.number = number


class Lost(Exception):
    """The connection is gone, so nobody knows whether the server did its work."""


class Link(Protocol):
    """An open connection. It belongs to one thread at a time; any thread may call `abort`."""

    def execute(self, statement: str) -> list[Row]:
        """Run one batch and return the rows of its last result. Raises SqlError, Lost."""

    def is_alive(self) -> bool:
        """Whether the server left the idle connection open, told without a round trip."""

    def is_open(self) -> bool:
        """Whether the connection outlived its last statement."""

    def abort(self) -> None:
        """Cut the connection off, so that a thread that waits for it goes on at once."""

    def close(self) -> None:
        """Close the connection, quietly."""


Dial = Callable[[Address, str, str, str | None, int], Link]
"""Log in: address, user, password, database, seconds that a statement may take.

Raises EngineError when nobody answers or is who it should be, SqlError when the server says no.
"""
