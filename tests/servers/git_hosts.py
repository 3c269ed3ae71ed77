"""Private hosts of git repositories on loopback: https with a login, and ssh."""

import base64
import getpass
import os
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from servers.certificates import self_signed
from servers.git import ssh_key
from servers.postgres import PATH, free_port

START_S = 10.0


class HttpsHost:
    """Serves the repositories below `folder` to who brings `token`; /moved/… leads elsewhere."""

    def __init__(self, folder: Path, token: str, state: Path) -> None:
        self.folder = folder
        self.token = token
        self.logins: list[str] = []
        self.delay_s = 0.0
        self.stall_after: int | None = None
        self.stalled = threading.Event()
        self.certificate, key = self_signed(state, "localhost")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def url(self, name: str, options: str = "") -> str:
        return f"git+https://localhost:{self.port}/{name}{options}#main"

    def close(self) -> None:
        self.stalled.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
