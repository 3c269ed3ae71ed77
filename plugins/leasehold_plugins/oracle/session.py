"""One connection of the administrator: which database it is, and what we may see of it.

The identity is the database's number together with the container's, which a standby and a restored
backup share, and a duplicate does not.
"""

from collections.abc import Mapping
from typing import Any

from leasehold.plugin import EnginePermanent, ErrorClass, revealed
from leasehold_plugins.oracle import address
from leasehold_plugins.oracle.errors import refuses_login, translate
from leasehold_plugins.oracle.link import Dial, Link, Lost, Row, SqlError

_ABOUT = "SELECT dbid, con_dbid FROM v$database"
_RDS = (
    "SELECT 1 FROM all_objects WHERE owner = 'RDSADMIN' AND object_name = 'RDSADMIN_UTIL'"
    " AND ROWNUM = 1"
)
_LOCKS = "ALTER SESSION SET ddl_lock_timeout = {}"
_NOT_THERE = 942


class Session:
    """An open connection; made by `open_session`."""

    def __init__(self, link: Link, target: str, *, is_rds: bool) -> None:
        self._link = link
        self.target = target
        self.is_rds = is_rds
        self.version = f"Oracle {link.version}"

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version, to compare."""
        return tuple(map(int, self._link.version.split(".")))

    async def execute(self, statement: str) -> list[Row]:
        """Run one statement and return its rows. Raises SqlError, Lost."""
        return await self._link.execute(statement)

    async def may(self, query: str) -> bool:
        """Whether the query is allowed to us."""
        try:
            await self.execute(query)
        except SqlError as error:
            if error.number in (_NOT_THERE, 1031):
                return False
            raise
        return True

    def is_alive(self) -> bool:
        """Whether the idle connection is still open, told without a round trip."""
        return self._link.is_alive()

    async def close(self) -> None:
        """Close the connection, quietly."""
        await self._link.close()


async def open_session(connection: Mapping[str, Any], limit_s: float, dial: Dial) -> Session:
    """Log in as the administrator and see which database it is. Raises EngineError."""
    try:
        link = await dial(
            address.read(revealed(connection["url"])),
            revealed(connection["username"]),
            revealed(connection["password"]),
            limit_s,
        )
    except SqlError as error:
        if refuses_login(error):
            raise EnginePermanent(
                "Oracle refuses the administrator's login; look at username and password",
                error_class=ErrorClass.DENIED,
            ) from error
        raise translate(error) from error
    try:
        [(number, container)] = await link.execute(_ABOUT)
        is_rds = bool(await link.execute(_RDS))
        await link.execute(_LOCKS.format(max(1, int(limit_s) - 1)))
    except BaseException as error:
        await link.close()
        if isinstance(error, SqlError) and error.number == _NOT_THERE:
            raise EnginePermanent(
                "Oracle does not tell us which database it is; run: GRANT SELECT ON"
                f" sys.v_$database TO {revealed(connection['username'])};",
                error_class=ErrorClass.DENIED,
            ) from error
        if isinstance(error, SqlError | Lost):
            raise translate(error) from error
        raise
    return Session(link, f"oracle:{number}.{container}", is_rds=is_rds)
