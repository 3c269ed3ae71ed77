"""A session of `requests` over a Unix socket, such as hvac takes one."""

from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool

from servers.daemon import UnixConnection


class _Pool(HTTPConnectionPool):
    def __init__(self, socket: Path) -> None:
        super().__init__("localhost")
        self._socket = socket

    def _new_conn(self) -> Any:
        return _Connection(self._socket)


class _Connection(HTTPConnectionPool.ConnectionCls):  # type: ignore[name-defined]
    def __init__(self, socket: Path) -> None:
        super().__init__("localhost")
        self._socket = socket

    def connect(self) -> None:
        inner = UnixConnection(self._socket, 30)
        inner.connect()
        self.sock = inner.sock


class UnixAdapter(HTTPAdapter):
    def __init__(self, socket: Path) -> None:
        super().__init__()
        self._pool = _Pool(socket)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()


def session(socket: Path) -> requests.Session:
    made = requests.Session()
    made.mount("http://", UnixAdapter(socket))
    return made
