"""Whether the daemon answers on its socket: a dead one is not there, a frozen one is silent."""

import http.client
import json
import socket
from pathlib import Path

from leasehold_verify.finding import Finding

CHECK = "socket"
WITHIN_S = 10.0


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=WITHIN_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(WITHIN_S)
        self.sock.connect(str(self._path))


def check_socket(path: Path) -> Finding:
    """Ask for the health of the daemon at `path`."""
    connection = _Connection(path)
    try:
        connection.request("GET", "/v1/sys/health")
        reply = connection.getresponse()
        told = json.loads(reply.read(65_536))
    except TimeoutError:
        return Finding(CHECK, False, f"{path}: no answer within {WITHIN_S:g} s; it hangs")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Finding(CHECK, False, f"{path}: no daemon answers ({_words(error)})")
    finally:
        connection.close()
    if isinstance(told, dict) and told.get("sealed"):
        return Finding(CHECK, False, f"{path}: the daemon is sealed, so nothing is revoked")
    if reply.status != 200:
        return Finding(CHECK, False, f"{path}: the daemon answers {reply.status}")
    return Finding(CHECK, True, f"{path} answers")


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
