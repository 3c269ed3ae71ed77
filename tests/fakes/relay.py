"""A network that can be cut."""

import asyncio
import contextlib
from pathlib import Path


class Relay:
    """Stands between a client and a server at a port, or at the path of a Unix socket.

    `cut` ends the connection as a dying host does. What is on its way to the server with the bytes
    `holding` in it waits for `let_go`, also when its sender is gone.
    """

    def __init__(self, to: int | Path) -> None:
        self._to = to
        self._open: list[asyncio.StreamWriter] = []
        self.accepting = True
        self.holding: bytes | None = None
        self.let_go = asyncio.Event()

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.accepting:
            writer.transport.abort()
            return
        if isinstance(self._to, Path):
            back, forth = await asyncio.open_unix_connection(self._to)
        else:
            back, forth = await asyncio.open_connection("127.0.0.1", self._to)
        self._open += [writer, forth]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(reader, forth, to_server=True))
            group.create_task(self._pump(back, writer))

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_server: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                if to_server and self.holding is not None and self.holding in data:
                    await self.let_go.wait()
                writer.write(data)
        writer.close()

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()
