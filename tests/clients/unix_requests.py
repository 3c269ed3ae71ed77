"""`requests`, and so hvac, over a Unix socket: an adapter whose connections all go there."""

import socket
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool


class _Connection(HTTPConnection):
    def __init__(self, *args: Any, path: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = path

    def _new_conn(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(10)
        made.connect(self._path)
        return made


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class UnixAdapter(HTTPAdapter):
    def __init__(self, path: Path) -> None:
        self._pool = _Pool("localhost", path=str(path))
        super().__init__()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> _Pool:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


def session(path: Path) -> requests.Session:
    """A session whose `http://localhost` is the socket at `path`."""
    made = requests.Session()
    made.trust_env = False
    made.mount("http://localhost", UnixAdapter(path))
    return made
