"""The route that shows how much of each limit is used. For operators only."""

from leasehold.access import Access
from leasehold.admission.admission import Admission
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply


class QuotaHandlers:
    """Shows quotas of the policy and limits of roles and mounts alike."""

    def __init__(self, access: Access, admission: Admission) -> None:
        self._access = access
        self._admission = admission

    async def quotas(self, ask: Ask) -> Reply:
        """`leasehold/quotas`: how much of each limit is used, the fullest first."""
        await self._access.require(ask.caller, "leasehold/quotas", "operate")
        quotas = [
            {
                "kind": one.kind,
                "name": one.name,
                "limit": one.what,
                "used": one.used,
                "most": one.most,
                "percent": one.percent,
            }
            for one in await self._admission.usage()
        ]
        return Reply(body={"data": {"quotas": quotas}})
