"""The audit is written a while after the answer was given."""

import queue
import threading
import time
from collections.abc import Sequence
from typing import Any

from leasehold.events.audit import FileAudit
from leasehold.model import AuditHead, Event

LATER_S = 0.2


def install() -> None:
    append = FileAudit.append
    waiting: queue.SimpleQueue[tuple[FileAudit, Sequence[Event], dict[str, Any]]] = (
        queue.SimpleQueue()
    )

    def write() -> None:
        while True:
            audit, events, how = waiting.get()
            time.sleep(LATER_S)
            append(audit, events, **how)

    def bad(self: FileAudit, events: Sequence[Event], **how: Any) -> AuditHead:
        waiting.put((self, events, how))
        return self._head

    FileAudit.append = bad  # type: ignore[method-assign]
    threading.Thread(target=write, daemon=True).start()
