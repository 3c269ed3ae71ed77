"""The worker that stands for the daemon's callers."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

from bench.wire import Wire, request
from bench.worker import serve, settings


class Callers:
    """Callers of one daemon."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    def ask(self, callers: int, requests: Sequence[tuple[str, str, Any]]) -> dict[str, Any]:
        """Send `requests` from so many callers, each its next when the last was answered."""
        return asyncio.run(self._ask(callers, requests))

    async def _ask(self, callers: int, requests: Sequence[tuple[str, str, Any]]) -> dict[str, Any]:
        waiting = iter([request(method, path, _body(body)) for method, path, body in requests])
        wires = [Wire(self._socket) for _ in range(callers)]
        for wire in wires:
            await wire.open()
        spans: list[float] = []

        async def caller(wire: Wire) -> None:
            for next_one in waiting:
                began = time.perf_counter()
                await wire.ask(next_one)
                spans.append(time.perf_counter() - began)

        began = time.perf_counter()
        await asyncio.gather(*map(caller, wires))
        wall_s = time.perf_counter() - began
        for wire in wires:
            wire.close()
        return {"spans_s": spans, "wall_s": wall_s}


def _body(body: Any) -> bytes:
    return b"" if body is None else json.dumps(body).encode()


if __name__ == "__main__":
    serve({"ask": Callers(**settings()).ask})
