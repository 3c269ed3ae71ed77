"""The hold of a quarantine: nothing is made and no account is taken away until it is over.

The store may be older than what happened since, so an end that it knows may have been moved, and a
lease may stand of which it knows nothing. What has to end is written down and waits.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from leasehold.errors import Quarantined


class Hold:
    """Whether the daemon is quarantined; `why` says the reason, and is empty when it is not."""

    def __init__(self) -> None:
        self.why = ""
        self._over = asyncio.Event()
        self._over.set()

    def begin(self, why: str) -> None:
        """Hold from now on."""
        self.why = why
        self._over.clear()

    def end(self) -> None:
        """Let go on what waits."""
        self.why = ""
        self._over.set()

    def check(self) -> None:
        """Raise Quarantined while it holds."""
        if self.why:
            raise Quarantined(
                "quarantined: the store may be an older one, so nothing is issued or renewed and no"
                " account is taken away until leasehold quarantine release"
            )

    def troubles(self) -> tuple[str, ...]:
        """That it holds, in one line."""
        if not self.why:
            return ()
        return (
            f"quarantined: {self.why}; nothing is issued or renewed and no account is taken away;"
            " see leasehold quarantine show",
        )

    async def after(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` once it is over."""
        try:
            await self._over.wait()
            await work
        finally:
            work.close()
