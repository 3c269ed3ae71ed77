"""A relay to an MQTT broker that reads along: which events were sent, and which acknowledged.

Numbers are those that leasehold gives its events. It understands just enough of MQTT 5: PUBLISH
from the daemon and PUBACK to it (OASIS MQTT 5.0, 3.3 and 3.4).
"""

import json
import threading

from chaos.relay import Relay

PUBLISH, PUBACK = 3, 4


class Tap(Relay):
    """`sent` and `acknowledged` are in the order of time, doubles and all.

    With `mute` no event is acknowledged any more. `sessions` are connections that brought events.
    """

    def __init__(self, to: int) -> None:
        super().__init__(to)
        self.mute = False
        self.sent: list[int] = []
        self.acknowledged: list[int] = []
        self.sessions = 0
        self._here = _Connection()

    def passed(self, data: bytes, *, to_server: bool) -> bytes:
        """All packets that are whole, but for acknowledgements when it is mute."""
        begun = self._here.up if to_server else self._here.down
        begun += data
        on = bytearray()
        while packet := _first(begun):
            del begun[: len(packet)]
            if not (self._note(packet, up=to_server) and self.mute):
                on += packet
        return bytes(on)

    def _note(self, packet: bytes, *, up: bool) -> bool:
        """Keep what a packet says; returns whether it acknowledges an event."""
        kind, body = packet[0] >> 4, packet[_header(packet) :]
        if up and kind == PUBLISH:
            topic_end = 2 + int.from_bytes(body[:2], "big")
            number, about = body[topic_end : topic_end + 2], topic_end + 2
            told = json.loads(body[about + 1 + body[about] :])  # properties: less than 128 bytes
            if "sequence" in told:
                self.sessions += not self._here.brought
                self._here.brought = True
                self._here.flying[number] = int(told["sequence"])
                self.sent.append(int(told["sequence"]))
        elif not up and kind == PUBACK:
            seq = self._here.flying.pop(body[:2], None)
            if seq is not None and not self.mute:
                self.acknowledged.append(seq)
            return seq is not None
        return False


class _Connection(threading.local):
    """What has come of packets, and what is not acknowledged; each connection has its thread."""

    def __init__(self) -> None:
        self.up = bytearray()
        self.down = bytearray()
        self.flying: dict[bytes, int] = {}
        self.brought = False


def _header(packet: bytes | bytearray) -> int:
    """How long the fixed header of a packet is; 0 when that has not all come."""
    for at in range(1, min(5, len(packet))):
        if packet[at] < 0x80:
            return at + 1
    return 0


def _first(begun: bytearray) -> bytes:
    """The first packet if it has come whole, else nothing."""
    header = _header(begun)
    length = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(begun[1:header]))
    whole = header + length
    return bytes(begun[:whole]) if header and len(begun) >= whole else b""
