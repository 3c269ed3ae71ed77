"""All that tokens need, built together: the verbs, who serves their routes, what runs beside."""

import time
from collections.abc import Coroutine, Iterable
from typing import Any

from leasehold.access import Access
from leasehold.api.logins import MOST_FAILED, LoginHandlers
from leasehold.api.renewals import FailedRenewals
from leasehold.api.secret_ids import SecretIdHandlers
from leasehold.api.tokens import TokenHandlers
from leasehold.api.wrapping import WrappingHandlers
from leasehold.clock import Clock
from leasehold.ending import Ending
from leasehold.failures import Failures
from leasehold.leases.sqlite import SQLiteStore
from leasehold.methods.registry import Methods
from leasehold.tokens.secret_id import Place
from leasehold.tokens.secret_ids import SecretIds
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
        self._access = access
        self._secret_ids = SecretIds(store, clock, methods)
        self._wrapping = Wrapping(store, clock, ending, self.tokens, self._secret_ids)
        self._sweep = TokenSweep(self.tokens, store.tokens, store, ending)
        self.of_wrapping = WrappingHandlers(access, self._wrapping)
        failed = Failures(time.monotonic, MOST_FAILED, "logins failed")
        self.handlers = (
            LoginHandlers(access, self.tokens, methods, failed, self._secret_ids),
            TokenHandlers(access, self.tokens, FailedRenewals(time.monotonic)),
            self.of_wrapping,
            SecretIdHandlers(access, self._secret_ids),
        )

    async def start(self) -> None:
        """Take up what another process has kept."""
        await self._secret_ids.load()
        await self._wrapping.start()

    def _roles(self) -> Iterable[Place]:
        """The roles of login methods, also of one that cannot be used just now."""
        methods = self._access.generation().bundle.auth.values()
        return [(each.name, role) for each in methods for role in each.roles]

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What runs as long as the daemon does, by name."""
        return {
            "tokens": self._sweep.run(),
            "wrapping": self._wrapping.run(),
            "secret ids": self._secret_ids.run(self._roles),
        }
