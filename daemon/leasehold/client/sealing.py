"""Sealing and unsealing, as calls."""

from leasehold.client.calls import Calls
from leasehold.secret import Secret


class SealCalls(Calls):
    """What an operator does when nothing may go on, and when it may again."""

    def seal(self, reason: str) -> None:
        """Have the daemon stop everything and forget its key; it is durable when this returns."""
        self._put("leasehold/seal", {"reason": reason})

    def unseal(self, key: Secret | None = None) -> None:
        """Have a sealed daemon start, with this key in base64 or else with its key file.

        Raises Invalid for a wrong key, Denied where one must be given.
        """
        self._put("sys/unseal", {} if key is None else {"key": key.reveal()})

    def is_sealed(self) -> bool:
        """Whether it is sealed."""
        return bool(self._get("sys/seal-status", {}).body["sealed"])
