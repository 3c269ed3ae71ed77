"""The guide's listing over the daemon's Unix socket: hvac unmodified, on a session of requests.

The daemon knows the caller by its user, so there is no token.
"""

import os
import socket

import hvac
import psycopg
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool


class SocketConnection(HTTPConnection):
    """A connection to the socket that LEASEHOLD_SOCKET names."""

    def _new_conn(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(os.environ["LEASEHOLD_SOCKET"])
        return connection


class SocketPool(HTTPConnectionPool):
    """urllib3's pool of them."""

    ConnectionCls = SocketConnection


class SocketAdapter(HTTPAdapter):
    """What has requests use the pool."""

    def get_connection_with_tls_context(self, *_: object, **__: object) -> SocketPool:
        """A pool for any address."""
        return SocketPool("localhost")


session = requests.Session()
session.mount("http://localhost", SocketAdapter())
client = hvac.Client(url="http://localhost", session=session)

creds = client.secrets.database.generate_credentials("app-readonly")
try:
    # Server and database come from PGHOST, PGPORT and PGDATABASE.
    login = {"user": creds["data"]["username"], "password": creds["data"]["password"]}
    with psycopg.connect(**login) as conn:
        print(conn.execute("SELECT 'connected as ' || current_user").fetchone()[0])
finally:
    client.sys.revoke_lease(creds["lease_id"])
