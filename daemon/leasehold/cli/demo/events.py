"""The demo's own subscriber: it tells every event as it comes."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import aiomqtt

EVENTS = "leasehold/+/lease/#"


class Subscriber:
    """Hears the events of all leases and hands each to `tell`."""

    def __init__(self, port: int, tell: Callable[[str, dict[str, Any]], None]) -> None:
        self._port = port
        self._tell = tell
        self._heard: set[tuple[str, str]] = set()
        self._news = asyncio.Condition()
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled; `ready` is set when the broker sends us what comes."""
        async with aiomqtt.Client(
            "127.0.0.1",
            self._port,
            protocol=aiomqtt.ProtocolVersion.V311,  # the demo's broker speaks no later one
            logger=logging.getLogger("leasehold.demo.mqtt"),
        ) as client:
            await client.subscribe(EVENTS, qos=1)
            self.ready.set()
            async for message in client.messages:
                event = json.loads(bytes(message.payload or b"{}"))
                self._tell(str(message.topic), event)
                async with self._news:
                    self._heard.add((event["type"].rpartition(".")[2], event["subject"]))
                    self._news.notify_all()

    async def hear(self, kind: str, lease_id: str, within_s: float) -> None:
        """Wait for the event `kind` of a lease. Raises TimeoutError when it does not come."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: (kind, lease_id) in self._heard)
