"""An audit in memory, which refuses to be written when it is told to."""

import errno
from collections.abc import Sequence

from leasehold.model import AuditHead, Event


class FakeAudit:
    """Keeps events with their delayed mark. While `broken` it raises what a full disk would."""

    def __init__(self) -> None:
        self.lines: list[tuple[Event, bool]] = []
        self.broken = False
        self.appends = 0
        self.stored = 0

    def append(
        self, events: Sequence[Event], *, delayed: bool = False, stored: int = 0
    ) -> AuditHead:
        if self.broken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.appends += 1
        self.stored = stored
        self.lines += [(event, delayed) for event in events]
        return AuditHead(len(self.lines), f"{len(self.lines):064x}")

    def close(self) -> None:
        pass

    @property
    def events(self) -> list[Event]:
        return [event for event, _ in self.lines]
