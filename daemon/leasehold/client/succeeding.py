"""Leases that follow each other, as calls."""

from collections.abc import Mapping

from leasehold.client.calls import Calls
from leasehold.client.replies import IssuedCredential, asked_for, issued


class SucceedingCalls(Calls):
    """What a holder does whose role has an overlap."""

    def replace(
        self,
        lease_id: str,
        ttl: str | int | None = None,
        *,
        fields: Mapping[str, str] | None = None,
    ) -> IssuedCredential:
        """A new credential in the place of one whose end is near.

        Both work until `acknowledge_lease`. What the first was asked for with holds for it too.
        Raises Invalid when it is too early, or the role has no overlap.
        """
        asked = {**asked_for(ttl, fields), "lease_id": lease_id}
        return issued(lease_id, self._put("leasehold/leases/replace", asked))

    def acknowledge_lease(self, lease_id: str, *, wait: bool = True) -> bool:
        """Say that the new credential, of lease `lease_id`, is in use: the one before it ends.

        True: access with that has ended. False: it is queued.
        """
        body = {"lease_id": lease_id, "sync": wait}
        return self._put("leasehold/leases/acknowledge", body).status == 204
