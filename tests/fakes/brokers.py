"""Brokers in the test's own loop: an old one, and one that answers as the test wants it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt
from amqtt.broker import Broker

from servers.postgres import free_port

CONNECT, PUBLISH = 1, 3
ANONYMOUS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


@contextlib.asynccontextmanager
async def old_broker() -> AsyncIterator[tuple[int, list[dict[str, Any]]]]:
    """A broker that speaks MQTT 3.1.1 only, and what it publishes: its port, and the payloads."""
    port = free_port()
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}
    broker = Broker({"listeners": listeners, "plugins": ANONYMOUS})
    await broker.start()
    heard: list[dict[str, Any]] = []

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            heard.append(json.loads(bytes(message.payload)))

    try:
        async with aiomqtt.Client("127.0.0.1", port) as client, asyncio.TaskGroup() as group:
            await client.subscribe("leasehold/#", qos=1)
            listening = group.create_task(listen(client))
            yield port, heard
            listening.cancel()
    finally:
        await broker.shutdown()


class ScriptedBroker:
    """Speaks just enough MQTT to answer each event with a reason, or to end the connection.

    It hangs up on protocol levels above `newest` (5 is MQTT 5, 4 is 3.1.1); with `goodbye` it sends
    that reason instead of acknowledging, with `mute_at` it only hangs up, once, at that many
    events. What it was sent of events is in `events`.
    """

    def __init__(
        self,
        reason: int = 0,
        *,
        goodbye: int | None = None,
        mute_at: int | None = None,
        newest: int = 5,
    ) -> None:
        self.reason = reason
        self.goodbye = goodbye
        self.mute_at = mute_at
        self.newest = newest
        self.events: list[dict[str, Any]] = []

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        level = 0
        with contextlib.suppress(OSError, EOFError), contextlib.closing(writer):
            while kind := (await reader.readexactly(1))[0] >> 4:
                body = await reader.readexactly(await _length(reader))
                if kind == CONNECT and (level := body[6]) <= self.newest:
                    writer.write(bytes([0x20, 3, 0, 0, 0] if level == 5 else [0x20, 2, 0, 0]))
                elif kind == PUBLISH and (answer := self._answer(body, level)):
                    writer.write(bytes(answer))
                else:
                    return

    def _answer(self, body: bytes, level: int) -> list[int]:
        end = 2 + int.from_bytes(body[:2], "big")
        topic, number, payload = body[2:end].decode(), body[end : end + 2], body[end + 2 :]
        if level == 5:
            payload = payload[1 + payload[0] :]  # behind the properties, of less than 128 bytes
        if topic.endswith(("/status", "/audit/checkpoint")):
            return [0x40, 2, *number]
        self.events.append(json.loads(payload))
        if len(self.events) == self.mute_at:
            return []
        if self.goodbye is not None:
            return [0xE0, 2, self.goodbye, 0]
        return [0x40, 3, *number, self.reason] if level == 5 else [0x40, 2, *number]


async def _length(reader: asyncio.StreamReader) -> int:
    length = shift = 0
    while True:
        [byte] = await reader.readexactly(1)
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return length
        shift += 7
