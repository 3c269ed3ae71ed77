"""A lease is written down as over before its account is dropped."""

from collections.abc import Iterable

from leasehold.model import Cause, Lease
from leasehold.plugin import Removal, Stage
from leasehold.removal import Attempt, Remover

REMOVED = Removal(stage=Stage.REMOVED)


def install() -> None:
    attempt = Remover.attempt

    async def bad(self: Remover, leases: Iterable[Lease]) -> list[Attempt]:
        some = list(leases)
        now_ms = self._clock.now_ms()
        await self.settle([Attempt(lease, REMOVED, now_ms) for lease in some], Cause.TTL)
        return await attempt(self, some)

    Remover.attempt = bad  # type: ignore[method-assign]
