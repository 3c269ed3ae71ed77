"""An HTTPS listener with the replies of a daemon; it remembers what requests bore."""

import contextlib
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ISSUED = {
    "lease_id": "database/creds/reader/one",
    "lease_duration": 60,
    "renewable": True,
    "data": {"username": "lh_one", "password": "hunter2"},
}


class Listener(http.server.ThreadingHTTPServer):
    """Serves `reply` to everything, by TLS `versions` only, to whom `trusted` vouches for."""

    daemon_threads = True

    def __init__(
        self,
        certificate: tuple[Path, Path],
        *,
        trusted: Path | None = None,
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = newest
        context.load_cert_chain(*certificate)
        if trusted is not None:
            context.load_verify_locations(trusted)
            context.verify_mode = ssl.CERT_REQUIRED
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self.status = 200
        self.delay_s = 0.0
        self.reply: Any = ISSUED
        self.headers: list[dict[str, str]] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Handshakes fail here on purpose."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Listener

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        self.server.headers.append({name.lower(): text for name, text in self.headers.items()})
        time.sleep(self.server.delay_s)
        body = json.dumps(self.server.reply).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", f"https://localhost:{self.server.port}/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Tests are quiet."""


@contextlib.contextmanager
def listening(*arguments: Any, **options: Any) -> Iterator[Listener]:
    with Listener(*arguments, **options) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield listener
        finally:
            listener.shutdown()
            thread.join()
