"""For engines whose target takes many accounts away in few round trips, or lists names in pages."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from leasehold.errors import EngineError
from leasehold.plugin.engine import Account, Engine, Removal


class BatchEngine(Engine):
    """An engine that takes many away at once; one account is a batch of one."""

    async def revoke(self, account: Account) -> Removal:
        """Take one account away."""
        [result] = await self.revoke_many([account])
        if isinstance(result, EngineError):
            raise result
        return result

    @abstractmethod
    async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """Take many away; one result an account, in order."""


async def paged(page: Callable[[str], Awaitable[Sequence[str]]], size: int) -> AsyncIterator[str]:
    """All names, page by page: `page` gives the next `size` of them, or fewer at the end.

    It is asked for those that follow a name in the target's own order, at first the empty one.
    """
    after = ""
    while True:
        names = await page(after)
        for name in names:
            yield name
        if len(names) < size:
            return
        after = names[-1]
