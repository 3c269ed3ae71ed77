"""The link by python-tds, and the only module that knows it.

`pytds.connect` is not used: it tries a refused login again, and goes to a server that it was
redirected to without TLS. So the connection is put together from the driver's parts, of a version
that is pinned. A redirection, as Azure does it, is followed once, with TLS. The driver's own log
lines show the beginning of statements, so they are switched off.
"""

import contextlib
import logging
import select
import socket
import ssl
from typing import Any

from pytds import tds_base
from pytds.connection import NonMarsConnection
from pytds.row_strategies import tuple_row_strategy
from pytds.tds_socket import _TdsSocket
from pytds.tz import utc

from leasehold.plugin import EngineTemporary
from leasehold_plugins.mssql.address import Address
from leasehold_plugins.mssql.link import Lost, Row, SqlError
from leasehold_plugins.mssql.tunnel import Tunnel

CONNECT_S = 5
_LATER_S = 2
"""How much longer than a statement may take we wait for the connection."""

logging.getLogger("pytds").disabled = True


def dial(where: Address, username: str, password: str, database: str | None, limit_s: int) -> "Tds":
    """Log in; see `link.Dial`."""
    found = _log_in(where, username, password, database, limit_s)
    if isinstance(found, Address):
        if where.tls() is not None and found.tls() is None:
            raise EngineTemporary("SQL Server redirects to where nothing has to be proved")
        found = _log_in(found, username, password, database, limit_s)
    if isinstance(found, Address):
        raise EngineTemporary("SQL Server redirects from server to server")
    return found


def _log_in(
    where: Address, username: str, password: str, database: str | None, limit_s: int
) -> "Tds | Address":
    """The connection, or where the server wants it to be made."""
    context = where.tls()
    try:
        plain = socket.create_connection((where.host, where.port), CONNECT_S)
    except OSError as error:
        raise EngineTemporary("SQL Server cannot be reached") from error
    handle = plain.dup()
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        via = Tunnel(plain, context, where.host) if context else plain
        conn = _TdsSocket(
            sock=via,
            login=_login(where, username, password, database),
            row_strategy=tuple_row_strategy,
            autocommit=True,
        )
        route = conn.login()
        if route is not None:
            plain.close()
            handle.close()
            return Address(
                host=route["server"],
                port=route["port"],
                database=where.database,
                ssl_ca=where.ssl_ca,
            )
        via.settimeout(limit_s + _LATER_S)
    except BaseException as error:
        plain.close()
        handle.close()
        if isinstance(error, EngineTemporary) or not isinstance(error, Exception):
            raise
        raise _at_login(error) from error
    return Tds(conn, handle)


def _login(where: Address, username: str, password: str, database: str | None) -> Any:
    login = tds_base._TdsLogin()
    login.server_name, login.app_name, login.library = where.host, "leasehold", "python-tds"
    login.user_name, login.password, login.database = username, password, database or ""
    login.option_flag2 = tds_base.TDS_ODBC_ON  # ANSI_DEFAULTS, so that "…" is an identifier
    login.enc_flag = tds_base.PreLoginEnc.ENCRYPT_NOT_SUP
    login.client_tz, login.bytes_to_unicode = utc, True
    login.connect_timeout = login.query_timeout = CONNECT_S
    return login


def _at_login(error: Exception) -> Exception:
    """What ended a login: the server's no by its number, anything else as away."""
    if isinstance(error, tds_base.DatabaseError) and error.number:
        return SqlError(error.number)
    return EngineTemporary(
        "SQL Server does not answer a login; where it demands TLS on this host, name its authority"
        " as ssl_ca in connection.url"
    )


class Tds:
    """A connection that is logged in."""

    def __init__(self, conn: Any, handle: socket.socket) -> None:
        self._conn = NonMarsConnection(pooling=False, key=(), tds_socket=conn)
        self._handle = handle
        self._is_open = True

    def execute(self, statement: str) -> list[Row]:
        """Run one batch and return the rows of its last result. Raises SqlError, Lost."""
        rows: list[Row] = []
        try:
            with self._conn.cursor() as cursor:
                cursor.execute(statement)
                while True:
                    if cursor.description:
                        rows = list(cursor.fetchall())
                    if not cursor.nextset():
                        return rows
        except tds_base.DatabaseError as error:
            if error.number:
                raise SqlError(error.number) from error
            self._is_open = False
            raise Lost from error
        except (OSError, ssl.SSLError, tds_base.Error) as error:
            self._is_open = False
            raise Lost from error

    def is_alive(self) -> bool:
        """Whether the server left the idle connection open, told without a round trip."""
        poll = select.poll()  # select(2) takes no descriptor from 1024 on
        poll.register(self._handle, select.POLLIN)
        return not poll.poll(0)

    def is_open(self) -> bool:
        """Whether the connection outlived its last statement."""
        return self._is_open

    def abort(self) -> None:
        """Cut the connection off, so that a thread that waits for it goes on at once."""
        with contextlib.suppress(OSError):
            self._handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection, quietly."""
        with contextlib.suppress(OSError, tds_base.Error):
            self._conn.close()
        self._handle.close()
