"""A quarantine, as calls."""

from collections.abc import Mapping
from typing import Any

from leasehold.client.calls import Calls


class QuarantineCalls(Calls):
    """What an operator does after an older store was put back."""

    def quarantine(self) -> Mapping[str, Any]:
        """The last quarantine; while it is held, `plan` says what a release would do."""
        data: Mapping[str, Any] = self._get("leasehold/quarantine", {}).body["data"]
        return data

    def release_quarantine(self, *, adopt_doubtful: bool = False) -> Mapping[str, Any]:
        """Have the plan carried out, without waiting for that. Raises Conflict without one."""
        body = {"adopt_doubtful": adopt_doubtful}
        data: Mapping[str, Any] = self._put("leasehold/quarantine/release", body).body["data"]
        return data
