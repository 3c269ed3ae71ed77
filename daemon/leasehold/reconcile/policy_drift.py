"""Whether what the source of the policy has is what is served."""

import asyncio

from leasehold.errors import LeaseholdError
from leasehold.reconcile.applier import Applier

AGAIN_S = 5.0
"""How long a change gets to be taken by who follows the source, before it counts as drift."""


async def not_served(applier: Applier) -> str:
    """Why what the source has is not served, in one line; empty when it is."""
    waiting = await _waiting(applier)
    if waiting and not applier.trouble:
        await asyncio.sleep(AGAIN_S)
        waiting = await _waiting(applier)
    return applier.trouble or waiting


async def _waiting(applier: Applier) -> str:
    if applier.trouble:
        return applier.trouble
    try:
        plan = await applier.plan()
    except LeaseholdError as trouble:
        return str(trouble)
    return "" if plan.empty else f"plan {plan.checksum} would change {len(plan.changes)} objects"
