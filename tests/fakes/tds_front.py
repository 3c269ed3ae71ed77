"""The fake of SQL Server on the wire, without TLS, for a daemon in a process of its own.

The real driver speaks to it; what it answers is the fake's, not a server's.
"""

import contextlib
import socket
import threading

from fakes.mssql import FakeLink, FakeServer
from fakes.tds_tokens import (
    DONE,
    FAILED,
    acknowledged,
    batch,
    in_database,
    login,
    packet,
    prelogin,
    refusal,
    replies,
    rows,
)
from leasehold_plugins.mssql.address import Address
from leasehold_plugins.mssql.link import SqlError

BATCH, NO_ENCRYPTION = 0x01, 0x02


class TdsFront:
    """Listens on `port` of this host, a thread for each connection."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self._lock = threading.Lock()
        self._open: dict[int, socket.socket] = {}
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._lock:
            self.server.sessions.clear()
            self._hang_up()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._listening.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(conn,)))
            self._threads[-1].start()

    def _serve(self, conn: socket.socket) -> None:
        with conn, contextlib.suppress(OSError, EOFError):
            packet(conn.recv)
            conn.sendall(replies(prelogin(NO_ENCRYPTION)))
            if (link := self._log_in(conn)) is not None:
                self._run(conn, link)

    def _log_in(self, conn: socket.socket) -> FakeLink | None:
        user, password, database = login(self._message(conn)[1])
        where = Address(host="localhost", port=self.port, database=database or "master")
        with self._lock:
            try:
                link = self.server.dial(where, user, password, database or None, 5)
            except SqlError as error:
                conn.sendall(replies(refusal(error.number) + FAILED))
                return None
            self._open[link.number] = conn
        conn.sendall(replies(acknowledged() + in_database(link.database) + DONE))
        return link

    def _run(self, conn: socket.socket, link: FakeLink) -> None:
        try:
            while True:
                kind, body = self._message(conn)
                if kind == BATCH:
                    conn.sendall(replies(self._answer(link, batch(body))))
        finally:
            with self._lock:
                link.close()

    def _answer(self, link: FakeLink, statement: str) -> bytes:
        with self._lock:
            try:
                return rows(link.execute(statement)) + DONE
            except SqlError as error:
                return refusal(error.number) + FAILED
            finally:
                self._hang_up()

    def _hang_up(self) -> None:
        """Cut off whoever was killed."""
        for number, conn in list(self._open.items()):
            if number not in self.server.sessions:
                del self._open[number]
                with contextlib.suppress(OSError):
                    conn.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _message(conn: socket.socket) -> tuple[int, bytes]:
        """The next message, of however many packets."""
        body, is_last, kind = b"", False, 0
        while not is_last:
            kind, is_last, part = packet(conn.recv)
            body += part
        return kind, body
