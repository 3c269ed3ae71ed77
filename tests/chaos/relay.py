"""A TCP forwarder on loopback; each connection may lead to another server than the last."""

import contextlib
import selectors
import socket
import threading
import time


class Relay:
    """Forwards to the port `to`; a scenario may change that, and `cut` what is open."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.accepted: list[float] = []
        """When each connection came, by time.monotonic()."""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def passed(self, data: bytes, *, to_server: bool) -> bytes:
        """What the other end gets of `data`, when this returns; its connection waits for it."""
        return data

    def cut(self) -> None:
        """End every connection, as a dying host does."""
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of all."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self.accepted.append(time.monotonic())
                threading.Thread(target=self._forward, args=(near,), daemon=True).start()

    def _forward(self, near: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            near,
            socket.create_connection(("127.0.0.1", self.to)) as far,
            selectors.DefaultSelector() as ready,
        ):
            ends = {near: far, far: near}
            self._open |= ends.keys()
            try:
                for sock in ends:
                    ready.register(sock, selectors.EVENT_READ)
                while True:
                    for key, _ in ready.select():
                        data = key.fileobj.recv(65_536)  # type: ignore[union-attr]
                        if not data:
                            return
                        data = self.passed(data, to_server=key.fileobj is near)
                        ends[key.fileobj].sendall(data)  # type: ignore[index]
            finally:
                self._open -= ends.keys()
