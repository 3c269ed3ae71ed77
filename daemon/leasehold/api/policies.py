"""The routes that show access rules as Vault's policies, one for each identity. They are read only.

A caller sees its own identities, and whoever may operate on access all of them.
"""

from leasehold.access import Access
from leasehold.api.access import OPERATE, PLACE
from leasehold.api.described import described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply, doubled
from leasehold.errors import NotFound
from leasehold.model import Caller
from leasehold.policy.capabilities import policy_text


class PoliciesHandlers:
    """Shows the served policy's `access`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @described(refusals=(NotFound,))
    async def names(self, ask: Ask) -> Reply:
        """`sys/policies/acl`: the identities that the caller may see."""
        names = self._names(ask.caller)
        if not names:
            raise NotFound("")
        return Reply(body=doubled({"keys": names, "policies": names}))

    @described(refusals=(NotFound,))
    async def read(self, ask: Ask) -> Reply:
        """`sys/policies/acl/<name>`: the access rules of an identity, as Vault would write them."""
        name = ask.path["name"]
        if name not in self._names(ask.caller):
            raise NotFound("")
        text = policy_text(self._access.generation().bundle.grants, name)
        return Reply(body=doubled({"name": name, "policy": text, "rules": text}))

    def _names(self, caller: Caller) -> list[str]:
        if self._access.decide(caller, PLACE, OPERATE).allowed:
            return sorted(self._access.generation().bundle.identities)
        return sorted(identity.name for identity in self._access.identities(caller))
