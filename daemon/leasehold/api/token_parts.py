"""All that tokens need, built together: the verbs, who serves their routes, what runs beside."""

import time
from collections.abc import Coroutine
from typing import Any

from leasehold.access import Access
from leasehold.api.failed_logins import FailedLogins
from leasehold.api.logins import LoginHandlers
from leasehold.api.renewals import FailedRenewals
from leasehold.api.tokens import TokenHandlers
from leasehold.api.wrapping import WrappingHandlers
from leasehold.clock import Clock
from leasehold.ending import Ending
from leasehold.leases.sqlite import SQLiteStore
from leasehold.methods.registry import Methods
from leasehold.tokens.sweep import TokenSweep
from leasehold.tokens.tokens import Tokens
from leasehold.tokens.wrapping import Wrapping


class TokenParts:
    """One of each."""

    def __init__(
        self,
        access: Access,
        store: SQLiteStore,
        clock: Clock,
        ending: Ending,
        methods: Methods,
    ) -> None:
        self.tokens = Tokens(access, store.tokens, clock)
        self.wrapping = Wrapping(store, clock, ending, self.tokens)
        self._sweep = TokenSweep(self.tokens, store.tokens, store, ending)
        self.of_wrapping = WrappingHandlers(access, self.wrapping)
        self.handlers = (
            LoginHandlers(access, self.tokens, methods, FailedLogins(time.monotonic)),
            TokenHandlers(access, self.tokens, FailedRenewals(time.monotonic)),
            self.of_wrapping,
        )

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What runs as long as the daemon does, by name."""
        return {"tokens": self._sweep.run(), "wrapping": self.wrapping.run()}
