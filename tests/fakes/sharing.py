"""A world in which every role gives a holder that asks again the same lease."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from fakes.clock import FakeClock
from fakes.policy import HOLDER, ROLES, a_bundle
from fakes.world import World
from leasehold.bundle import Bundle
from leasehold.issuance import IssuedLease
from leasehold.model import Caller

WITHIN_S = 30
SHARED = {place: replace(role, share_s=WITHIN_S) for place, role in ROLES.items()}
PATH = "database/creds/reader"


class SharingWorld(World):
    """Every role shares, unless another bundle is given."""

    def __init__(self, folder: Path, clock: FakeClock, bundle: Bundle | None = None) -> None:
        super().__init__(folder, clock, bundle or a_bundle(roles=SHARED))

    async def given(self, caller: Caller = HOLDER, path: str = PATH, **more: Any) -> IssuedLease:
        """A lease whose credential arrives."""
        issued = await self.issue(path, caller=caller, **more)
        await self.issuance.delivered(caller, issued)
        return issued
