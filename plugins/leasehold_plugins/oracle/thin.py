"""The link by python-oracledb in its thin mode, and the only module that knows it."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator

import oracledb

from leasehold.plugin import EngineTemporary
from leasehold_plugins.oracle.address import Address
from leasehold_plugins.oracle.link import Lost, Row, SqlError

CONNECT_S = 5.0
_LATER_S = 2.0
"""How much longer than a statement may take we wait for the connection."""
_CLOSE_S = 1.0
_AWAY = frozenset({"DPY-6000", "DPY-6001", "DPY-6003", "DPY-6005"})
"""The listener does not answer, refuses, or does not know the service just now."""
_NOT_TRUSTED = frozenset({"DPY-6002", "DPY-6006"})
"""The certificate is for another name."""


async def dial(where: Address, username: str, password: str, limit_s: float) -> "Thin":
    """Log in; see `link.Dial`."""
    try:
        async with asyncio.timeout(2 * CONNECT_S):
            context = await asyncio.to_thread(where.tls)
            # The driver looks the name up on the event loop; one that does not resolve would hold
            # everybody up, so it is looked up beside it before.
            await asyncio.get_running_loop().getaddrinfo(where.host, where.port)
            conn = await oracledb.connect_async(
                user=username,
                password=password,
                host=where.host,
                port=where.port,
                service_name=where.service,
                protocol="tcp" if context is None else "tcps",
                ssl_context=context,
                ssl_server_dn_match=True,
                tcp_connect_timeout=CONNECT_S,
                retry_count=0,
                program="leasehold",
            )
    except oracledb.Error as error:
        raise _at_login(error) from error
    except (TimeoutError, OSError) as error:
        raise EngineTemporary("Oracle cannot be reached") from error
    conn.call_timeout = int(limit_s * 1000)
    conn.autocommit = True
    return Thin(conn, limit_s)


def _at_login(error: oracledb.Error) -> Exception:
    """What ended a login: the database's no by its number, anything else as away."""
    code, number = _told(error)
    if any(_is_distrust(it) for it in _chain(error)):
        return EngineTemporary(
            "Oracle's certificate is not trusted here, or is for another host; look at ssl_ca in"
            " connection.url"
        )
    if number and code not in _AWAY:
        return SqlError(number)
    return EngineTemporary("Oracle cannot be reached, or its listener does not know the service")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from; the driver puts its own around others."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_distrust(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLCertVerificationError) or (
        isinstance(error, oracledb.Error) and _told(error)[0] in _NOT_TRUSTED
    )


def _told(error: oracledb.Error) -> tuple[str, int]:
    """The driver's code (`DPY-…`, `ORA-…`) and the database's number, 0 for none."""
    about = error.args[0] if error.args else None
    return str(getattr(about, "full_code", "")), int(getattr(about, "code", 0) or 0)


class Thin:
    """A connection that is logged in."""

    def __init__(self, conn: oracledb.AsyncConnection, limit_s: float) -> None:
        self._conn = conn
        self._limit_s = limit_s
        self.version = conn.version

    async def execute(self, statement: str) -> list[Row]:
        """Run one statement and return its rows. Raises SqlError, Lost."""
        try:
            async with asyncio.timeout(self._limit_s + _LATER_S):
                with self._conn.cursor() as cursor:
                    await cursor.execute(statement)
                    return await cursor.fetchall() if cursor.description else []
        except oracledb.Error as error:
            code, number = _told(error)
            if number and not code.startswith("DPY-4"):
                raise SqlError(number) from error
            raise Lost from error
        except (TimeoutError, OSError) as error:
            raise Lost from error

    def is_alive(self) -> bool:
        """Whether the idle connection is still open, told without a round trip."""
        return self._conn.is_healthy()

    async def close(self) -> None:
        """Close the connection, quietly and without a long wait."""
        with contextlib.suppress(oracledb.Error, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._conn.close()
