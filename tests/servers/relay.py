"""TLS in front of a daemon's Unix socket: what it says on the one side, it says on the other."""

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from servers.certificates import self_signed


class _Handler(socketserver.StreamRequestHandler):
    server: "_Server"

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.connect(str(self.server.daemon))
            back = threading.Thread(target=self._back, args=(daemon,))
            back.start()
            while data := self.connection.recv(65536):
                daemon.sendall(data)
            with contextlib.suppress(OSError):
                daemon.shutdown(socket.SHUT_WR)
            back.join()

    def _back(self, daemon: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := daemon.recv(65536):
                self.connection.sendall(data)


class _Server(socketserver.ThreadingTCPServer):
    def __init__(self, daemon: Path, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.daemon = daemon
        self.socket = context.wrap_socket(self.socket, server_side=True)


@contextlib.contextmanager
def tls_relay(daemon: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """The address at which the socket `daemon` is served by TLS, and the authority to trust."""
    folder.mkdir()
    certificate, key = self_signed(folder, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with _Server(daemon, context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"https://localhost:{server.server_address[1]}", certificate
        finally:
            server.shutdown()
            thread.join()
