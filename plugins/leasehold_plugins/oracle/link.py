"""A connection to a database, as this engine sees one: statements in, rows out, errors by number.

python-oracledb stands behind it (`thin.py`) and nowhere else. Statements take no parameters, since
DDL takes none: what goes into one is quoted by `statements.py`.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from leasehold_plugins.oracle.address import Address

Row = tuple[Any, ...]


class SqlError(Exception):
    """The database refused, with this ORA number; its text stays here."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ORA-{number:05}")
        self.number = number


class Lost(Exception):
    """The connection is gone, so nobody knows whether the database did its work."""


class Link(Protocol):
    """An open connection, used by one task at a time."""

    version: str

    async def execute(self, statement: str) -> list[Row]:
        """Run one statement and return its rows. Raises SqlError, Lost."""

    def is_alive(self) -> bool:
        """Whether the idle connection is still open, told without a round trip."""

    async def close(self) -> None:
        """Close the connection, quietly and without a long wait."""


Dial = Callable[[Address, str, str, float], Awaitable[Link]]
"""Log in: address, user, password, seconds that a statement may take.

Raises EngineError when nobody answers or is who it should be, SqlError when the database says no.
"""
