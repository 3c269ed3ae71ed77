"""Logging in at a server, as the administrator or as an account of ours."""

import contextlib
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import pymysql
from pymysql.connections import Connection

from leasehold.plugin import EngineTemporary, revealed
from leasehold_plugins.mysql import address
from leasehold_plugins.mysql.address import Address

CONNECT_S = 5
_LATER_S = 2
"""How much longer than the server's own limits we wait for it."""


def address_of(connection: Mapping[str, Any]) -> Address:
    """Where `connection` leads. Raises EnginePermanent."""
    return address.read(revealed(connection["url"]))


def administrator(connection: Mapping[str, Any]) -> tuple[str, str]:
    """User name and password of the administrator."""
    return revealed(connection["username"]), revealed(connection.get("password", ""))


def connect(
    where: Address, username: str, password: str, limit_s: int
) -> tuple[Connection, socket.socket]:
    """Log in; the second handle of its socket lets another thread cut the connection off.

    `limit_s` is what the server may take for one statement. Raises EngineError when nobody answers
    or is who it should be, and the driver's error when the server says no.
    """
    conn = Connection(
        host=where.host,
        user=username,
        password=password,
        database=where.database,
        charset="utf8mb4",
        autocommit=True,
        read_timeout=limit_s + _LATER_S,
        write_timeout=limit_s + _LATER_S,
        ssl=where.tls(),
        ssl_disabled=where.unix_socket is not None,
        program_name="leasehold",
        defer_connect=True,
    )
    try:
        dialled = _dial(where)
    except OSError as error:
        raise EngineTemporary("MySQL cannot be reached") from error
    handle = dialled.dup()
    try:
        conn.connect(dialled)
    except BaseException as error:
        close(conn, handle)
        if isinstance(getattr(error, "original_exception", None), ssl.SSLError):
            raise EngineTemporary(
                "MySQL's certificate is not trusted here, or is for another host; look at ssl_ca"
                " in connection.url"
            ) from error
        raise
    return conn, handle


def close(conn: Connection, handle: socket.socket) -> None:
    """Close both, quietly."""
    with contextlib.suppress(pymysql.MySQLError, OSError):
        conn.close()
    handle.close()


def _dial(where: Address) -> socket.socket:
    if where.unix_socket is None:
        dialled = socket.create_connection((where.host, where.port), CONNECT_S)
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        dialled.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return dialled
    dialled = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        dialled.settimeout(CONNECT_S)
        dialled.connect(where.unix_socket)
    except OSError:
        dialled.close()
        raise
    return dialled
